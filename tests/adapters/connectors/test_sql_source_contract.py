"""sql_poll and sql_outbox in the conformance suite of sources, on each database they know."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Column, Integer, MetaData, Table, Text, delete, insert, select, update
from sqlalchemy.dialects.mysql import LONGTEXT

from adapters.connectors.sql_outbox import SqlOutbox, SqlOutboxConfig
from bus.ports import Source
from bus.testing import SourceApplication, SourceContract
from tests.adapters.connectors.parts import in_parts
from tests.adapters.connectors.sql_application import CONTEXT, KINDS, Application, Door


def _rows(value: str) -> Table:
    """The table; what is ``nilai`` here may have another name there."""
    return Table(
        "baris",
        MetaData(),
        Column("kunci", Integer, primary_key=True, autoincrement=False),
        Column(value, Text().with_variant(LONGTEXT(), "mysql", "mariadb"), key="nilai"),
        Column("urutan", Integer, nullable=False, index=True),
    )


ROWS, RENAMED = _rows("nilai"), _rows("isi")
OVERSIZED = 1_500_000  #: characters: no event is so large


class Office:
    """An application that stamps each change with a number that grows, behind a door that can be shut."""

    def __init__(self, own: Application, door: Door) -> None:
        self._own, self._behind, self._number = own, Application(own.kind, door.url), 0
        self._rows = ROWS
        self.away, self.back, self._door = door.shut, door.reopen, door
        self.disturb, self.suffered, self.calm = door.disturb, door.suffered, door.calm
        self.kill, self.start = own.kill, own.start
        self.backlog = 200_000 if own.kind == "sqlite" else 20_000

    def source(self) -> Source:
        return self._reading(self._door.url)

    def stranger(self) -> Source | None:
        return self._reading(url) if (url := self._door.strange_url) else None

    def _reading(self, url: str) -> Source:
        query = "SELECT kunci, nilai, urutan FROM baris"
        return self._behind.poll(query, url=url, key=["kunci"], watermark="urutan")

    async def write(self, rows: Iterable[tuple[int, str]]) -> None:
        for part in in_parts(rows):
            async with self._own.engine.begin() as connection:
                await self._put(connection, part)

    async def write_oversized(self, key: int) -> None:
        await self.write([(key, "x" * OVERSIZED)])

    async def delete(self, key: int) -> None:
        async with self._own.engine.begin() as connection:
            await connection.execute(delete(ROWS).where(ROWS.c.kunci == key))

    async def widen(self) -> None:
        await self._own.run("ALTER TABLE baris ADD tambahan varchar(20) DEFAULT 'baru'")

    async def lose_column(self) -> None:
        await self._own.run("ALTER TABLE baris RENAME COLUMN nilai TO isi")
        self._rows = RENAMED

    async def regain_column(self) -> None:
        await self._own.run("ALTER TABLE baris RENAME COLUMN isi TO nilai")
        self._rows = ROWS

    async def write_late(
        self, early: tuple[int, str], late: tuple[int, str], between: Callable[[], Awaitable[Any]]
    ) -> None:
        if self._own.kind == "sqlite":  # one writer at a time: the number alone is early
            self._number += 1
            await self.write([late])
            await between()
            async with self._own.engine.begin() as connection:
                await connection.execute(insert(ROWS), {"kunci": early[0], "nilai": early[1], "urutan": 1})
            return
        async with self._own.engine.begin() as slow:
            await self._put(slow, [early])
            await self.write([late])
            await between()

    async def close(self) -> None:
        await self._own.engine.dispose()
        await self._behind.engine.dispose()

    async def _put(self, connection: Any, rows: list[tuple[int, str]]) -> None:
        known = set(
            (await connection.execute(select(ROWS.c.kunci).where(ROWS.c.kunci.in_([key for key, _ in rows])))).scalars()
        )
        for key, value in rows:
            if key in known:
                self._number += 1
                change = update(self._rows).where(self._rows.c.kunci == key, self._rows.c.nilai != value)
                await connection.execute(change.values(nilai=value, urutan=self._number))
        fresh = []
        for key, value in rows:
            if key not in known:
                self._number += 1
                fresh.append({"kunci": key, "nilai": value, "urutan": self._number})
        if fresh:
            await connection.execute(insert(self._rows), fresh)


class OutboxOffice(Office):
    """The same, with triggers that fill an outbox."""

    def _reading(self, url: str) -> Source:
        watch = {"baris": {"table": "baris", "key": ["kunci"], "columns": ["kunci", "nilai"]}}
        config = SqlOutboxConfig.model_validate({"url": url, "watch": watch, "poll": 0.01})
        return SqlOutbox(config, CONTEXT)

    async def install(self) -> None:
        source = self.source()
        assert isinstance(source, SqlOutbox)
        await source.install()


async def _office(kind: str, of: type[Office], request: pytest.FixtureRequest, proxy: Any) -> Office:
    own = Application.of(kind, request)
    async with own.engine.begin() as connection:
        await connection.run_sync(ROWS.metadata.create_all)
    return of(own, await Door.to(own, proxy))


class TestSqlPoll(SourceContract):
    @pytest.fixture
    def tells_since(self) -> bool:
        return False  # its watermark is no time

    @pytest.fixture
    def large(self, application: Office) -> int:
        return application.backlog

    @pytest_asyncio.fixture(params=KINDS)
    async def application(self, request: pytest.FixtureRequest, proxy: Any) -> AsyncIterator[SourceApplication]:
        office = await _office(request.param, Office, request, proxy)
        yield office
        await office.close()


class TestSqlOutbox(SourceContract):
    @pytest.fixture
    def large(self) -> int:
        return 20_000  # sql_poll has the whole backlog

    @pytest_asyncio.fixture(params=KINDS)
    async def application(self, request: pytest.FixtureRequest, proxy: Any) -> AsyncIterator[SourceApplication]:
        office = await _office(request.param, OutboxOffice, request, proxy)
        assert isinstance(office, OutboxOffice)
        await office.install()
        yield office
        await office.close()
