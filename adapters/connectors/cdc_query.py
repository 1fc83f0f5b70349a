"""Captured queries: the log tells which rows of its tables an application changed, the query what they look like.

The rows of the query that belong to the changed ones are read in bulk, after the change is visible. What is read twice
has the same content, which is no second event: so records have no version of their own.
"""

# ruff: noqa: S608 - the owner's query, quoted names, bound values

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, text

from adapters.connectors.cdc_feed import Feed
from adapters.connectors.cdc_gathering import Gathered
from adapters.connectors.cdc_progress import Progress
from adapters.connectors.cdc_tables import Tracked
from adapters.connectors.keys import folded
from adapters.connectors.sql import (
    column_named,
    derived,
    key_of,
    place_of,
    quoted,
    reading,
    row_by_key,
    text_of,
    unpack,
)
from adapters.connectors.sql_walk import Walk
from bus.errors import ConfigError, Unavailable
from bus.ports import OPERATION, Batch, Position, Record

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

PAGE = 5_000  #: rows of one statement
VISIBLE = 10.0  #: seconds that a change in the log may take until others see it
PAUSE = 0.002  #: seconds

Texts = tuple[str, ...]


class Looking:
    """The rows of a query: all of them at first, then those that changes belong to. Made for each opening."""

    def __init__(
        self,
        made: AsyncEngine,
        setup: Any,
        query: str,
        key: Sequence[str],
        tables: Sequence[Tracked],
        batch: int,
        where: str,
    ) -> None:
        self._engine, self._setup, self._batch, self._where = made, setup, batch, where
        self._table, self._wanted, self._tables = derived(query), tuple(key), tables
        self._key: Texts = ()
        self._columns: dict[str, str] = {}  #: by the names that ``belongs_to`` uses
        self._dates: Texts = ()  #: columns whose texts are dates that are none
        self._samples: dict[str, Any] = {}  #: a value of each column that rows are found by
        self._complete = False
        self._after: list[str] = []  #: the key of the last row that was read at first
        self._position: Position = {}  #: behind what has been handed over whole
        self._under_way: AsyncGenerator[Batch, None] | None = None

    async def open(self, progress: Progress) -> None:
        """Checks the query. Raises ConfigError for one that lacks a column, or does not work."""
        self._complete, self._after, self._position = bool(progress.done), list(progress.after), progress.dump()
        async with self._connected() as connection:
            result = await connection.execute(text(f"SELECT src.* FROM {self._table} WHERE 1 = 0"))
            columns = list(result.keys())
            types = self._setup.dates(result.cursor.description if result.cursor else ())
        self._key = tuple(column_named(name, columns, f"{self._where}.key") for name in self._wanted)
        self._dates = tuple(name for name in types if name not in self._key)
        for each in self._tables:
            where = f"{self._where}.tables.{each.name}"
            self._columns |= {name: column_named(name, columns, where) for name in each.belongs_to}

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        with reading(self._where):
            async with self._engine.connect() as connection:
                yield connection

    async def read(self, feed: Feed, wait: float) -> Batch | None:
        """The next rows; None where nothing changes within ``wait`` seconds."""
        while True:
            if self._under_way is None:
                if (gathered := await feed.get(wait)) is None:
                    return None
                self._under_way = self._looked(gathered)
            if (batch := await anext(self._under_way, None)) is not None:
                return batch
            self._under_way = None

    async def close(self) -> None:
        """Ends a look that is under way."""
        if self._under_way is not None:
            await self._under_way.aclose()

    async def reread(self, key: str) -> Record | None:
        """The row of that key as it is now."""
        async with self._connected() as connection:
            row = await row_by_key(connection, self._table, self._key, key)
        return Record(key, self._record(row).data) if row else None

    async def _looked(self, gathered: Batch) -> AsyncGenerator[Batch, None]:
        """What became of changed rows. The first that comes is the beginning of the log: all rows are read behind it.

        A change that is read with them comes once more out of the log; the later look is the newer one.
        """
        position = {name: value for name, value in gathered.position.items() if name not in {"at", "after", "done"}}
        if not self._complete:
            async for records, after in self._all():
                yield Batch(records, {**position, "at": 1, "after": after}, more=True, ahead=True)
            self._complete = True
        position["done"] = [each.name for each in self._tables]
        ready: list[Record] = []
        if gathered.records:
            await self._until_visible(gathered)
            async for record in self._changed(gathered.records):
                if len(ready) == self._batch:
                    yield Batch(ready, self._position, more=True, ahead=True)
                    ready = []
                ready.append(record)
        self._position = position
        yield Batch(ready, position, more=gathered.more, ahead=True)

    async def _all(self) -> AsyncIterator[tuple[list[Record], list[str]]]:
        """Every row in the order of its key, behind the last that is stored."""
        after: tuple[Any, ...] | None = None
        if self._after:
            typed = await self._typed(self._key, [tuple(self._after)])
            if not typed:
                return
            after = typed[0]
        walk = Walk(self._key, after=after)
        rows: Sequence[Any] = [None] * PAGE
        while len(rows) == PAGE:
            async with self._connected() as connection:
                rows = await walk.page(connection, self._table, PAGE, self._where)
            for start in range(0, len(rows), self._batch):
                part = [row._mapping for row in rows[start : start + self._batch]]
                yield [self._record(row) for row in part], [text_of(part[-1][name]) for name in self._key]

    async def _changed(self, touched: Iterable[Record]) -> AsyncIterator[Record]:
        """The rows that changed ones belong to, as they are now, and the keys of those that are gone."""
        for columns, wanted in self._grouped(touched).items():
            if set(columns) == set(self._key):
                for record in await self._exactly(wanted):
                    yield record
            else:
                async for record in self._belonging(columns, wanted):
                    yield record

    def _grouped(self, touched: Iterable[Record]) -> dict[Texts, dict[Texts, Record]]:
        """By the columns that are known, each value once: in the order of the key, where it is whole."""
        groups: dict[Texts, dict[Texts, Record]] = {}
        for each in touched:
            known = {self._columns[name]: value for name, value in each.data.items() if value is not None}
            columns = self._key if set(self._key) == known.keys() else tuple(sorted(known))
            if columns:
                values = tuple(text_of(known[name]) for name in columns)
                groups.setdefault(columns, {})[values] = Record(each.key, known, at=each.at)
        return groups

    async def _exactly(self, wanted: Mapping[Texts, Record]) -> list[Record]:
        """Rows by their keys. A key without a row is a delete."""
        found: dict[Texts, Record] = {}
        for values in _parts(await self._typed(self._key, wanted), self._batch):
            async with self._connected() as connection:
                condition = self._condition(connection, self._key)
                statement = text(f"SELECT src.* FROM {self._table} WHERE {condition}")
                bound = statement.bindparams(bindparam("values", expanding=True))
                result = await connection.execute(bound, {"values": _flat(values)})
                rows = result.mappings().all()
            for row in rows:
                texts = tuple(text_of(row[name]) for name in self._key)
                if texts in found:
                    raise ConfigError("several rows have the same key", where=self._where, hint="add a column to `key`")
                found[texts] = self._record(row, wanted[texts].at if texts in wanted else None)
        gone = [record for texts, record in wanted.items() if texts not in found]
        alike = {folded(texts) for texts in found}
        return [
            *found.values(),
            *[self._delete(each) for each in gone if not await self._is_there(each, alike)],
        ]

    async def _is_there(self, touched: Record, alike: set[Texts]) -> bool:
        """Whether the database finds a row by that key though its own is written otherwise ("A" and "a")."""
        texts = tuple(text_of(touched.data[name]) for name in self._key)
        if folded(texts) not in alike:
            return False
        return await self.reread(key_of([touched.data[name] for name in self._key])) is not None

    async def _belonging(self, columns: Texts, wanted: Mapping[Texts, Record]) -> AsyncIterator[Record]:
        """Rows by a part of their keys, or by other columns: any number."""
        latest = max((each.at for each in wanted.values() if each.at), default=None)
        for values in _parts(await self._typed(columns, wanted), self._batch):
            marks = {f"w{place}": value for place, value in enumerate(value for each in values for value in each)}
            names = iter(marks)
            async with self._connected() as connection:
                quotes = [f"src.{quoted(connection.dialect, name)}" for name in columns]
            tests = (" AND ".join(f"{name} = :{next(names)}" for name in quotes) for _ in values)
            walk = Walk(self._key, f"({' OR '.join(f'({each})' for each in tests)})", marks)
            rows: Sequence[Any] = [None] * PAGE
            while len(rows) == PAGE:
                async with self._connected() as connection:
                    rows = await walk.page(connection, self._table, PAGE, self._where)
                for row in rows:
                    yield self._record(row._mapping, latest)

    def _condition(self, connection: AsyncConnection, columns: Texts) -> str:
        names = [f"src.{quoted(connection.dialect, name)}" for name in columns]
        return f"{names[0] if len(names) == 1 else '(' + ', '.join(names) + ')'} IN :values"

    async def _typed(self, columns: Texts, texts: Iterable[Texts]) -> list[tuple[Any, ...]]:
        """Values of these columns as the driver wants them. What is none of a column, no row has."""
        samples = [await self._sample(name) for name in columns]
        if any(sample is None for sample in samples):
            return []  # the query has no row
        kinds = [type(sample).__name__ for sample in samples]
        typed = []
        for each in texts:
            try:
                typed.append(tuple(unpack([kind, value]) for kind, value in zip(kinds, each, strict=True)))
            except ConfigError:
                continue
        return typed

    async def _sample(self, column: str) -> Any:
        if column not in self._samples:
            async with self._connected() as connection:
                name = f"src.{quoted(connection.dialect, column)}"
                statement = f"SELECT {name} FROM {self._table} WHERE {name} IS NOT NULL LIMIT 1"
                sample = (await connection.execute(text(statement))).scalar()
            if sample is None:
                return None
            self._samples[column] = sample
        return self._samples[column]

    async def _until_visible(self, gathered: Batch) -> None:
        """A change stands in the log a moment before others see it. Raises Unavailable where that moment lasts."""
        if not isinstance(gathered, Gathered):
            return
        deadline = asyncio.get_running_loop().time() + VISIBLE
        async with self._connected() as connection:
            while not await self._setup.visible(connection, gathered.position["place"], gathered.xids):
                if asyncio.get_running_loop().time() > deadline:
                    raise Unavailable(
                        "a change stands in the database's log and is not visible yet",
                        where=self._where,
                        hint="does the server wait for a standby?",
                    )
                await asyncio.sleep(PAUSE)

    def _record(self, row: RowMapping, at: datetime | None = None) -> Record:
        values = [row[name] for name in self._key]
        if None in values:
            raise ConfigError("a row has no key", where=self._where, hint="name columns that are never NULL as `key`")
        data = {**row, OPERATION: "update"}
        for name in self._dates:
            if isinstance(data[name], str):
                data[name] = None
        return Record(key_of(values), data, place=place_of(self._key, values), at=at)

    def _delete(self, touched: Record) -> Record:
        values = [touched.data[name] for name in self._key]
        data = {**dict(zip(self._key, values, strict=True)), OPERATION: "delete"}
        return Record(key_of(values), data, place=place_of(self._key, values), at=touched.at)


def _parts(values: Sequence[tuple[Any, ...]], size: int) -> Iterator[Sequence[tuple[Any, ...]]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _flat(values: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Keys of one column as plain values."""
    return [each[0] for each in values] if len(values[0]) == 1 else list(values)
