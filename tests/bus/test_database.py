"""Opening databases, and what becomes of their drivers' errors: each against the real server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bus import database
from bus.database import engine, errors, mark_as_bus, offset
from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable

SECRET = "Siti Aminah"


@asynccontextmanager
async def disposed(*engines: AsyncEngine) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for made in engines:
            await made.dispose()


async def fails(made: AsyncEngine, *statements: str) -> BusError:
    """The error that the last of the statements, one transaction, becomes."""

    async def run() -> None:
        with errors("here"):
            async with made.begin() as connection:
                for statement in statements:
                    await connection.exec_driver_sql(statement)

    with pytest.raises(BusError) as caught:
        await run()
    assert str(caught.value).startswith("here: ")
    assert SECRET not in f"{caught.value!s}{caught.value!r}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return caught.value


def other(made: AsyncEngine, **parts: Any) -> AsyncEngine:
    return engine(made.url.set(**parts).render_as_string(hide_password=False), where="here")


RULES = """CREATE TABLE t (id integer PRIMARY KEY, nama varchar(20) NOT NULL, wali integer,
    CONSTRAINT wali_ada FOREIGN KEY (wali) REFERENCES t (id), CONSTRAINT bukan_x CHECK (nama <> 'x'))"""
BROKEN_RULES = [
    (f"INSERT INTO t VALUES (1, '{SECRET}', NULL)", "data yang sama sudah ada"),
    ("INSERT INTO t VALUES (2, NULL, NULL)", "isian wajib kosong"),
    ("INSERT INTO t VALUES (2, 'x', NULL)", "isian melanggar aturan tabel"),
    (f"INSERT INTO t VALUES (2, '{SECRET}', 9)", "data rujukan tidak ada"),
]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
async def test_rules_of_a_table_are_refusals_that_name_the_rule(kind: str, request: pytest.FixtureRequest) -> None:
    made = opened(kind, request)
    if kind == "sqlite":  # the application's connection would do this
        event.listen(made.sync_engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON"))
    async with disposed(made):
        async with made.begin() as connection:
            await connection.exec_driver_sql(RULES)
            await connection.exec_driver_sql(f"INSERT INTO t VALUES (1, '{SECRET}', NULL)")
        for statement, reason in BROKEN_RULES:
            error = await fails(made, statement)
            assert isinstance(error, Rejected)
            assert reason in error.what
            assert "kode" in error.what


def opened(kind: str, request: pytest.FixtureRequest) -> AsyncEngine:
    fixture = request.getfixturevalue("sqlite_url" if kind == "sqlite" else kind)
    return engine(fixture if kind == "sqlite" else fixture.url, where="here")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize("statement", ["SELECT * FROM nothing", "SELECT nothing FROM t", "SELEC"])
async def test_queries_that_do_not_fit_are_for_a_person_to_repair(
    kind: str, statement: str, request: pytest.FixtureRequest
) -> None:
    made = opened(kind, request)
    async with disposed(made):
        error = await fails(made, "CREATE TABLE t (id integer)", statement)
        assert isinstance(error, ConfigError)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_connections_that_fail(kind: str, request: pytest.FixtureRequest) -> None:
    made = opened(kind, request)
    nowhere, stranger, elsewhere = other(made, port=1), other(made, password="salah"), other(made, database="tidak_ada")
    unknown_host = other(made, host="tidak-ada.invalid")
    async with disposed(made, nowhere, stranger, elsewhere, unknown_host):
        assert isinstance(await fails(nowhere, "SELECT 1"), Unavailable)
        assert isinstance(await fails(unknown_host, "SELECT 1"), Unavailable)
        assert isinstance(await fails(stranger, "SELECT 1"), AccessError)
        error = await fails(elsewhere, "SELECT 1")
        assert isinstance(error, ConfigError)
        assert "no such database" in error.what


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_missing_rights_are_an_access_error(kind: str, request: pytest.FixtureRequest) -> None:
    made = opened(kind, request)
    create = {
        "postgresql": "CREATE ROLE tamu LOGIN PASSWORD 'tamu'",
        "mariadb": "CREATE USER tamu IDENTIFIED BY 'tamu'",
    }
    guest = other(made, username="tamu", password="tamu")
    async with disposed(made, guest):
        async with made.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE t (id integer)")
            await connection.exec_driver_sql(create[kind])
        assert isinstance(await fails(guest, "SELECT * FROM t"), AccessError)
        async with made.begin() as connection:
            await connection.exec_driver_sql("DROP ROLE tamu" if kind == "postgresql" else "DROP USER tamu")


WAITS = {
    "postgresql": ["SET LOCAL lock_timeout = '50ms'"],
    "mariadb": ["SET SESSION innodb_lock_wait_timeout = 1"],
    "sqlite": [],
}


@pytest.mark.parametrize("kind", ["postgresql", "mariadb", "sqlite"])
async def test_a_lock_that_is_not_given_is_worth_a_retry(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CONNECT_TIMEOUT", 0.1)
    made = opened(kind, request)
    monkeypatch.undo()
    async with disposed(made):
        async with made.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE t (id integer PRIMARY KEY, n integer)")
            await connection.exec_driver_sql("INSERT INTO t VALUES (1, 1)")
        async with made.begin() as holder:
            await holder.exec_driver_sql("UPDATE t SET n = 2")
            assert isinstance(await fails(made, *WAITS[kind], "UPDATE t SET n = 3"), Unavailable)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_a_deadlock_is_worth_a_retry(kind: str, request: pytest.FixtureRequest) -> None:
    made = opened(kind, request)
    async with disposed(made):
        async with made.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE t (id integer PRIMARY KEY, n integer)")
            await connection.exec_driver_sql("INSERT INTO t VALUES (1, 1), (2, 2)")

        async def cross(first: int, second: int, ready: asyncio.Barrier) -> BusError | None:
            try:
                with errors("here"):
                    async with made.begin() as connection:
                        await connection.exec_driver_sql(f"UPDATE t SET n = 0 WHERE id = {first}")
                        await ready.wait()
                        await connection.exec_driver_sql(f"UPDATE t SET n = 0 WHERE id = {second}")
            except BusError as error:
                return error
            return None

        ready = asyncio.Barrier(2)
        outcomes = await asyncio.gather(cross(1, 2, ready), cross(2, 1, ready))
        assert sorted(str(type(outcome).__name__) for outcome in outcomes) == ["NoneType", "Unavailable"]


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
@pytest.mark.parametrize("ending", ["stop", "kill"])
async def test_a_server_that_ends_is_away_and_found_again(
    kind: str, ending: str, request: pytest.FixtureRequest
) -> None:
    fixture = request.getfixturevalue(kind)
    made = opened(kind, request)
    async with disposed(made):
        with errors("here"):
            async with made.connect() as connection:
                await connection.exec_driver_sql("SELECT 1")
                await asyncio.to_thread(getattr(fixture.server, ending))
                with pytest.raises(Unavailable), errors("here"):
                    await connection.exec_driver_sql("SELECT 1")
        assert isinstance(await fails(made, "SELECT 1"), Unavailable)
        await asyncio.to_thread(fixture.server.start)
        async with made.connect() as connection:
            assert (await connection.execute(text("SELECT 1"))).scalar() == 1


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_a_connection_that_is_cut_within_a_statement(
    kind: str, request: pytest.FixtureRequest, proxy: Callable[[str], Awaitable[Any]]
) -> None:
    fixture = request.getfixturevalue(kind)
    way = await proxy(fixture.url)
    made = engine(way.url(fixture.url), where="here")
    async with disposed(made):
        sleep = "SELECT pg_sleep(60)" if kind == "postgresql" else "SELECT sleep(60)"

        async def cut() -> None:
            while way.connections == 0:  # noqa: ASYNC110 - the connection is the proxy's
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            await way.cut()

        task = asyncio.create_task(cut())
        assert isinstance(await fails(made, sleep), Unavailable)
        await task


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_a_statement_that_the_operator_cancels(kind: str, request: pytest.FixtureRequest) -> None:
    made = opened(kind, request)
    statement = {
        "postgresql": ["SET LOCAL statement_timeout = '50ms'", "SELECT pg_sleep(60)"],
        "mariadb": [
            "SET SESSION max_statement_time = 0.1",
            "SELECT count(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b WHERE mod(a.seq * b.seq, 7) = 8",
        ],
    }[kind]
    async with disposed(made):
        assert isinstance(await fails(made, *statement), Unavailable)


async def test_a_task_that_is_cancelled_stays_cancelled(sqlite_url: str) -> None:
    with pytest.raises(asyncio.CancelledError), errors("here"):
        raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (f"DO $$ BEGIN RAISE EXCEPTION '{SECRET}'; END $$", Rejected),
        (f"SELECT '{SECRET}'::integer", Rejected),
        ("SELECT 99999999999::integer", Rejected),
        ("SELECT 1/0", Rejected),
    ],
)
async def test_values_that_postgresql_refuses(postgresql: Any, statement: str, kind: type[BusError]) -> None:
    made = engine(postgresql.url, where="here")
    async with disposed(made):
        assert isinstance(await fails(made, statement), kind)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (f"INSERT INTO t (n) VALUES ('{SECRET}')", "isian tidak cocok dengan jenis kolom: n"),
        ("INSERT INTO t (n) VALUES (99999999999)", "angka di luar batas kolom: n"),
        (f"INSERT INTO t (nama) VALUES ('{SECRET} binti')", "isian terlalu panjang: nama"),
        (f"INSERT INTO t (d) VALUES ('{SECRET}')", "isian tidak cocok dengan jenis kolom: d"),
        (f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{SECRET}'", "ditolak oleh basis data"),
    ],
)
async def test_values_that_mariadb_refuses(mariadb: Any, statement: str, reason: str) -> None:
    made = engine(mariadb.url, where="here")
    async with disposed(made):
        error = await fails(made, "CREATE TABLE t (n integer, nama varchar(12), d date)", statement)
        assert isinstance(error, Rejected)
        assert reason in error.what


async def test_values_that_a_driver_refuses_before_it_sends_them(postgresql: Any, sqlite_url: str) -> None:
    async def execute(made: AsyncEngine, statement: str, value: Any) -> None:
        with errors("here"):
            async with made.begin() as connection:
                await connection.exec_driver_sql(statement, (value,))

    first, second = engine(postgresql.url, where="here"), engine(sqlite_url, where="here")
    async with disposed(first, second):
        for made, statement, value in (
            (first, "SELECT $1::integer", SECRET),
            (first, "SELECT $1::integer", 2**40),
            (first, "SELECT $1::date", SECRET),
            (second, "SELECT ?", 2**70),
        ):
            with pytest.raises(Rejected) as caught:
                await execute(made, statement, value)
            assert SECRET not in str(caught.value)


async def test_what_is_wrong_with_a_sqlite_file(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.db"
    rubbish.write_bytes(b"not a database" * 100)
    made = engine(f"sqlite:///{rubbish}", where="here")
    missing = engine(f"sqlite:///{tmp_path / 'salah.db'}", where="here", create=False)
    nowhere = engine(f"sqlite:///{tmp_path / 'x' / 'y.db'}", where="here")
    async with disposed(made, missing, nowhere):
        assert isinstance(await fails(made, "SELECT * FROM t"), ConfigError)
        assert isinstance(await fails(missing, "SELECT 1"), Unavailable)
        assert isinstance(await fails(nowhere, "SELECT 1"), Unavailable)
    assert os.listdir(tmp_path) == ["rubbish.db"]


async def test_a_sqlite_path_may_hold_anything(tmp_path: Path) -> None:
    path = tmp_path / "kantor ? #1 50%"
    path.mkdir()
    made = engine(f"sqlite:///{path / 'a.db'}", where="here")
    again = engine(f"sqlite:///{path / 'a.db'}", where="here", create=False)
    async with disposed(made, again):
        async with made.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE t (id integer)")
        async with again.begin() as connection:
            await connection.exec_driver_sql("INSERT INTO t VALUES (1)")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
async def test_a_source_cannot_write(kind: str, request: pytest.FixtureRequest) -> None:
    writer = opened(kind, request)
    reader = engine(writer.url.render_as_string(hide_password=False), where="here", readonly=True)
    async with disposed(writer, reader):
        async with writer.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE t (id integer)")
        with errors("here"):
            async with reader.connect() as connection:
                assert (await connection.execute(text("SELECT count(*) FROM t"))).scalar() == 0
        await fails(reader, "INSERT INTO t VALUES (1)")
        async with writer.connect() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM t"))).scalar() == 0


async def test_the_application_s_journal_mode_stays(sqlite_url: str) -> None:
    made = engine(sqlite_url, where="here")
    async with disposed(made), made.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE t (id integer)")
        assert (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar() == "delete"


async def test_mariadb_shows_timestamps_in_the_contract_s_zone(mariadb: Any) -> None:
    zone = timezone(timedelta(hours=9))
    made = engine(mariadb.url, where="here", readonly=True, zone=zone)
    async with disposed(made), made.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT @@time_zone")).scalar() == "+09:00"
    assert offset(timezone(timedelta(hours=-3, minutes=-30))) == "-03:30"


async def test_the_mark_of_the_bus_is_gone_after_the_commit(sqlite_url: str) -> None:
    made = engine(sqlite_url, where="here")

    async def marked(connection: AsyncConnection) -> int:
        return len((await connection.exec_driver_sql("SELECT * FROM bus_writing")).all())

    async with disposed(made):
        async with made.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE bus_writing (writing integer)")
        async with made.begin() as connection:
            await mark_as_bus(connection)
            assert await marked(connection) == 1
        async with made.begin() as connection:
            assert await marked(connection) == 0


@pytest.mark.parametrize("url", ["", "nonsense", "teradata://x/y", "postgresql://host:port/x", "env:TIDAK_ADA"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        engine(url, where="adapter.toml source.mutasi.url")
    assert str(caught.value).startswith("adapter.toml source.mutasi.url: ")


def test_passwords_stay_out_of_errors() -> None:
    with pytest.raises(ConfigError) as caught:
        engine("postgresql://bus:rahasia@host:bukan-angka/x", where="here")
    assert "rahasia" not in str(caught.value)


def test_sqlalchemy_is_imported_on_first_use() -> None:
    code = "import sys, bus.database; sys.exit('sqlalchemy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
