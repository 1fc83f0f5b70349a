"""Polls a SELECT over an application's database.

With a ``watermark`` (a column that grows with every change of its row) only rows behind the position are read. Rows
can come in behind it later: their transaction committed late, or they changed twice within the watermark's unit. So a
window of ``overlap`` seconds is swept again every ``rescan`` seconds, and with it the rows whose watermark is NULL,
``0000-00-00`` or in the future, which have no place in its order. Without a watermark the whole result is compared at
each poll. What is read again unchanged is dropped here where it is remembered, else by the bus.

It does not see deletes, a change that leaves the watermark where it is once that is older than ``overlap``, what
commits later than ``overlap``, and states between two polls. Such an application needs ``sql_outbox``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from time import monotonic, process_time
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field
from sqlalchemy import text

from adapters.connectors.sql import (
    chosen,
    column_named,
    derived,
    key_of,
    pack,
    place_of,
    quoted,
    reading,
    row_by_key,
    text_of,
    unpack,
)
from adapters.connectors.sql_walk import Walk
from adapters.connectors.watermark import Window, at, earlier, moment
from bus.database import engine
from bus.errors import ConfigError
from bus.ports import Batch, ConnectorConfig, Context, Position, Record, Rejection, Sees, SourceState

if TYPE_CHECKING:
    from sqlalchemy.engine import Row
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

HAVE_ZERO_DATES = {"mysql", "mariadb", "sqlite"}  #: where ``0000-00-00`` can stand in a column
REMEMBERED = 20_000  #: rows whose last content is kept in memory, some 200 bytes each
COUNTED = 10_000  #: rows that are counted, of those that wait
REST = 4  #: a sweep is followed by a rest of so many times what it took of the database's time, or of ours


class SqlPollConfig(ConnectorConfig):
    """Options of a source with ``connector = "sql_poll"``."""

    url: str = Field(description="the database, by reference: env:NAME")
    query: str = Field(
        examples=["SELECT id, nama, diubah FROM data"], description="any SELECT; name the columns, never *"
    )
    key: tuple[str, ...] = Field(min_length=1, examples=[["id"]], description="columns that name a row; never NULL")
    watermark: str | None = Field(
        default=None, examples=["diubah"], description="column that grows with every change: a time or a number"
    )
    poll: float = Field(default=1.0, gt=0, description="seconds between two reads while there is nothing new")
    batch: int = Field(default=500, ge=1, le=10_000, description="rows per read")
    overlap: float = Field(default=60, ge=1, description="seconds that a transaction may last and still be seen")
    rescan: float = Field(default=2, gt=0, description="seconds between two sweeps of that window")


class SqlPoll:
    """A source over any SELECT."""

    Config: ClassVar[type[ConnectorConfig]] = SqlPollConfig
    sees: ClassVar[Sees] = Sees(updates=True, deletes=False)

    def __init__(self, config: SqlPollConfig, context: Context) -> None:
        self._config, self._zone = config, context.timezone
        self._where = f"{context.app} source.{context.name}"
        self._table = derived(config.query)
        self._overlap = timedelta(seconds=config.overlap)
        self._engine: AsyncEngine | None = None
        self._remembered: dict[str, int] = {}  # key -> hash of the content that was stored last
        self._stored: tuple[Any, ...] | None = None  # the watermark and key behind which nothing is stored
        self._compared: datetime | None = None  # when the last sweep ended

    @property
    def idle(self) -> float:
        """Seconds between two reads while there is nothing new."""
        return self._config.poll

    async def open(self, position: Position | None) -> None:
        """Connects, checks query and columns, and goes to the position."""
        await self.close()
        self._engine = engine(self._config.url, where=self._where, readonly=True, zone=self._zone)
        self._remembered.clear()
        with reading(self._where):
            async with self._engine.connect() as connection:
                await self._find_columns(connection)
                self._go_to(position or {})
                if self._mark and position is None:
                    self._window.low = await self._first_low(connection)

    async def _find_columns(self, connection: AsyncConnection) -> None:
        """Finds the columns that the options name. Raises ConfigError."""
        result = await connection.execute(text(f"SELECT src.* FROM {self._table} WHERE 1 = 0"))  # noqa: S608
        self._columns = tuple(result.keys())
        key = [column_named(name, self._columns, self._where) for name in self._config.key]
        wanted = self._config.watermark
        self._mark = column_named(wanted, self._columns, self._where) if wanted else None
        self._key, self._key_at = tuple(key), tuple(map(self._columns.index, key))
        self._mark_at = self._columns.index(self._mark) if self._mark else 0
        self._quoted = {name: f"src.{quoted(connection.dialect, name)}" for name in self._columns}
        null = " OR ".join(f"{self._quoted[name]} IS NULL" for name in key)
        if (await connection.execute(chosen("1", self._table, null, size=1))).first():
            raise ConfigError("a key column is NULL in some rows", where=self._where, hint="choose another key")

    def _go_to(self, position: Position) -> None:
        """Continues where the position was stored; a sweep begins again."""
        order = (self._mark, *self._key) if self._mark else self._key
        after = tuple(unpack(value) for value in position.get("after", ())) or None
        if after and len(after) != len(order):
            raise ConfigError(
                "`key` or `watermark` changed since the position was stored",
                where=self._where,
                hint="remove the cursor",
            )
        low = unpack(position["low"]) if position.get("low") else None
        self._window = Window(low, self._overlap, self._zone)
        self._forward = Walk(order, f"{self._quoted[self._mark]} IS NOT NULL", after=after) if self._mark else None
        self._sweep = [] if self._mark else [Walk(order, after=after)]
        self._like = after[0] if after and self._mark else None  # some watermark: its type is that of the column
        self._stored = after
        self._dry, self._sweeps_next, self._spent = not self._mark, False, 0.0
        self._due, self._news, self._worked = monotonic(), monotonic(), process_time()

    async def _first_low(self, connection: AsyncConnection) -> Any:
        """Where the first sweep begins: ``overlap`` before the newest row; None (everything) where that is no time."""
        query = f"SELECT MAX({self._quoted[self._mark or '']}) FROM {self._table}"  # noqa: S608 - the owner's query
        newest = (await connection.execute(text(query))).scalar()
        when = moment(newest, self._zone)
        if when is None or when > self._horizon():
            return None
        return at(earlier(when, self._overlap), newest, self._zone)

    async def read(self) -> Batch | None:
        """New rows and the sweep's, page by page in turn; None where neither has any."""
        while True:
            sweeps = self._sweeps_next and self._sweeping()
            self._sweeps_next = not sweeps
            records = await (self._swept() if sweeps else self._new())
            if records:
                more = bool(self._sweep) or not self._dry
                # Where all of a table is compared again and again, a page in which nothing is new is no progress.
                return Batch(records, self._position(), more=more, ahead=True, passing=self._forward is None)
            if not sweeps and not self._sweeping():
                return None

    async def _new(self) -> list[Record]:
        """The next page behind the position, up to the first row from the future."""
        if self._forward is None:
            return []
        before = self._forward.after
        rows = await self._page(self._forward)
        known = len(rows)
        if rows:
            self._like = rows[-1][self._mark_at]
        if rows and self._from_future(rows[-1]):
            known = next(place for place, row in enumerate(rows) if self._from_future(row))
            last = rows[known - 1] if known else None
            self._forward.after = (last[self._mark_at], *(last[place] for place in self._key_at)) if last else before
        self._dry = known < self._config.batch
        if known:
            self._news = monotonic()
        return [self._record(row) for row in rows[:known]]

    async def _swept(self) -> list[Record]:
        """The next page of the sweep, without what is remembered as it is."""
        started = monotonic()
        rows = await self._page(self._sweep[0])
        self._spent += monotonic() - started
        if len(rows) < self._config.batch:
            self._sweep.pop(0)
            if not self._sweep:
                self._rest()
        records = map(self._record, rows)
        return [record for record in records if self._remembered.get(record.key) != _content(record)]

    def _sweeping(self) -> bool:
        """Whether a sweep is under way; begins one that is due, but lets a backlog of new rows go first for a while."""
        due = self._due if self._dry else self._due + self._config.overlap
        if not self._sweep and monotonic() >= due:
            self._sweep, self._spent, self._worked = self._walks(), 0.0, process_time()
        return bool(self._sweep)

    def _walks(self) -> list[Walk]:
        """What a sweep reads: the rows without a place in the watermark's order, and the window behind the position."""
        if self._forward is None or self._mark is None:
            return [Walk(self._key)]
        column, top = self._quoted[self._mark], self._forward.after[0] if self._forward.after else None
        outside, parameters = f"{column} IS NULL", {}
        if moment(self._like, self._zone):
            outside += f" OR {column} > :horizon"
            parameters["horizon"] = at(self._horizon(), self._like, self._zone)
            if self._engine and self._engine.dialect.name in HAVE_ZERO_DATES:
                outside += f" OR {column} < '1000-01-01'"
        walks = [Walk(self._key, f"({outside})", parameters)]
        if top is not None:
            self._window.begin(top)
            condition, bounds = f"{column} <= :high", {"high": top}
            if self._window.low is not None:
                condition, bounds = f"{column} >= :low AND {condition}", bounds | {"low": self._window.low}
            walks.append(Walk(self._forward.order, condition, bounds))
        return walks

    def _rest(self) -> None:
        """The sweep is over: moves the window, and rests the longer the more the sweep has cost."""
        self._compared = datetime.now(self._zone)
        self._window.settle()
        quiet = monotonic() - self._news > 2 * self._config.overlap
        pause = self._config.overlap if quiet else self._config.rescan
        cost = max(self._spent, process_time() - self._worked)  # its rows are mapped and compared, too
        self._due = monotonic() + max(pause if self._forward else self._config.poll, REST * cost)

    async def _page(self, walk: Walk) -> Sequence[Row[Any]]:
        if self._engine is None:
            raise ConfigError("the source is not open", where=self._where)
        with reading(self._where):
            async with self._engine.connect() as connection:
                return await walk.page(connection, self._table, self._config.batch, self._where)

    def _record(self, row: Sequence[Any]) -> Record:
        values = [row[place] for place in self._key_at]
        key, place = key_of(values), place_of(self._key, values)
        data = dict(zip(self._columns, row, strict=True))
        if self._mark is None:
            return Record(key, data, place=place)
        mark = row[self._mark_at]
        return Record(key, data, mark=text_of(mark), place=place, at=moment(mark, self._zone))

    def _position(self) -> Position:
        """Where to go on: behind the new rows, or behind the page of a table that is compared as a whole."""
        walk = self._forward or (self._sweep[0] if self._sweep else None)
        after = [pack(value) for value in walk.after] if walk and walk.after else []
        if self._forward is None:
            return {"after": after}
        return {"after": after, "low": None if self._window.low is None else pack(self._window.low)}

    def _horizon(self) -> datetime:
        return datetime.now(UTC) + self._overlap

    def _from_future(self, row: Sequence[Any]) -> bool:
        when = moment(row[self._mark_at], self._zone)
        return when is not None and when > self._horizon()

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """Remembers what was stored, so that a sweep can leave it out."""
        self._stored = tuple(unpack(value) for value in batch.position["after"]) or None
        for record in batch.records:
            self._remembered.pop(record.key, None)
            self._remembered[record.key] = _content(record)
        for key in list(islice(self._remembered, max(0, len(self._remembered) - REMEMBERED))):
            del self._remembered[key]

    async def reread(self, key: str) -> Record | None:
        """The row of that key as it is now."""
        if self._engine is None:
            raise ConfigError("the source is not open", where=self._where)
        with reading(self._where):
            async with self._engine.connect() as connection:
                row = await row_by_key(connection, self._table, self._key, key)
        return self._record(tuple(row.values())) if row else None

    async def state(self) -> SourceState:
        """The watermark that is stored, and the rows behind it. Of a table that is compared as a whole, when it was."""
        if self._forward is None or self._mark is None or self._engine is None:
            return SourceState(f"compared {self._compared.isoformat(timespec='seconds')}" if self._compared else "")
        column, parameters = self._quoted[self._mark], {}
        condition = f"{column} IS NOT NULL"
        if self._stored:
            condition, parameters["after"] = f"{column} > :after", self._stored[0]
        if moment(self._like, self._zone):
            condition += f" AND {column} <= :horizon"
            parameters["horizon"] = at(self._horizon(), self._like, self._zone)
        query = chosen(column, self._table, condition, size=COUNTED, order=[column])
        with reading(self._where):
            async with self._engine.connect() as connection:
                waiting = list((await connection.execute(query, parameters)).scalars())
        position = text_of(self._stored[0]) if self._stored else ""
        oldest = moment(waiting[0], self._zone) if waiting else None
        return SourceState(position, len(waiting), oldest, or_more=len(waiting) == COUNTED)

    async def close(self) -> None:
        """Closes the connection."""
        if self._engine:
            await self._engine.dispose()
            self._engine = None


def _content(record: Record) -> int:
    """A hash of a record's values, for this process alone."""
    try:
        return hash(tuple(record.data.values()))
    except TypeError:  # a list or an object, out of a JSON column
        return hash(repr(record.data))
