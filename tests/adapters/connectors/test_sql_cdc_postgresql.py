"""sql_cdc on PostgreSQL: what the conformance suite does not ask for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest

from adapters.connectors import cdc_feed, cdc_postgresql
from adapters.connectors.sql_cdc import SqlCdc
from bus.errors import ConfigError, Unavailable
from bus.ports import Batch
from tests.adapters.connectors.cdc_application import (
    HELD,
    PATIENCE,
    all_of,
    batches,
    captured,
    interrupted,
    let_go,
    overlapped,
    reading,
    records,
    shown,
    state_of,
    wide,
)
from tests.adapters.connectors.sql_application import stored
from tests.servers.proxy import Proxy
from tests.servers.server import Database

EMPTY = Batch((), {})
TABLES: dict[str, Any] = {"warga": {"columns": ["nama"]}}
WARGA = "CREATE TABLE warga (id int PRIMARY KEY, nama text, sandi text)"


def confirmed(database: Database) -> int:
    """How far the server may forget its log."""
    ((place,),) = database.sql("SELECT confirmed_flush_lsn - '0/0' FROM pg_replication_slots")
    return int(place)


async def until_confirmed(database: Database, beyond: int) -> int:
    async with asyncio.timeout(PATIENCE):
        while (place := await asyncio.to_thread(confirmed, database)) <= beyond:  # noqa: ASYNC110 - of a server
            await asyncio.sleep(0.05)
    return place


async def test_a_snapshot_then_every_change(postgresql: Database) -> None:
    postgresql.sql(f"{WARGA}; INSERT INTO warga VALUES (1, 'a', 'x'), (2, 'b', 'x')")
    async with reading(captured(postgresql.url, TABLES)) as source:
        first = await records(source, 2)
        postgresql.sql("UPDATE warga SET nama = 'c' WHERE id = 1; DELETE FROM warga WHERE id = 2")
        postgresql.sql("INSERT INTO warga VALUES (3, 'd', 'x')")
        then = await records(source, 3)
    assert [shown(each) for each in first] == [("snapshot", 1, "a"), ("snapshot", 2, "b")]
    assert [shown(each) for each in then] == [("update", 1, "c"), ("delete", 2), ("insert", 3, "d")]
    assert {each.data["_kejadian"] for each in (*first, *then)} == {"warga"}
    versions = [each.version or "" for each in (*first, *then)]
    assert versions[0] == versions[1] < versions[2] < versions[3] < versions[4]
    assert [each.key for each in then] == ['["warga","1"]', '["warga","2"]', '["warga","3"]']
    assert then[0].place == "warga id 1"
    assert then[0].at
    assert not any("sandi" in each.data for each in (*first, *then))


def make_rows(database: Database) -> None:
    """120 rows of ``warga``, whose key the database's collation would order otherwise."""
    database.sql("CREATE TABLE warga (kode text, id numeric, nama text, PRIMARY KEY (kode, id))")
    database.sql(
        "INSERT INTO warga SELECT (ARRAY['Ä','b','C'])[1 + i % 3], i, 'asal' FROM generate_series(1, 120) AS i"
    )


async def test_an_interrupted_snapshot_goes_on_without_gap_or_repetition(postgresql: Database) -> None:
    make_rows(postgresql)
    seen = await interrupted(postgresql.sql, lambda: captured(postgresql.url, TABLES, batch=20))
    rows = postgresql.sql("SELECT kode, id, nama FROM warga")
    assert state_of(seen) == {f'["warga","{code}","{number}"]': name for code, number, name in rows}
    assert max(Counter((each.key, each.version) for each in seen).values()) == 1


async def test_a_snapshot_s_transaction_does_not_wait_for_ever(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cdc_feed, "HELD", HELD)
    monkeypatch.setattr(cdc_feed, "TICK", HELD / 10)
    make_rows(postgresql)
    seen = await let_go(lambda: captured(postgresql.url, TABLES, batch=10))
    assert len(seen) == len({each.key for each in seen}) == 120


async def test_what_is_written_while_a_snapshot_is_read_is_neither_lost_nor_told_twice(postgresql: Database) -> None:
    make_rows(postgresql)
    seen = await overlapped(postgresql.sql, lambda: captured(postgresql.url, TABLES, batch=20))
    rows = postgresql.sql("SELECT kode, id, nama FROM warga")
    assert state_of(seen) == {f'["warga","{code}","{number}"]': name for code, number, name in rows}
    assert Counter(each.data["_operasi"] for each in seen)["snapshot"] == 120
    assert max(Counter((each.key, each.version) for each in seen).values()) == 1


async def test_a_transaction_is_one_batch_and_a_large_one_resumes_inside(postgresql: Database) -> None:
    postgresql.sql(WARGA)
    source = captured(postgresql.url, TABLES, batch=10)
    async with reading(source):
        await source.read()
        postgresql.sql("BEGIN; INSERT INTO warga SELECT i, 'satu' FROM generate_series(1, 7) AS i; COMMIT")
        small = await batches(source, lambda found: len(all_of(found)) == 7)
        postgresql.sql("INSERT INTO warga SELECT i, 'dua' FROM generate_series(8, 32) AS i")
        parts = await batches(source, lambda found: len(all_of(found)) == 25, commit=False)
    assert [len(each.records) for each in small if each.records] == [7]
    parts = [each for each in parts if each.records]
    assert [len(each.records) for each in parts] == [10, 10, 5]
    for place, part in enumerate(parts):
        async with reading(captured(postgresql.url, TABLES, batch=10), stored(part.position), install=False) as source:
            postgresql.sql(f"INSERT INTO warga VALUES ({100 + place}, 'sesudah')")
            rest = await records(source, 25 - 10 * (place + 1) + 1 if place < 2 else place + 1, commit=False)
        wanted = [record for later in parts[place + 1 :] for record in later.records]
        found = [each for each in rest if each.data["nama"] == "dua"]
        assert [(each.key, each.version) for each in found] == [(each.key, each.version) for each in wanted]


async def test_wide_rows_make_small_batches(postgresql: Database) -> None:
    postgresql.sql(WARGA)

    def insert(first: int, last: int) -> None:
        numbers = f"generate_series({first}, {last})"
        postgresql.sql(f"INSERT INTO warga SELECT i, repeat('x', 200000), '' FROM {numbers} AS i")

    await wide(captured(postgresql.url, TABLES), insert)


async def test_a_changed_key_is_a_delete_and_an_insert(postgresql: Database) -> None:
    postgresql.sql(f"{WARGA}; INSERT INTO warga VALUES (1, 'a')")
    async with reading(captured(postgresql.url, TABLES)) as source:
        await records(source, 1)
        postgresql.sql("UPDATE warga SET id = 5 WHERE id = 1")
        found = await records(source, 2)
    assert [shown(each) for each in found] == [("delete", 1), ("insert", 5, "a")]
    assert found[0].version != found[1].version


async def test_a_changed_key_takes_its_large_values_along(postgresql: Database) -> None:
    postgresql.sql(f"{WARGA}; ALTER TABLE warga ALTER sandi SET STORAGE EXTERNAL")
    postgresql.sql("INSERT INTO warga VALUES (1, 'a', repeat('x', 9000))")
    async with reading(captured(postgresql.url, {"warga": {"columns": ["nama", "sandi"]}})) as source:
        await records(source, 1)
        postgresql.sql("UPDATE warga SET id = 5 WHERE id = 1")
        found = await records(source, 2)
    assert [shown(each) for each in found] == [("delete", 1), ("insert", 5, "a", "x" * 9000)]


async def test_another_key_than_the_primary_one_needs_the_whole_row_in_the_log(postgresql: Database) -> None:
    postgresql.sql("CREATE TABLE warga (id int PRIMARY KEY, nik text NOT NULL, nama text)")
    source = captured(postgresql.url, {"warga": {"key": ["nik"], "columns": ["nama"]}})
    with pytest.raises(ConfigError, match=r"does not tell nik .*REPLICA IDENTITY FULL"):
        await source.install()
    postgresql.sql("ALTER TABLE warga REPLICA IDENTITY FULL; INSERT INTO warga VALUES (1, 'n1', 'a')")
    async with reading(source):
        await records(source, 1)
        postgresql.sql("UPDATE warga SET id = 2; UPDATE warga SET nama = 'b'; DELETE FROM warga")
        found = await records(source, 2)
    assert [shown(each) for each in found] == [("update", "n1", "b"), ("delete", "n1", "b")], "of the id nobody reads"


@pytest.mark.parametrize("identity", ["DEFAULT", "FULL"])
async def test_a_large_value_that_stays_is_there_though_the_log_has_it_not(postgresql: Database, identity: str) -> None:
    postgresql.sql(f"{WARGA}; ALTER TABLE warga ALTER sandi SET STORAGE EXTERNAL, REPLICA IDENTITY {identity}")
    postgresql.sql("INSERT INTO warga VALUES (1, 'a', repeat('x', 9000)), (2, 'a', repeat('y', 9000))")
    async with reading(captured(postgresql.url, {"warga": {"columns": ["nama", "sandi"]}})) as source:
        await records(source, 2)
        postgresql.sql("UPDATE warga SET nama = 'b' WHERE id = 1")
        postgresql.sql("BEGIN; UPDATE warga SET nama = 'c' WHERE id = 2; DELETE FROM warga WHERE id = 2; COMMIT")
        first, second, _ = await records(source, 3)
    assert shown(first) == ("update", 1, "b", "x" * 9000)
    gone = ("update", 2, "c") if identity == "DEFAULT" else ("update", 2, "c", "y" * 9000)
    assert shown(second) == gone


async def test_values_are_the_same_in_snapshot_and_stream(postgresql: Database) -> None:
    postgresql.sql(
        "CREATE TABLE warga (id bigint PRIMARY KEY, a boolean, b numeric(9, 2), c double precision, d date, "
        "e timestamp, f timestamptz, g uuid, h bytea, i jsonb, j char(5), k int[], l time, m date, n text)"
    )
    columns = list("abcdefghijklmn")
    values = (
        "true, 12.50, 0.1, '2024-02-29', '2024-02-29 10:11:12.5', '2024-02-29 10:11:12+07', "
        "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\\xdead', '{\"a\": 1}', 'ab', '{1,2}', '10:11', 'infinity', NULL"
    )
    postgresql.sql(f"INSERT INTO warga VALUES (1, {values})")
    async with reading(captured(postgresql.url, {"warga": {"columns": columns}})) as source:
        (first,) = await records(source, 1)
        postgresql.sql(f"DELETE FROM warga; INSERT INTO warga VALUES (1, {values})")
        _, again = await records(source, 2)
        now = await source.reread(first.key)
    assert shown(first)[1:] == shown(again)[1:]
    assert [str(first.data[name]) for name in "abcdeghl"] == [
        "True", "12.50", "0.1", "2024-02-29", "2024-02-29 10:11:12.500000",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "b'\\xde\\xad'", "10:11:00",
    ]  # fmt: skip
    assert first.data["f"].isoformat() == "2024-02-29T03:11:12+00:00"
    assert (first.data["m"], first.data["n"]) == ("infinity", None)
    assert now
    same = set(columns) - {"g", "i", "k", "m"}  # whose types differ by driver
    assert {name: now.data[name] for name in same} == {name: first.data[name] for name in same}


async def test_a_schema_may_change_meanwhile(postgresql: Database) -> None:
    postgresql.sql(WARGA)
    async with reading(captured(postgresql.url, TABLES, snapshot=False)) as source:
        postgresql.sql("INSERT INTO warga VALUES (1, 'a')")
        postgresql.sql("ALTER TABLE warga ADD baru int, DROP sandi; INSERT INTO warga VALUES (2, 'b', 7)")
        postgresql.sql("ALTER TABLE warga ALTER nama TYPE int USING 5; INSERT INTO warga VALUES (3, 6, 7)")
        found = await batches(source, lambda found: len(all_of(found)) >= 3)
        assert [shown(each) for each in all_of(found)] == [("insert", 1, "a"), ("insert", 2, "b"), ("insert", 3, 6)]
        position = stored(found[-1].position)
        postgresql.sql("ALTER TABLE warga RENAME nama TO nama_lengkap; INSERT INTO warga VALUES (4, 6, 7)")
        with pytest.raises(ConfigError, match="warga has no column nama any more"):
            await records(source, 1)
    with pytest.raises(ConfigError, match=r"tables\.warga: the table has no column nama"):
        await source.open(None)
    postgresql.sql("ALTER TABLE warga RENAME nama_lengkap TO nama; INSERT INTO warga VALUES (5, 7, 7)")
    async with reading(source, position):
        lacking, whole = await records(source, 2)
        assert (shown(lacking), shown(whole)) == (("insert", 4), ("insert", 5, 7))
        now = await source.reread(lacking.key)
        assert now
        assert now.data["nama"] == 6


async def test_what_the_bus_wrote_is_left_out(postgresql: Database) -> None:
    postgresql.sql(WARGA)
    async with reading(captured(postgresql.url, TABLES, snapshot=False)) as source:
        postgresql.sql(
            "BEGIN; INSERT INTO bus_inbox VALUES ('k', 'e', now()); INSERT INTO warga VALUES (1, 'a'); COMMIT"
        )
        postgresql.sql(
            "BEGIN; INSERT INTO warga VALUES (2, 'b'); INSERT INTO bus_inbox VALUES ('k', 'f', now()); COMMIT"
        )
        postgresql.sql("INSERT INTO warga VALUES (3, 'c')")
        found = await records(source, 1)
    assert [shown(each) for each in found] == [("insert", 3, "c")]


async def test_the_server_keeps_its_log_until_the_events_are_stored(postgresql: Database) -> None:
    postgresql.sql(WARGA)
    async with reading(captured(postgresql.url, TABLES, snapshot=False)) as source:
        begun = confirmed(postgresql)
        postgresql.sql("INSERT INTO warga VALUES (1, 'a')")
        (batch,) = await batches(source, lambda found: any(each.records for each in found), commit=False)
        assert not await source.read()
        assert confirmed(postgresql) == begun
        await source.commit(batch, [])
        await until_confirmed(postgresql, begun)


async def test_an_idle_slot_moves_along(postgresql: Database) -> None:
    postgresql.sql(f"{WARGA}; CREATE TABLE lain (id int)")
    async with reading(captured(postgresql.url, TABLES, snapshot=False, heartbeat=0.2)) as source:
        begun = confirmed(postgresql)
        postgresql.sql("INSERT INTO lain SELECT generate_series(1, 1000)")
        beats = await batches(source, lambda found: len(found) >= 1)
        assert not any(each.records for each in beats)
        moved = await until_confirmed(postgresql, begun)
        postgresql.sql("INSERT INTO warga VALUES (1, 'a')")
        assert [shown(each) for each in await records(source, 1)] == [("insert", 1, "a")]
        assert await until_confirmed(postgresql, moved) > moved


async def test_a_server_that_falls_silent_is_left(postgresql: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection stays open, as behind a firewall that has forgotten it."""
    monkeypatch.setattr(cdc_postgresql, "FEEDBACK", 1.0)
    monkeypatch.setattr(cdc_postgresql, "SILENCE", 2.5)
    postgresql.sql(WARGA)
    async with (
        Proxy(urlsplit(postgresql.url).port or 0) as door,
        reading(captured(door.url(postgresql.url), TABLES)) as source,
    ):
        quiet = monotonic() + 4
        while monotonic() < quiet:  # it has nothing to say, and answers
            assert not (await source.read() or EMPTY).records
        door.freeze()
        with pytest.raises(Unavailable, match="the server is silent"):
            await records(source, 1)
        door.thaw()


async def snapshot(source: SqlCdc) -> Batch:
    """The one batch of a small table's first reading."""
    async with reading(source):
        (found,) = await batches(source, lambda found: bool(found and found[-1].records))
    return found


async def test_a_slot_that_was_made_again_has_a_gap(postgresql: Database) -> None:
    postgresql.sql(f"{WARGA}; INSERT INTO warga VALUES (1, 'a')")
    source = captured(postgresql.url, TABLES)
    before = await snapshot(source)
    postgresql.sql("SELECT pg_drop_replication_slot('bus_dukcapil_siak_mutasi')")
    with pytest.raises(ConfigError, match="there is no replication slot bus_dukcapil_siak_mutasi"):
        await source.open(stored(before.position))
    postgresql.sql("UPDATE warga SET nama = 'b'")
    await source.install()
    with pytest.raises(ConfigError, match="changes in between are lost"):
        await source.open(stored(before.position))
    async with reading(captured(postgresql.url, TABLES, resnapshot=1), stored(before.position)) as source:
        (after,) = await records(source, 1)
    assert shown(after) == ("snapshot", 1, "b")
    assert (after.version or "") > (before.records[0].version or "")


@pytest.fixture
def forgetful(postgresql: Database) -> Iterator[Database]:
    """Its server keeps no more than a megabyte of its log for who does not read it."""
    postgresql.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'; SELECT pg_reload_conf()")
    yield postgresql
    postgresql.sql("ALTER SYSTEM RESET max_slot_wal_keep_size; SELECT pg_reload_conf()")


async def test_log_that_the_server_has_removed_is_told_and_read_again_on_demand(forgetful: Database) -> None:
    forgetful.sql(f"{WARGA}; INSERT INTO warga VALUES (1, 'a')")
    source = captured(forgetful.url, TABLES)
    before = await snapshot(source)
    forgetful.sql("UPDATE warga SET nama = 'b'; DELETE FROM warga; INSERT INTO warga VALUES (2, 'c')")
    while forgetful.sql("SELECT wal_status FROM pg_replication_slots") != [("lost",)]:
        forgetful.sql("SELECT pg_switch_wal(); INSERT INTO warga SELECT 3, 'd' WHERE false; CHECKPOINT")

    with pytest.raises(ConfigError, match=r"has removed log that slot \S+ had not read.*resnapshot"):
        await source.open(stored(before.position))
    async with reading(captured(forgetful.url, TABLES, resnapshot=1), stored(before.position)) as source:
        (after,) = await records(source, 1)
        forgetful.sql("UPDATE warga SET nama = 'e'")
        (later,) = await records(source, 1)
    assert [shown(after), shown(later)] == [("snapshot", 2, "c"), ("update", 2, "e")]
    assert (before.records[0].version or "") < (after.version or "") < (later.version or "")


async def test_a_table_that_is_added_later_is_read_whole(postgresql: Database) -> None:
    postgresql.sql(f"{WARGA}; INSERT INTO warga VALUES (1, 'a'); CREATE TABLE rt (id int PRIMARY KEY, rw int)")
    source = captured(postgresql.url, TABLES)
    async with reading(source):
        found = await batches(source, lambda found: len(found) >= 2)
    postgresql.sql("INSERT INTO rt VALUES (7, 2), (8, 3); UPDATE warga SET nama = 'b'")
    tables = {**TABLES, "wilayah": {"table": "public.rt", "columns": ["rw"], "where": {"rw": "2"}}}
    async with reading(captured(postgresql.url, tables), stored(found[-1].position)) as source:
        later = await records(source, 2)
        postgresql.sql("INSERT INTO rt VALUES (9, 2), (10, 4)")
        later += await records(source, 1)
    assert [shown(each) for each in later] == [("snapshot", 7, 2), ("update", 1, "b"), ("insert", 9, 2)]


async def test_what_is_missing_is_told(postgresql: Database) -> None:
    source = captured(postgresql.url, TABLES)
    with pytest.raises(ConfigError, match=r"tables\.warga: there is no table"):
        await source.open(None)
    postgresql.sql("CREATE TABLE warga (id int, nama text)")
    with pytest.raises(ConfigError, match="no primary key"):
        await source.install()
    postgresql.sql("ALTER TABLE warga ADD PRIMARY KEY (id)")
    with pytest.raises(ConfigError, match="there is no publication"):
        await source.open(None)
    script = source.ddl()
    postgresql.sql(script)
    postgresql.sql(script)
    await source.open(None)
    await source.close()
    with pytest.raises(ConfigError, match="not one of this source"):
        await source.open({"after": []})


async def test_a_reader_takes_over_when_the_one_before_ends(postgresql: Database) -> None:
    postgresql.sql(WARGA)
    async with reading(captured(postgresql.url, TABLES)) as first:
        await batches(first, lambda found: len(found) >= 1)  # it has become the reader
        async with reading(captured(postgresql.url, TABLES)) as second:
            assert await second.read() is None
            postgresql.sql("INSERT INTO warga VALUES (1, 'a')")
            assert len(await records(first, 1)) == 1
            assert await second.read() is None
            await first.close()
            with pytest.raises(Unavailable, match="takes over"):
                await batches(second, bool)
