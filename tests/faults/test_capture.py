"""Capture out of a database's log while everything around it fails: the adapter, the database, the server, the line."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.connectors.sql_cdc import SqlCdc, SqlCdcConfig
from bus.ports import Context
from bus.subjects import AppName
from tests.faults import contracts
from tests.faults.applications import Row, Target, compare, rows
from tests.faults.killing import KILLS, ROWS, SEED, kill_often, moments
from tests.faults.lines import into_table
from tests.servers.proxy import Proxy
from tests.servers.server import Database

FORMS: dict[str, dict[str, Any]] = {
    "tables": {"tables": {"log_penduduk": {"columns": ["nik", "tgl", "akta"]}}},
    "query": {
        "query": "SELECT l.id, p.nik, l.tgl, l.akta FROM log_penduduk l JOIN penduduk p ON p.id = l.id_pend",
        "key": ["id"],
        "tables": {"log_penduduk": {"belongs_to": {"id": "id"}}},
    },
}
KILLED = [("postgresql", "tables"), ("mariadb", "query")]
DISTURBED = [("postgresql", "query"), ("mariadb", "tables")]
ROUNDS = 3
PART = 1_000

pytestmark = pytest.mark.timeout(300)


class Log:
    """An application's log of deaths on a database server."""

    def __init__(self, database: Database, form: str) -> None:
        self.database, self.options = database, FORMS[form]
        database.sql(
            "CREATE TABLE penduduk (id int PRIMARY KEY, nik varchar(16));"
            "CREATE TABLE log_penduduk (id int PRIMARY KEY, id_pend int, nik varchar(16), tgl date, akta varchar(20))"
        )

    @property
    def contract(self) -> str:
        """The contract of the application."""
        head, _, publish = contracts.PRODUCER.partition("[source.log]")
        options = {"connector": "sql_cdc", "url": "env:SIAK_URL", **self.options}
        tables = options.pop("tables")
        lines = [f"{name} = {value!r}" for name, value in options.items()]
        for name, table in tables.items():
            lines += [f"[source.log.tables.{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
        return "\n".join([head, "[source.log]", *lines, publish[publish.index("\n[[publish]]") :]])

    async def install(self) -> None:
        """Makes what the capture needs, as `bus run --install` does."""
        config = SqlCdcConfig.model_validate({"url": self.database.url, **self.options})
        context = Context(AppName("dukcapil", "siak"), "log", Path(), ZoneInfo("Asia/Jakarta"))
        await SqlCdc(config, context).install()

    def write(self, written: Iterable[Row]) -> None:
        """Writes rows, in one transaction."""
        listed = list(written)
        persons = ", ".join(f"({each.number}, '{each.nik}')" for each in listed)
        deaths = ", ".join(
            f"({each.number}, {each.number}, '{each.nik}', '2026-03-15', '{each.akta}')" for each in listed
        )
        self.database.sql(
            f"BEGIN; INSERT INTO penduduk VALUES {persons}; INSERT INTO log_penduduk VALUES {deaths}; COMMIT"
        )


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {each!r}" for key, each in value.items()) + " }"
    return repr(value)


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Log:
    """The application, empty."""
    kind, form = request.param
    return Log(request.getfixturevalue(kind), form)


@pytest.fixture
def draw() -> random.Random:
    """Draws the moments."""
    return moments()


@pytest.mark.parametrize("log", KILLED, ids="-".join, indirect=True)
async def test_killed_capture_loses_and_repeats_nothing(tmp_path: Path, log: Log, draw: random.Random) -> None:
    target = Target(tmp_path / "makam.db")
    await log.install()
    async with into_table(tmp_path, log.database.url, target.url, producer=log.contract) as (city, siak, makam):
        await siak.start()
        await makam.start()

        async def again() -> None:
            await siak.kill()
            await siak.start()

        written = await kill_often(city, log, draw, lambda: city.stored("OPD_DUKCAPIL"), again)
        await city.until(lambda: target.count() >= ROWS, "everything applied")
        assert not compare(written, target.written())
        assert not await city.dead_letters()
        assert siak.starts == KILLS + 1


@pytest.mark.parametrize("log", DISTURBED, ids="-".join, indirect=True)
async def test_peers_killed_and_connections_cut(
    tmp_path: Path, log: Log, draw: random.Random, proxy: Callable[[str], Awaitable[Proxy]]
) -> None:
    """The database, the server and the line to the database fail in turn, each within the work on some rows."""
    target, written = Target(tmp_path / "makam.db"), []
    await log.install()
    way = await proxy(log.database.url)
    async with into_table(tmp_path, way.url(log.database.url), target.url, producer=log.contract) as (
        city,
        siak,
        makam,
    ):
        await siak.start()
        await makam.start()

        async def database() -> None:
            log.database.server.kill()
            await asyncio.to_thread(log.database.server.start)

        async def server() -> None:
            await city.server.kill()
            await city.server.start()

        async def line() -> None:
            way.delay = 0.02
            await way.cut()

        for number, fault in enumerate((database, server, line) * ROUNDS):
            fed = rows(1 + number * PART, PART, seed=SEED)
            await asyncio.to_thread(log.write, fed)
            written += fed
            goal = number * PART + draw.randrange(PART // 2)
            await city.until(lambda goal=goal: target.count() > goal, f"fault {number + 1}: beyond {goal}")  # type: ignore[misc]
            await fault()
        way.delay = 0
        await city.until(lambda: target.count() >= len(written), "everything applied")
        assert not compare(written, target.written())
        assert not await city.dead_letters()
        assert siak.starts == 1
