"""An application with a database, and an engine that reads it as the bus does."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.connectors.sql_outbox import SqlOutbox
from adapters.connectors.sql_poll import SqlPoll, SqlPollConfig
from bus.database import engine
from bus.ports import Batch, Context, Position, Record
from bus.subjects import AppName
from tests.servers.proxy import Proxy
from tests.servers.server import Database, Server

KINDS = ("sqlite", "postgresql", "mariadb")
WIB = ZoneInfo("Asia/Jakarta")
START = datetime(2026, 1, 1, 8, 0, tzinfo=WIB)
CONTEXT = Context(AppName("dukcapil", "siak"), "mutasi", Path(), WIB)
TABLE = "CREATE TABLE penduduk (id integer PRIMARY KEY, nama varchar(50), updated_at {moment})"
TYPES = {
    "sqlite": {"moment": "TEXT", "serial": "INTEGER PRIMARY KEY AUTOINCREMENT"},
    "postgresql": {"moment": "timestamptz", "serial": "bigserial PRIMARY KEY"},
    "mariadb": {"moment": "datetime", "serial": "bigint AUTO_INCREMENT PRIMARY KEY"},
}


class Application:
    """The application's own side of its database: plain connections without the bus."""

    def __init__(self, kind: str, url: str, server: Server | None = None) -> None:
        self.kind, self.url, self.server = kind, url, server
        self.engine: AsyncEngine = engine(url, where="test")

    @classmethod
    def of(cls, kind: str, request: pytest.FixtureRequest) -> Application:
        """On a fresh database of that kind."""
        if kind == "sqlite":
            return cls(kind, request.getfixturevalue("sqlite_url"))
        database: Database = request.getfixturevalue(kind)
        return cls(kind, database.url, database.server)

    async def kill(self) -> bool:
        """Kills its server; SQLite has none."""
        if self.server:
            await asyncio.to_thread(self.server.kill)
        return self.server is not None

    async def start(self) -> None:
        """Starts it again."""
        if self.server:
            await asyncio.to_thread(self.server.start)

    async def run(self, *statements: str) -> None:
        """One transaction. ``{moment}`` and ``{serial}`` stand for the database's types."""
        async with self.engine.begin() as connection:
            await self.run_in(connection, *statements)

    async def run_in(self, connection: AsyncConnection, *statements: str) -> None:
        types = TYPES[self.kind]
        for statement in statements:
            made = statement.replace("{moment}", types["moment"]).replace("{serial}", types["serial"])
            await connection.exec_driver_sql(made)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query))]

    def poll(self, query: str = "SELECT * FROM penduduk", **options: Any) -> SqlPoll:
        defaults = {"key": ["id"], "watermark": "updated_at", "rescan": 0.01, "poll": 0.01}
        config = SqlPollConfig.model_validate({"url": self.url, "query": query, **defaults, **options})
        return SqlPoll(config, CONTEXT)


class Door:
    """The way from the bus to an application's database, which can be shut."""

    def __init__(
        self,
        url: str,
        shut: Callable[[], Awaitable[None]],
        reopen: Callable[[], Awaitable[None]],
        way: Proxy | None = None,
    ) -> None:
        self.url, self.shut, self.reopen, self._way = url, shut, reopen, way

    @property
    def strange_url(self) -> str | None:
        """The same database with a password that is not its user's; None where it asks for none."""
        parts = urlsplit(self.url)
        if not parts.password:
            return None
        return parts._replace(netloc=f"{parts.username}:bukan-sandinya@{parts.hostname}:{parts.port}").geturl()

    async def disturb(self) -> bool:
        """From here on it is a bad line, where there is one."""
        if self._way:
            await self._way.disturb()
        return self._way is not None

    def suffered(self) -> int:
        """How many connections were cut after something on them had come late."""
        return self._way.suffered() if self._way else 0

    async def calm(self) -> None:
        """A good one again."""
        if self._way:
            await self._way.calm()

    @classmethod
    async def to(cls, own: Application, proxy: Callable[[str | int], Awaitable[Proxy]]) -> Door:
        """A proxy where there is a server; SQLite is shut by whoever holds its file for itself."""
        if own.kind != "sqlite":
            way = await proxy(own.url)

            async def cut() -> None:
                await way.refuse()
                await way.cut()

            return cls(way.url(own.url), cut, way.accept, way)
        holder = sqlite3.connect(
            own.url.removeprefix("sqlite:///"), isolation_level=None, timeout=30, check_same_thread=False
        )

        async def hold() -> None:
            # In a thread: the transaction it waits for may be one that only this event loop can end.
            await asyncio.to_thread(holder.execute, "BEGIN EXCLUSIVE")

        async def let_go() -> None:
            holder.execute("ROLLBACK")

        return cls(own.url, hold, let_go)


async def read_all(source: SqlPoll | SqlOutbox, *, commit: bool = True) -> list[Batch]:
    """What the source gives until it has nothing new."""
    batches = []
    while batch := await source.read():
        batches.append(batch)
        if commit:
            await source.commit(batch, [])
    return batches


async def read_until(source: SqlPoll | SqlOutbox, wanted: Callable[[Record], bool]) -> Record:
    """Asks again and again, as the engine does, until such a record comes."""
    async with asyncio.timeout(20):
        while True:
            if batch := await source.read():
                await source.commit(batch, [])
                for record in batch.records:
                    if wanted(record):
                        return record
            else:
                await asyncio.sleep(source.idle)


def keys(batches: Iterable[Batch]) -> list[str]:
    """The keys of all records in their order."""
    return [record.key for batch in batches for record in batch.records]


def stored(position: Position) -> Position:
    """A position as it comes back from where it was kept."""
    loaded: Position = json.loads(json.dumps(position))
    assert loaded == position
    return loaded


def at(application: Application, seconds: float) -> str:
    """A literal of the application's time column, that many seconds after the start of the story."""
    when = START + timedelta(seconds=seconds)
    return f"'{when:%Y-%m-%d %H:%M:%S%z}'" if application.kind == "postgresql" else f"'{when:%Y-%m-%d %H:%M:%S}'"


async def fill(application: Application, *rows: tuple[int, str, float]) -> None:
    listed = ", ".join(f"({number}, '{name}', {at(application, seconds)})" for number, name, seconds in rows)
    await application.run(f"INSERT INTO penduduk VALUES {listed}")
