"""sql_cdc on SQLite: what the conformance suite does not ask for."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from bus.database import engine, mark_as_bus
from bus.errors import ConfigError, Unavailable
from tests.adapters.connectors.cdc_application import (
    PATIENCE,
    all_of,
    batches,
    captured,
    interrupted,
    reading,
    records,
    shown,
    state_of,
)
from tests.adapters.connectors.sql_application import stored

TABLES: dict[str, Any] = {"warga": {"columns": ["nama"]}}
WARGA = "CREATE TABLE warga (id INTEGER PRIMARY KEY, nama TEXT, sandi TEXT)"


class Own:
    """The application's own side: a plain connection."""

    def __init__(self, url: str) -> None:
        self.url, self._path = url, url.removeprefix("sqlite:///")

    def run(self, script: str) -> None:
        with closing(sqlite3.connect(self._path, timeout=30)) as db:
            db.executescript(f"PRAGMA foreign_keys = ON; {script}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._path, timeout=30)) as db:
            return db.execute(query).fetchall()


@pytest.fixture
def own(sqlite_url: str) -> Own:
    application = Own(sqlite_url)
    application.run("CREATE TABLE lain (id int)")
    return application


async def test_a_snapshot_then_every_change(own: Own) -> None:
    own.run(f"{WARGA}; INSERT INTO warga VALUES (1, 'a', 'x'), (2, 'b', 'x')")
    async with reading(captured(own.url, TABLES)) as source:
        own.run("UPDATE warga SET nama = 'b2' WHERE id = 2")
        first = await records(source, 2)
        own.run("UPDATE warga SET nama = 'c' WHERE id = 1; DELETE FROM warga WHERE id = 2")
        own.run("INSERT INTO warga VALUES (3, 'd', 'x'); UPDATE warga SET id = 5 WHERE id = 3")
        own.run("INSERT OR REPLACE INTO warga VALUES (5, 'e', 'x')")
        own.run("UPDATE warga SET sandi = 'y'; INSERT INTO warga VALUES (9, 'z', '') ON CONFLICT DO NOTHING")
        earlier = shown(first[1]) == ("snapshot", 2, "b")  # than the first change, which then comes like the others
        then = await records(source, 7 + earlier)
        state = await source.state()
    assert [shown(each) for each in first] == [("snapshot", 1, "a"), ("snapshot", 2, "b" if earlier else "b2")]
    if earlier:
        assert shown(then.pop(0)) == ("update", 2, "b2")
    changes = [("update", 1, "c"), ("delete", 2, "b2"), ("insert", 3, "d"), ("delete", 3, "d"), ("insert", 5, "d")]
    assert [shown(each) for each in then] == [*changes, ("insert", 5, "e"), ("insert", 9, "z")]
    versions = [each.version or "" for each in (*first, *then)]
    assert versions[0] == versions[1] < versions[2]
    assert versions[2:] == sorted(set(versions[2:]))
    assert (then[0].key, then[0].place) == ('["warga","1"]', "warga id 1")
    assert then[0].at
    assert not any("sandi" in each.data for each in (*first, *then))
    assert (state.waiting, state.oldest) == (0, None)
    assert state.position.startswith("bus_change ")


@pytest.mark.parametrize("kind", ["varchar(9)", "BLOB", "text COLLATE NOCASE"])
async def test_an_interrupted_snapshot_goes_on_without_gap_or_repetition(own: Own, kind: str) -> None:
    own.run(f"CREATE TABLE warga (kode {kind}, id numeric, nama text, PRIMARY KEY (kode, id)) WITHOUT ROWID")
    rows = ", ".join(f"('{'ÄbC'[number % 3]}', {number}, 'asal')" for number in range(120))
    own.run(f"INSERT INTO warga VALUES {rows}")
    seen = await interrupted(own.run, lambda: captured(own.url, TABLES, batch=20))
    found = own.rows("SELECT kode, id, nama FROM warga")
    assert state_of(seen) == {f'["warga","{code}","{number}"]': name for code, number, name in found}


async def test_values_are_the_same_in_snapshot_and_stream(own: Own) -> None:
    own.run("CREATE TABLE warga (id INTEGER PRIMARY KEY, a REAL, b NUMERIC, c BLOB, d TEXT, e DATE, f INTEGER)")
    values = "9e999, 3571010101010001, x'00ff', 'é\"', '2024-02-29', NULL"
    own.run(f"INSERT INTO warga VALUES (9007199254740993, {values})")
    async with reading(captured(own.url, {"warga": {"columns": list("abcdef")}})) as source:
        (first,) = await records(source, 1)
        own.run(f"DELETE FROM warga; INSERT INTO warga VALUES (9007199254740993, {values})")
        _, again = await records(source, 2)
        now = await source.reread(first.key)
    assert (
        shown(first)[1:]
        == shown(again)[1:]
        == (9007199254740993, "Inf", 3571010101010001, "00FF", 'é"', "2024-02-29", None)
    )
    assert now
    assert {name: now.data[name] for name in "bdef"} == {name: first.data[name] for name in "bdef"}


async def test_cascades_are_seen_and_what_the_bus_wrote_is_left_out(own: Own) -> None:
    own.run(f"{WARGA}; CREATE TABLE anak (id INTEGER PRIMARY KEY, ibu int REFERENCES warga ON DELETE CASCADE)")
    own.run("INSERT INTO warga VALUES (1, 'a', ''); INSERT INTO anak VALUES (7, 1)")
    made = engine(own.url, where="uji")
    tables = {**TABLES, "anak": {"key": ["id"], "columns": ["ibu"]}}
    async with reading(captured(own.url, tables)) as source:
        await records(source, 2)
        async with made.begin() as connection:
            await mark_as_bus(connection)
            await connection.exec_driver_sql("INSERT INTO warga VALUES (2, 'b', '')")
        own.run("DELETE FROM warga WHERE id = 1")
        found = await records(source, 2)
    await made.dispose()
    assert sorted(map(shown, found)) == [("delete", 1, "a"), ("delete", 7, 1)]


async def test_stored_changes_are_deleted_and_numbers_go_on(own: Own) -> None:
    own.run(WARGA)
    async with reading(captured(own.url, TABLES)) as source:
        await batches(source, lambda found: len(found) >= 1)
        own.run("INSERT INTO warga SELECT value, 'a', '' FROM json_each('[1,2,3]')")
        *_, last = await batches(source, lambda found: len(all_of(found)) >= 3)
        async with asyncio.timeout(PATIENCE):
            while own.rows("SELECT 1 FROM bus_change"):  # noqa: ASYNC110 - another thread's
                await asyncio.sleep(0.02)
    own.run("INSERT INTO warga VALUES (4, 'b', '')")
    async with reading(captured(own.url, TABLES), stored(last.position)) as source:
        assert [shown(each) for each in await records(source, 1)] == [("insert", 4, "b")]


async def test_without_a_snapshot_it_begins_now(own: Own) -> None:
    own.run(f"{WARGA}; INSERT INTO warga VALUES (1, 'a', '')")
    source = captured(own.url, TABLES, snapshot=False)
    await source.install()
    own.run("INSERT INTO warga VALUES (2, 'b', '')")
    async with reading(source):
        (begun,) = await batches(source, lambda found: len(found) >= 1)
    own.run("INSERT INTO warga VALUES (3, 'c', '')")
    async with reading(captured(own.url, TABLES, snapshot=False), stored(begun.position)) as source:
        assert [shown(each) for each in await records(source, 1)] == [("insert", 3, "c")]
    async with reading(captured(own.url, TABLES, resnapshot=1), stored(begun.position)) as source:
        again = await records(source, 3)
    assert [shown(each) for each in again] == [
        ("snapshot", 1, "a"), ("snapshot", 2, "b"), ("snapshot", 3, "c"),
    ]  # fmt: skip


async def test_a_table_that_was_made_anew_is_told_and_so_is_an_older_copy(own: Own) -> None:
    own.run(f"{WARGA}; INSERT INTO warga VALUES (1, 'a', '')")
    async with reading(captured(own.url, TABLES)) as source:
        await records(source, 1)
        own.run("UPDATE warga SET nama = 'b'")
        own.run("ALTER TABLE warga RENAME TO lama; CREATE TABLE warga AS SELECT * FROM lama; DROP TABLE lama")
        found = await batches(source, lambda found: len(all_of(found)) >= 1)
        assert [shown(each) for each in all_of(found)] == [("update", 1, "b")]
        with pytest.raises(ConfigError, match=r"warga_insert is gone.*raise `resnapshot`"):
            await batches(source, lambda found: False)
    own.run(f"DROP TABLE warga; {WARGA}; INSERT INTO warga VALUES (1, 'a', '')")
    async with reading(captured(own.url, TABLES)) as source:
        found = await batches(source, lambda found: len(all_of(found)) >= 1)
    own.run("UPDATE sqlite_sequence SET seq = 0")
    async with reading(captured(own.url, TABLES), stored(found[-1].position)) as source:
        with pytest.raises(ConfigError, match="set back to an older copy"):
            await batches(source, lambda found: False)
    async with reading(captured(own.url, TABLES, resnapshot=1), stored(found[-1].position)) as source:
        assert [shown(each) for each in await records(source, 1)] == [("snapshot", 1, "a")]


async def test_a_captured_column_is_not_dropped_and_a_renamed_one_is_told(own: Own) -> None:
    """SQLite lets no column go that a trigger names, and renames it in there too: the application goes on writing."""
    own.run(f"{WARGA}; INSERT INTO warga VALUES (1, 'a', 'x')")
    async with reading(captured(own.url, TABLES)) as source:
        assert len(await records(source, 1)) == 1
        with pytest.raises(sqlite3.OperationalError, match="error in trigger"):
            own.run("ALTER TABLE warga DROP COLUMN nama")
        own.run("ALTER TABLE warga RENAME COLUMN nama TO sebutan; UPDATE warga SET sebutan = 'b'")
        with pytest.raises(ConfigError, match="is gone, or another one"):
            await batches(source, lambda found: False)
        with pytest.raises(ConfigError, match="warga: the table has no column nama"):
            await source.open(None)
        own.run("ALTER TABLE warga RENAME COLUMN sebutan TO nama")
        await source.open(None)
        assert [each.data["nama"] for each in await records(source, 1)][-1] == "b"


async def test_what_is_missing_is_told(own: Own) -> None:
    source = captured(own.url, TABLES)
    with pytest.raises(ConfigError, match=r"tables\.warga: there is no table"):
        await source.open(None)
    own.run("CREATE TABLE warga (id int, nama text)")
    with pytest.raises(ConfigError, match="no primary key"):
        await source.install()
    with pytest.raises(ConfigError, match="name its columns as `key`"):
        source.ddl()
    named = captured(own.url, {"warga": {"key": ["id"], "columns": ["nama"]}})
    with pytest.raises(ConfigError, match="there is no such trigger bus_dukcapil_siak_mutasi_warga_insert"):
        await named.open(None)
    own.run(named.ddl())
    own.run(named.ddl())
    async with reading(named, install=False):
        await batches(named, lambda found: len(found) >= 1)
    with pytest.raises(ConfigError, match="no column kota"):
        await captured(own.url, {"warga": {"key": ["id"], "columns": ["kota"]}}).open(None)


async def test_a_reader_takes_over_when_the_one_before_ends(own: Own) -> None:
    own.run(WARGA)
    async with reading(captured(own.url, TABLES)) as first:
        await batches(first, lambda found: len(found) >= 1)  # it has become the reader
        async with reading(captured(own.url, TABLES)) as second:
            assert await second.read() is None
            await first.close()
            with pytest.raises(Unavailable, match="takes over"):
                await batches(second, bool)


async def test_changes_that_nobody_wants_are_deleted_too(own: Own) -> None:
    own.run(WARGA)
    tables = {"warga": {"columns": ["nama"], "where": {"nama": "a"}}}
    async with reading(captured(own.url, tables, heartbeat=0.05)) as source:
        own.run("INSERT INTO warga VALUES (1, 'a', '')")
        await records(source, 1)
        own.run("UPDATE warga SET sandi = 'x'; INSERT INTO warga VALUES (2, 'b', ''), (3, 'c', '')")

        def left() -> int:
            return int(own.rows("SELECT count(*) FROM bus_change WHERE operation <> 'snapshot'")[0][0])

        assert left() >= 2
        assert all_of(await batches(source, lambda found: not left())) == []
