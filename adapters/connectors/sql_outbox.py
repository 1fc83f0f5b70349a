"""Reads an outbox: a table in the application's own database that triggers fill in the transaction of each change.

Sees every change, deletes too, in the order of each row, however late a transaction commits: what is read is what is
not marked as sent, never "higher than the last". Rows are marked when their events are stored; after a crash in between
the position, which is stored with the events, tells which ones. The owner approves ``ddl()``; ``install()`` runs it.
What a trigger could not write down, of a column that was away, is read from the row as it is by then.

A record's data are the watched columns, ``_kejadian`` (the watch's name) and ``_operasi`` (insert, update, delete).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, StringConstraints
from sqlalchemy import text

from adapters.connectors.sql import chosen, key_of, pack, quoted, row_by_key, text_of, unpack
from adapters.connectors.sql_outbox_ddl import script, statements
from adapters.connectors.sql_outbox_installed import check
from adapters.connectors.sql_outbox_watch import Watch
from bus.database import engine, errors
from bus.errors import ConfigError
from bus.ports import OPERATION, Batch, ConnectorConfig, Context, Position, Record, Rejection, Sees, SourceState

if TYPE_CHECKING:
    from sqlalchemy.engine import RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

PURGE_EVERY = 3600.0  #: seconds
CHECK_EVERY = 60.0  #: seconds between two looks whether all is there as it was installed
COLUMNS = "id, watch, operation, payload, created_at"
AT_ONCE = 1_000  #: rows deleted or searched
COUNTED = 10_000  #: rows that are counted, of those that wait

WatchName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$", max_length=40)]


class SqlOutboxConfig(ConnectorConfig):
    """Options of a source with ``connector = "sql_outbox"``."""

    url: str = Field(description="the database, by reference: env:NAME")
    table: str = Field(default="bus_event", description="the outbox table, with its schema where needed")
    watch: Mapping[WatchName, Watch] = Field(min_length=1, description="the watched tables, each by a name")
    transactions: bool = Field(
        default=True, description="MariaDB: false where the watched tables are MyISAM; the outbox is MyISAM then, too"
    )
    poll: float = Field(default=1.0, gt=0, description="seconds between two reads while there is nothing new")
    batch: int = Field(default=500, ge=1, le=10_000, description="rows per read")
    keep_days: float = Field(default=7, ge=0, description="how long sent rows are kept")

    @property
    def known_columns(self) -> frozenset[str]:
        """What a record has."""
        columns = chain.from_iterable(each.all_columns for each in self.watch.values())
        return frozenset(columns) | {"_kejadian", OPERATION}

    def operations(self, match: Mapping[str, object]) -> frozenset[str]:
        """Those of the watch that ``_kejadian`` names, or of all."""
        return frozenset(chain.from_iterable(w.on for n, w in self.watch.items() if match.get("_kejadian", n) == n))


class SqlOutbox:
    """A source over an outbox table."""

    Config: ClassVar[type[ConnectorConfig]] = SqlOutboxConfig
    sees: ClassVar[Sees] = Sees(updates=True, deletes=True)

    def __init__(self, config: SqlOutboxConfig, context: Context) -> None:
        self._config, self._zone = config, context.timezone
        self._where = f"{context.app} source.{context.name}"
        self._columns = {name: frozenset(watch.all_columns) for name, watch in config.watch.items()}
        self._reader: AsyncEngine | None = None
        self._writer: AsyncEngine | None = None
        self._purge_at = self._check_at = 0.0
        self._sent = 0  # the highest number that is marked as sent

    @property
    def idle(self) -> float:
        """Seconds between two reads while there is nothing new."""
        return self._config.poll

    def ddl(self) -> str:
        """The table and triggers as SQL, for the owner. Raises ConfigError; connects to nothing."""
        dialect = engine(self._config.url, where=self._where, create=False).dialect
        return script(dialect, self._config.table, self._config.watch, transactions=self._config.transactions)

    async def install(self) -> None:
        """Makes the table and the triggers; running it again replaces the triggers."""
        made = engine(self._config.url, where=self._where, create=False)
        try:
            with errors(self._where):
                config = self._config
                made_of = statements(made.dialect, config.table, config.watch, transactions=config.transactions)
                async with made.begin() as connection:
                    for statement in made_of:
                        await connection.exec_driver_sql(statement)
        finally:
            await made.dispose()

    async def open(self, position: Position | None) -> None:
        """Connects, and marks what was stored before a crash. Raises ConfigError where it is not installed."""
        await self.close()
        self._reader = engine(self._config.url, where=self._where, readonly=True, zone=self._zone)
        self._writer = engine(self._config.url, where=self._where, create=False, zone=self._zone)
        self._table = quoted(self._reader.dialect, self._config.table)
        with errors(self._where):
            async with self._reader.connect() as connection:
                await self._check(connection)
        if position and position.get("sent"):
            await self._mark_sent(position["sent"], unpack(position["until"]))

    async def _check(self, connection: AsyncConnection) -> None:
        await check(connection, self._config.table, self._config.watch, self._config.transactions, self._where)
        self._check_at = monotonic() + CHECK_EVERY

    async def read(self) -> Batch | None:
        """The oldest rows that are not sent. Raises ConfigError where a watched column or a trigger is gone."""
        names = ", ".join(f":w{place}" for place in range(len(self._config.watch)))
        unsent = f"sent_at IS NULL AND watch IN ({names})"
        query = chosen(COLUMNS, self._table, unsent, size=self._config.batch, order=["id"])
        parameters = {f"w{place}": name for place, name in enumerate(self._config.watch)}
        with errors(self._where):
            async with self._opened(self._reader).connect() as connection:
                rows = (await connection.execute(query, parameters)).all()
                records = [self._record(*row) for row in rows]
                wanting = [place for place, record in enumerate(records) if self._is_wanting(record)]
                if wanting or monotonic() >= self._check_at:
                    await self._check(connection)
                for place in wanting:
                    records[place] = await self._completed(connection, records[place])
        if not rows:
            return None
        position = {
            "sent": _spans(row.id for row in rows),
            "until": pack(max(row.created_at for row in rows)),
        }
        return Batch(records, position, more=len(rows) == self._config.batch)

    def _record(self, number: int, watch: str, operation: str, payload: Any, created: Any) -> Record:
        values = json.loads(payload, parse_float=Decimal) if isinstance(payload, str) else payload
        key = key_of([watch, *(values.get(name) for name in self._config.watch[watch].key)])
        data = {**values, "_kejadian": watch, OPERATION: operation}
        place = f"{self._table} id {number}"  # the outbox's own number: no identifier
        return Record(key, data, version=str(number), mark=text_of(created), place=place, at=_moment(created))

    def _is_wanting(self, record: Record) -> bool:
        """Whether its trigger did not write down all watched columns."""
        return not self._columns[record.data["_kejadian"]] <= record.data.keys()

    async def _completed(self, connection: AsyncConnection, record: Record) -> Record:
        """The record with what it is wanting, as the row has it by now; a row that is gone has nothing."""
        watch = record.data["_kejadian"]
        if lost := [name for name in self._config.watch[watch].key if name not in record.data]:
            return record._replace(fault=f"kolom {', '.join(lost)} tidak ada ketika baris ini diubah")
        _, *parts = json.loads(record.key)
        row = await self._row(connection, watch, parts) if record.data[OPERATION] != "delete" else None
        return record._replace(data={**row, **record.data}) if row else record

    async def _row(self, connection: AsyncConnection, watch: str, parts: Sequence[str]) -> RowMapping | None:
        """A watched row as it is now."""
        options = self._config.watch[watch]
        columns = ", ".join(quoted(connection.dialect, name) for name in options.all_columns)
        table = f"(SELECT {columns} FROM {quoted(connection.dialect, options.table)}) src"  # noqa: S608
        return await row_by_key(connection, table, options.key, key_of(parts))

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """Marks the rows as sent, and now and then deletes old ones."""
        await self._mark_sent(batch.position["sent"], unpack(batch.position["until"]))
        if monotonic() >= self._purge_at:
            self._purge_at = monotonic() + PURGE_EVERY
            await self._purge()

    async def _mark_sent(self, spans: Sequence[Sequence[int]], until: Any) -> None:
        """Marks what was read. In a database set back to an older copy later rows with the same numbers stay unsent."""
        statement = (
            f"UPDATE {self._table} SET sent_at = :now "  # noqa: S608
            "WHERE id BETWEEN :low AND :high AND created_at <= :until AND sent_at IS NULL"
        )
        now = self._now()
        with errors(self._where):
            async with self._opened(self._writer).begin() as connection:
                await connection.execute(
                    text(statement), [{"now": now, "low": low, "high": high, "until": until} for low, high in spans]
                )
        self._sent = spans[-1][1]

    async def _purge(self) -> None:
        """Deletes rows that were sent more than ``keep_days`` ago, in small transactions."""
        before = self._now(timedelta(days=-self._config.keep_days))
        find = chosen("id", self._table, "sent_at < :before", size=AT_ONCE, order=["id"])
        delete = text(f"DELETE FROM {self._table} WHERE id BETWEEN :low AND :high AND sent_at < :before")  # noqa: S608
        found = AT_ONCE
        while found == AT_ONCE:
            with errors(self._where):
                async with self._opened(self._writer).begin() as connection:
                    ids = list((await connection.execute(find, {"before": before})).scalars())
                    if ids:
                        await connection.execute(delete, {"low": ids[0], "high": ids[-1], "before": before})
            found = len(ids)

    def _now(self, since: timedelta = timedelta()) -> Any:
        """This moment as the table keeps it."""
        now = datetime.now(UTC) + since
        dialect = self._opened(self._writer).dialect.name
        if dialect == "postgresql":
            return now
        if dialect == "sqlite":
            return f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"
        return now.replace(tzinfo=None)

    async def reread(self, key: str) -> Record | None:
        """The watched row as it is now, with the operation that came last; a deleted row as it was."""
        try:
            watch, *parts = json.loads(key)
            if watch not in self._config.watch:
                return None
        except (ValueError, TypeError):
            return None
        last = await self._last(watch, key)
        if last and last.data[OPERATION] == "delete":
            return last
        with errors(self._where):
            async with self._opened(self._reader).connect() as connection:
                row = await self._row(connection, watch, parts)
        operation = last.data[OPERATION] if last else "update"
        return Record(key, {**row, "_kejadian": watch, OPERATION: operation}) if row else None

    async def _last(self, watch: str, key: str) -> Record | None:
        """The newest row of the outbox with that key."""
        query = chosen(COLUMNS, self._table, "watch = :watch AND id < :before", size=AT_ONCE, order=["id DESC"])
        before = 2**63 - 1
        with errors(self._where):
            async with self._opened(self._reader).connect() as connection:
                while rows := (await connection.execute(query, {"watch": watch, "before": before})).all():
                    for row in rows:
                        if (record := self._record(*row)).key == key:
                            return record
                    before = rows[-1].id
        return None

    def _opened(self, made: AsyncEngine | None) -> AsyncEngine:
        if made is None:
            raise ConfigError("the source is not open", where=self._where)
        return made

    async def state(self) -> SourceState:
        """The last row of the outbox that is sent, and those that are not."""
        opened, names = self._opened(self._reader), tuple(self._config.watch)
        unsent = f"sent_at IS NULL AND watch IN ({', '.join(f':w{place}' for place in range(len(names)))})"
        query = chosen("created_at", self._table, unsent, size=COUNTED, order=["id"])
        with errors(self._where):
            async with opened.connect() as connection:
                parameters = {f"w{place}": name for place, name in enumerate(names)}
                unsent_since = list((await connection.execute(query, parameters)).scalars())
        position = f"{self._table} id {self._sent}" if self._sent else ""
        oldest = _moment(unsent_since[0]) if unsent_since else None
        return SourceState(position, len(unsent_since), oldest, or_more=len(unsent_since) == COUNTED)

    async def close(self) -> None:
        """Closes the connections."""
        for made in (self._reader, self._writer):
            if made:
                await made.dispose()
        self._reader = self._writer = None


def _spans(numbers: Iterable[int]) -> list[list[int]]:
    """Rising numbers as first and last of each unbroken run: none is between them that was not among the numbers."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return spans


def _moment(created: Any) -> datetime:
    moment = datetime.fromisoformat(created) if isinstance(created, str) else created
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
