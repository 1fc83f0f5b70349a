"""From the messages of a logical replication stream to changes.

What the bus wrote itself, transactions with a row of ``bus_inbox``, is left out: an inbox row is the first that such a
transaction writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from psycopg2 import sql

from adapters.connectors import cdc_pgoutput as pgoutput
from adapters.connectors.cdc_gathering import Gathering
from adapters.connectors.cdc_progress import numbers_of, visible_in
from adapters.connectors.cdc_tables import INBOX, Operation, Row, Tracked, moved, same

VISIBLE = 5.0  #: seconds to wait at most: a server that commits once this reader confirms would wait for ever
PAUSE = 0.005  #: seconds
CHANGES = frozenset({pgoutput.INSERT, pgoutput.UPDATE, pgoutput.DELETE})


@dataclass(frozen=True, slots=True)
class Known:
    """A tracked table as the stream describes it at the moment."""

    tracked: Tracked
    relation: pgoutput.Relation
    texts: pgoutput.Relation  #: reads the key alone, as texts


class Rereading:
    """Reads the large values that an update left unchanged: the log does not have them."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._seen = 0  #: a transaction whose end other connections see

    def columns_now(self, tracked: Tracked) -> frozenset[str]:
        """The table's columns as they are now."""
        return tracked.columns_now(self._connection)

    def fill(self, known: Known, row: Row, key: Mapping[str, Any], xid: int) -> None:
        """Fills them in as they are now; where the row is gone the columns are left out."""
        self._wait_for(xid)
        missing = [name for name, value in row.items() if value is pgoutput.UNCHANGED_VALUE]
        tracked = known.tracked
        condition = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in tracked.key)
        query = sql.SQL("SELECT {} FROM {} WHERE {}").format(
            sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in missing),
            sql.Identifier(tracked.schema, tracked.table),
            condition,
        )
        with self._connection.cursor() as cursor:
            cursor.execute(query, [key[name] for name in tracked.key])
            found = cursor.fetchone()
        types = dict(zip(known.relation.columns, known.relation.types, strict=True))
        for place, name in enumerate(missing):
            del row[name]
            if found:
                convert, text = pgoutput.converter(types[name]), found[place]
                row[name] = text if text is None or convert is None else convert(text)

    def _wait_for(self, xid: int) -> None:
        """A commit stands in the log a moment before others see it; before that they see the row of earlier."""
        deadline = monotonic() + VISIBLE
        with self._connection.cursor() as cursor:
            while xid != self._seen and monotonic() < deadline:
                cursor.execute("SELECT pg_current_snapshot()::text")
                if visible_in(xid, numbers_of(cursor.fetchone()[0])):
                    self._seen = xid
                else:
                    sleep(PAUSE)


class Changes:
    """Reads the messages of one stream."""

    def __init__(self, tables: Iterable[Tracked], rereading: Rereading, gathering: Gathering, where: str) -> None:
        self._tables = {(each.schema, each.table): each for each in tables}
        self._rereading, self._gathering, self._where = rereading, gathering, where
        self._xid = 0
        self._known: dict[int, Known | None] = {}  #: by the relation's id; None: the inbox

    def take(self, data: bytes) -> None:
        """One message."""
        kind = data[0]
        if kind in CHANGES:
            if not self._gathering.skipping:
                self._change(data, kind)
        elif kind == pgoutput.BEGIN:
            begun = pgoutput.begin(data)
            self._xid = begun.xid
            self._gathering.begin(begun.lsn, begun.at, begun.xid)
        elif kind == pgoutput.COMMIT:
            self._gathering.commit()
        elif kind == pgoutput.RELATION:
            self._describe(data)

    def _describe(self, data: bytes) -> None:
        number, relation = pgoutput.relation(data)
        tracked = self._tables.get((relation.schema, relation.table))
        if tracked is None:
            self._known.pop(number, None)
            if relation.table == INBOX:
                self._known[number] = None
            return
        columns = tracked.logged(relation.columns, lambda: self._rereading.columns_now(tracked), self._where)
        self._known[number] = Known(tracked, relation.wanting(columns), relation.wanting(tracked.key, converted=False))

    def _change(self, data: bytes, kind: int) -> None:
        number = pgoutput.number_of(data)
        known = self._known.get(number)
        if known is None:
            if number in self._known:
                self._gathering.leave_out()
            return
        old, new = pgoutput.change(data, known.relation)
        if kind == pgoutput.DELETE:
            self._add(known, data, old, "delete")
        elif kind == pgoutput.INSERT:
            self._add(known, data, new, "insert")
        else:
            self._update(known, data, old, new or {})

    def _update(self, known: Known, data: bytes, old: Row | None, new: Row) -> None:
        if any(value is pgoutput.UNCHANGED_VALUE for value in new.values()):
            for name, value in new.items():
                if value is pgoutput.UNCHANGED_VALUE and old and name in old:
                    new[name] = old[name]
            if any(value is pgoutput.UNCHANGED_VALUE for value in new.values()):
                self._rereading.fill(known, new, pgoutput.change(data, known.texts)[1] or {}, self._xid)
        if moved(known.tracked, old, new):
            self._add(known, data, old, "delete")
            self._add(known, data, new, "insert")
        elif same(known.tracked, old, new):
            self._gathering.pass_over()
        else:
            self._add(known, data, new, "update")

    def _add(self, known: Known, data: bytes, row: Row | None, operation: Operation) -> None:
        def key() -> list[str]:
            old, new = pgoutput.change(data, known.texts)
            texts = (old if operation == "delete" else new) or {}
            return [texts[name] for name in known.tracked.key]

        self._gathering.weigh(len(data))
        self._gathering.add(known.tracked, row or {}, operation, key)
