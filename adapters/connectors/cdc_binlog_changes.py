"""From the events of a binlog to changes.

A transaction begins with its GTID (MariaDB) or ``BEGIN`` (MySQL) and is named by that event's place; it ends with its
commit, and only there a reading can begin again, since row events need the table maps before them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from pymysqlreplication.event import MariadbGtidEvent, QueryEvent, RotateEvent, XidEvent
from pymysqlreplication.row_event import DeleteRowsEvent, RowsEvent, UpdateRowsEvent, WriteRowsEvent

from adapters.connectors.cdc_binlog_rows import rows_of
from adapters.connectors.cdc_binlog_values import Convert, key_texts, logged
from adapters.connectors.cdc_gathering import Gathering
from adapters.connectors.cdc_tables import INBOX, Operation, Row, Tracked, moved, same
from bus.errors import ConfigError

EVENTS = [MariadbGtidEvent, QueryEvent, XidEvent, RotateEvent, WriteRowsEvent, UpdateRowsEvent, DeleteRowsEvent]
WITHIN = ("SAVEPOINT", "ROLLBACK TO", "RELEASE")  #: statements that do not end a transaction


DATA = ("INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD")  #: statements that change rows: here they should not be


class Changes:
    """Reads the events of one stream."""

    def __init__(
        self,
        tables: Iterable[Tracked],
        gathering: Gathering,
        place: Callable[[Any], int],
        columns_now: Callable[[Tracked], Collection[str]],
        zone: tzinfo,
        where: str,
    ) -> None:
        self._tables = {(each.schema, each.table): each for each in tables}
        self._schemas = {schema for schema, _ in self._tables}
        self._gathering, self._place, self._zone, self._where = gathering, place, zone, where
        self._columns_now = columns_now

    def take(self, event: Any) -> None:
        """One event. Raises ConfigError for one that does not tell the whole row, or a column that is gone."""
        if isinstance(event, RowsEvent):
            if not self._gathering.skipping:
                self._rows(event)
        elif isinstance(event, XidEvent):
            self._gathering.commit(self._place(event))
        elif isinstance(event, MariadbGtidEvent):
            self._begin(event)
        elif isinstance(event, QueryEvent):
            self._statement(event)

    def _begin(self, event: Any) -> None:
        self._gathering.begin(self._place(event), datetime.fromtimestamp(event.timestamp, UTC))

    def _statement(self, event: Any) -> None:
        text = event.query[:20].upper()
        if text == "BEGIN":
            if not self._gathering.within:
                self._begin(event)
        elif text.startswith(DATA) and event.schema.decode() in self._schemas and self._names(event.query):
            raise ConfigError(
                "a change was logged as a statement, without its rows",
                where=self._where,
                hint="leave binlog_format ROW in every session, and raise `resnapshot`",
            )
        elif not text.startswith(WITHIN) and self._gathering.within:
            self._gathering.commit(self._place(event))  # COMMIT of tables without transactions, or a DDL statement

    def _names(self, statement: str) -> bool:
        """Whether a statement names a tracked table."""
        words = set(re.findall(r"\w+", statement))
        return any(table in words for _, table in self._tables)

    def _rows(self, event: Any) -> None:
        if event.table == INBOX:
            self._gathering.leave_out()
            return
        tracked = self._tables.get((event.schema, event.table))
        if tracked is None:
            return
        self._check(event, tracked)
        self._gathering.weigh(event.event_size)
        names = [column.name for column in event.columns]
        wanted = tracked.logged(names, lambda: self._columns_now(tracked), self._where)
        rows = rows_of(event, wanted, self._zone)
        if rows is None:
            rows = self._slowly(event, wanted)
        if isinstance(event, UpdateRowsEvent):
            for old in rows:
                self._update(tracked, old, next(rows))
        else:
            operation: Operation = "insert" if isinstance(event, WriteRowsEvent) else "delete"
            for row in rows:
                self._add(tracked, row, operation)

    def _check(self, event: Any, tracked: Tracked) -> None:
        bitmaps = [event.columns_present_bitmap, getattr(event, "columns_present_bitmap2", b"")]
        if any(sum(byte.bit_count() for byte in each) not in {0, len(event.columns)} for each in bitmaps):
            raise ConfigError(
                f"a change of {tracked.table} was logged without its whole row",
                where=self._where,
                hint="leave binlog_row_image FULL in every session, and raise `resnapshot`",
            )

    def _slowly(self, event: Any, wanted: Sequence[str]) -> Iterator[Row]:
        """The rows as the library reads them: it knows every type."""
        columns = {column.name: column for column in event.columns}
        converts = {name: convert for name in wanted if (convert := logged(columns[name], self._zone)) is not None}
        for row in event.rows:
            for values in ("before_values", "after_values", "values"):
                if values in row:
                    yield _row(wanted, row[values], row[values.replace("values", "none_sources")], converts)

    def _update(self, tracked: Tracked, old: Row, new: Row) -> None:
        if moved(tracked, old, new):
            self._add(tracked, old, "delete")
            self._add(tracked, new, "insert")
        elif same(tracked, old, new):
            self._gathering.pass_over()
        else:
            self._add(tracked, new, "update")

    def _add(self, tracked: Tracked, row: Row, operation: Operation) -> None:
        self._gathering.add(tracked, row, operation, lambda: key_texts(tracked.key, row))


def _row(
    wanted: Sequence[str], values: Mapping[str, Any], sources: Mapping[str, str], converts: Mapping[str, Convert]
) -> Row:
    row = {name: values[name] for name in wanted}
    for name, convert in converts.items():
        row[name] = convert(row[name], sources.get(name))
    return row
