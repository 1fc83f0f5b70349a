"""sql_cdc on MariaDB: what the conformance suite does not ask for."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.connectors import cdc_feed
from bus.errors import ConfigError, Unavailable
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
from tests.servers.server import Database

OPENSID = Path(__file__).parents[4] / "shared" / "data" / "opensid-contoh.sql"
TABLES: dict[str, Any] = {"warga": {"columns": ["nama"]}}
WARGA = "CREATE TABLE warga (id int PRIMARY KEY, nama varchar(99), sandi varchar(99)) ENGINE="
ENGINES = ("InnoDB", "MyISAM")


async def until_purged(database: Database) -> None:
    """Removes all binlogs but the last; the server refuses while it needs one itself."""
    *_, (last, _) = database.sql("SHOW BINARY LOGS")
    async with asyncio.timeout(PATIENCE):
        while len(database.sql(f"PURGE BINARY LOGS TO '{last}'; SHOW BINARY LOGS")) > 1:  # noqa: ASYNC110 - a server
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_snapshot_then_every_change(mariadb: Database, engine: str) -> None:
    mariadb.sql(f"{WARGA}{engine}; INSERT INTO warga VALUES (1, 'a', 'x'), (2, 'b', 'x')")
    async with reading(captured(mariadb.url, TABLES)) as source:
        first = await records(source, 2)
        mariadb.sql("UPDATE warga SET nama = 'c' WHERE id = 1; DELETE FROM warga WHERE id = 2")
        mariadb.sql("INSERT INTO warga VALUES (3, 'd', 'x'); UPDATE warga SET id = 5 WHERE id = 3")
        then = await records(source, 5)
    assert [shown(each) for each in first] == [("snapshot", 1, "a"), ("snapshot", 2, "b")]
    changes = [("update", 1, "c"), ("delete", 2, "b"), ("insert", 3, "d"), ("delete", 3, "d"), ("insert", 5, "d")]
    assert [shown(each) for each in then] == changes
    versions = [each.version or "" for each in (*first, *then)]
    assert versions[0] == versions[1] < versions[2]
    assert versions[2:] == sorted(set(versions[2:]))
    assert then[0].key == '["warga","1"]'
    assert then[0].place == "warga id 1"
    assert then[0].at
    assert not any("sandi" in each.data for each in (*first, *then))


async def test_a_change_of_what_nobody_reads_is_no_record(mariadb: Database) -> None:
    mariadb.sql(f"{WARGA}InnoDB; INSERT INTO warga VALUES (1, 'a', 'x')")
    async with reading(captured(mariadb.url, TABLES)) as source:
        await records(source, 1)
        mariadb.sql("BEGIN; UPDATE warga SET sandi = 'y'; UPDATE warga SET nama = 'b', sandi = 'z'; COMMIT")
        [found] = await records(source, 1)
    assert shown(found) == ("update", 1, "b")
    assert (found.version or "").endswith(".00000002"), "the change before is counted, whoever reads which columns"


def make_rows(database: Database, engine: str) -> None:
    """120 rows of ``warga``, whose key the database's collation would order otherwise."""
    keys = "kode varchar(9) CHARACTER SET latin1, id decimal(9)"
    database.sql(f"CREATE TABLE warga ({keys}, nama text, PRIMARY KEY (kode, id)) ENGINE={engine}")
    database.sql("INSERT INTO warga SELECT ELT(1 + seq % 3, 'Ä', 'b', 'C'), seq, 'asal' FROM seq_1_to_120")


@pytest.mark.parametrize("engine", ENGINES)
async def test_an_interrupted_snapshot_goes_on_without_gap_or_repetition(mariadb: Database, engine: str) -> None:
    make_rows(mariadb, engine)
    seen = await interrupted(mariadb.sql, lambda: captured(mariadb.url, TABLES, batch=20))
    rows = mariadb.sql("SELECT kode, id, nama FROM warga")
    assert state_of(seen) == {f'["warga","{code}","{number}"]': name for code, number, name in rows}
    assert max(Counter((each.key, each.version) for each in seen).values()) == 1


async def test_a_snapshot_s_transaction_does_not_wait_for_ever(
    mariadb: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cdc_feed, "HELD", HELD)
    monkeypatch.setattr(cdc_feed, "TICK", HELD / 10)
    make_rows(mariadb, "InnoDB")
    seen = await let_go(lambda: captured(mariadb.url, TABLES, batch=10))
    assert len(seen) == len({each.key for each in seen}) == 120


@pytest.mark.parametrize("engine", ENGINES)
async def test_what_is_written_while_a_snapshot_is_read_is_neither_lost_nor_told_twice(
    mariadb: Database, engine: str
) -> None:
    make_rows(mariadb, engine)
    seen = await overlapped(mariadb.sql, lambda: captured(mariadb.url, TABLES, batch=20))
    rows = mariadb.sql("SELECT kode, id, nama FROM warga")
    assert state_of(seen) == {f'["warga","{code}","{number}"]': name for code, number, name in rows}
    assert max(Counter((each.key, each.version) for each in seen).values()) == 1


async def test_a_transaction_is_one_batch_and_a_large_one_resumes_inside(mariadb: Database) -> None:
    mariadb.sql(f"{WARGA}InnoDB")
    async with reading(captured(mariadb.url, TABLES, batch=10)) as source:
        await batches(source, lambda found: len(found) >= 1)
        mariadb.sql("INSERT INTO warga SELECT seq, 'satu', '' FROM seq_1_to_7")
        small = await batches(source, lambda found: len(all_of(found)) == 7)
        mariadb.sql(
            "BEGIN; INSERT INTO warga SELECT seq, 'dua', '' FROM seq_8_to_19; SAVEPOINT a; "
            "INSERT INTO warga SELECT seq, 'dua', '' FROM seq_20_to_32; COMMIT"
        )
        parts = await batches(source, lambda found: len(all_of(found)) == 25)
    assert [len(each.records) for each in small if each.records] == [7]
    parts = [each for each in parts if each.records]
    assert [len(each.records) for each in parts] == [10, 10, 5]
    for place, part in enumerate(parts):
        mariadb.sql(f"INSERT INTO warga VALUES ({100 + place}, 'sesudah', '')")
        wanted = all_of(parts[place + 1 :])
        async with reading(captured(mariadb.url, TABLES, batch=10), stored(part.position)) as source:
            rest = await records(source, len(wanted) + place + 1)
        found = [each for each in rest if each.data["nama"] == "dua"]
        assert [(each.key, each.version) for each in found] == [(each.key, each.version) for each in wanted]
        assert len(rest) == len(wanted) + place + 1


async def test_wide_rows_make_small_batches(mariadb: Database) -> None:
    mariadb.sql(f"{WARGA}InnoDB; ALTER TABLE warga MODIFY nama longtext")

    def insert(first: int, last: int) -> None:
        mariadb.sql(f"INSERT INTO warga SELECT seq, repeat('x', 200000), '' FROM seq_{first}_to_{last}")

    await wide(captured(mariadb.url, TABLES), insert)


async def test_values_are_the_same_in_snapshot_and_stream(mariadb: Database) -> None:
    mariadb.sql(
        "CREATE TABLE warga (id bigint unsigned PRIMARY KEY, a float, b set('x','b','a'), c enum('p','q'), d bit(3), "
        "e timestamp NULL, f date, g datetime(3), h blob, i text CHARACTER SET latin1, j year, k decimal(16,0), "
        "l binary(3), m time, n json, o timestamp NULL, p set('x'), q date, r tinyint(1))"
    )
    columns = list("abcdefghijklmnopqr")
    values = (
        "0.1, 'a,b', 'q', b'101', '2024-02-29 10:11:12', '0000-00-00', '2024-02-29 10:11:12.5', x'00ff', 'é', 2024, "
        "3571010101010001, 'ab', '10:11:12', '{\"a\": 1}', '0000-00-00', '', '2024-00-00', 1"
    )
    empty = "NULL, NULL, '', 0, NULL, NULL, '0000-00-00', '', '', 0, -0, '', '-01:00:00', NULL, NULL, NULL, NULL, NULL"
    insert = f"SET sql_mode = ''; INSERT INTO warga VALUES (18446744073709551615, {values}), (2, {empty})"
    mariadb.sql(insert)
    async with reading(captured(mariadb.url, {"warga": {"columns": columns}})) as source:
        first = await records(source, 2)
        mariadb.sql(f"DELETE FROM warga ORDER BY id; {insert}")
        then = await records(source, 4)
        now = await source.reread(first[1].key)
    by_key = {each.key: dict(each.data) for each in then[2:]}
    for each in first:
        assert by_key[each.key] == {**each.data, "_operasi": "insert"}
    full, moment = first[1].data, datetime.fromisoformat("2024-02-29T10:11:12")
    assert [full[name] for name in "abcdfghijklmr"] == [
        0.1, "b,a", "q", 5, None, moment.replace(microsecond=500000), b"\x00\xff", "é", 2024,
        Decimal(3571010101010001), b"ab", timedelta(hours=10, minutes=11, seconds=12), 1,
    ]  # fmt: skip
    assert (full["e"], full["o"], full["p"], full["q"]) == (moment, None, "", None)
    assert (first[0].data["b"], first[0].data["g"], first[0].data["j"]) == (None, None, 0)
    assert now
    same = set("abceghijkmpr")
    assert {name: now.data[name] for name in same} == {name: full[name] for name in same}


async def test_a_schema_may_change_meanwhile(mariadb: Database) -> None:
    mariadb.sql(f"{WARGA}InnoDB")
    async with reading(captured(mariadb.url, TABLES)) as source:
        await batches(source, lambda found: len(found) >= 1)
        mariadb.sql("INSERT INTO warga VALUES (1, 'a', '')")
        mariadb.sql("ALTER TABLE warga ADD baru int FIRST, DROP sandi; INSERT INTO warga VALUES (7, 2, 'b')")
        mariadb.sql(
            "SET sql_mode = ''; ALTER TABLE warga MODIFY nama date; INSERT INTO warga VALUES (7, 3, '2024-02-29')"
        )
        found = await batches(source, lambda found: len(all_of(found)) >= 3)
        assert [shown(each)[2] for each in all_of(found)] == ["a", "b", date(2024, 2, 29)]
        position = stored(found[-1].position)
        mariadb.sql("ALTER TABLE warga RENAME COLUMN nama TO nama_lengkap; INSERT INTO warga VALUES (7, 4, NULL)")
        with pytest.raises(ConfigError, match="warga has no column nama any more"):
            await records(source, 1)
    mariadb.sql("ALTER TABLE warga RENAME COLUMN nama_lengkap TO nama; INSERT INTO warga VALUES (7, 5, '2024-02-29')")
    async with reading(source, position):
        lacking, whole = await records(source, 2)
        assert (shown(lacking), shown(whole)) == (("insert", 4), ("insert", 5, date(2024, 2, 29)))
        now = await source.reread(lacking.key)
        assert now
        assert now.data["nama"] is None


async def test_what_the_bus_wrote_is_left_out(mariadb: Database) -> None:
    mariadb.sql(f"{WARGA}InnoDB; CREATE TABLE bus_inbox (id int)")
    async with reading(captured(mariadb.url, TABLES)) as source:
        await batches(source, lambda found: len(found) >= 1)
        mariadb.sql("BEGIN; INSERT INTO bus_inbox VALUES (1); INSERT INTO warga VALUES (1, 'a', ''); COMMIT")
        mariadb.sql("BEGIN; INSERT INTO warga VALUES (2, 'b', ''); INSERT INTO bus_inbox VALUES (1); COMMIT")
        mariadb.sql("INSERT INTO warga VALUES (3, 'c', '')")
        found = await records(source, 1)
    assert [shown(each) for each in found] == [("insert", 3, "c")]


async def test_a_purged_binlog_is_told_and_everything_read_once_more_on_demand(mariadb: Database) -> None:
    mariadb.sql(f"{WARGA}InnoDB; INSERT INTO warga VALUES (1, 'a', '')")
    async with reading(captured(mariadb.url, TABLES)) as source:
        *_, last = await batches(source, lambda found: len(found) >= 2)
    mariadb.sql("UPDATE warga SET nama = 'b'; FLUSH BINARY LOGS; FLUSH BINARY LOGS")
    await until_purged(mariadb)
    async with reading(captured(mariadb.url, TABLES), stored(last.position)) as source:
        with pytest.raises(ConfigError, match=r"binlog binlog\.0.* has been purged.*raise `resnapshot`"):
            await records(source, 1)
    async with reading(captured(mariadb.url, TABLES, resnapshot=1), stored(last.position)) as source:
        again = await records(source, 1)
        mariadb.sql("UPDATE warga SET nama = 'c'")
        again += await records(source, 1)
    assert [shown(each) for each in again] == [("snapshot", 1, "b"), ("update", 1, "c")]


async def test_reading_everything_once_more_makes_new_events_and_loses_no_delete(mariadb: Database) -> None:
    mariadb.sql(f"{WARGA}InnoDB; INSERT INTO warga VALUES (1, 'a', ''), (2, 'a', '')")
    async with reading(captured(mariadb.url, TABLES)) as source:
        found = await batches(source, lambda found: len(found) >= 2)
    mariadb.sql("DELETE FROM warga WHERE id = 2; FLUSH BINARY LOGS")
    async with reading(captured(mariadb.url, TABLES, resnapshot=1), stored(found[-1].position)) as source:
        again = await records(source, 1)
        mariadb.sql("DELETE FROM warga WHERE id = 1")
        again += await records(source, 1)
    assert [shown(each)[:2] for each in again] == [("snapshot", 1), ("delete", 1)]
    assert (again[0].version or "") > (all_of(found)[0].version or "")


async def test_without_a_snapshot_it_begins_now_and_remembers_where(mariadb: Database) -> None:
    mariadb.sql(f"{WARGA}InnoDB; INSERT INTO warga VALUES (1, 'a', '')")
    async with reading(captured(mariadb.url, TABLES, snapshot=False)) as source:
        (begun,) = await batches(source, lambda found: len(found) >= 1)
    assert not begun.records
    mariadb.sql("INSERT INTO warga VALUES (2, 'b', '')")
    mariadb.server.stop()
    mariadb.server.start()
    mariadb.sql("INSERT INTO warga VALUES (3, 'c', '')")
    async with reading(captured(mariadb.url, TABLES, snapshot=False), stored(begun.position)) as source:
        found = await records(source, 2)
    assert [shown(each) for each in found] == [("insert", 2, "b"), ("insert", 3, "c")]


async def test_an_idle_position_moves_along(mariadb: Database) -> None:
    mariadb.sql(f"{WARGA}InnoDB; CREATE TABLE lain (id int)")
    async with reading(captured(mariadb.url, TABLES, snapshot=False, heartbeat=0.2)) as source:
        (begun,) = await batches(source, lambda found: len(found) >= 1)
        mariadb.sql("INSERT INTO lain SELECT seq FROM seq_1_to_100; FLUSH BINARY LOGS")
        (later,) = await batches(source, lambda found: len(found) >= 1)
    assert not later.records
    assert later.position["start"] > begun.position["start"] + 2**31
    mariadb.sql("INSERT INTO warga VALUES (2, 'b', '')")
    async with reading(captured(mariadb.url, TABLES), stored(later.position)) as source:
        assert [shown(each) for each in await records(source, 1)] == [("insert", 2, "b")]


async def test_what_is_missing_is_told(mariadb: Database) -> None:
    source = captured(mariadb.url, TABLES)
    with pytest.raises(ConfigError, match=r"tables\.warga: there is no table"):
        await source.open(None)
    mariadb.sql("CREATE TABLE warga (id int, nama text)")
    with pytest.raises(ConfigError, match="no primary key"):
        await source.install()
    mariadb.sql("ALTER TABLE warga ADD PRIMARY KEY (id)")
    assert "REPLICATION SLAVE" in source.ddl()
    mariadb.sql("SET GLOBAL binlog_row_metadata = 'NO_LOG'")
    try:
        with pytest.raises(ConfigError, match="binlog_row_metadata is NO_LOG, not FULL"):
            await source.open(None)
    finally:
        mariadb.sql("SET GLOBAL binlog_row_metadata = 'FULL'")
    async with reading(source):
        await batches(source, lambda found: len(found) >= 1)
        mariadb.sql("INSERT INTO warga VALUES (1, 'a'); SET binlog_row_image = MINIMAL; UPDATE warga SET nama = 'b'")
        with pytest.raises(ConfigError, match="without its whole row"):
            await batches(source, lambda found: len(all_of(found)) >= 2)


async def test_a_change_that_was_logged_as_a_statement_is_told(mariadb: Database) -> None:
    mariadb.sql(f"{WARGA}InnoDB; CREATE TABLE lain (id int)")
    async with reading(captured(mariadb.url, TABLES)) as source:
        await batches(source, lambda found: len(found) >= 1)
        mariadb.sql("SET binlog_format = STATEMENT; INSERT INTO lain VALUES (1)")
        mariadb.sql("INSERT INTO warga VALUES (1, 'a', '')")
        assert len(await records(source, 1)) == 1
        mariadb.sql("SET binlog_format = STATEMENT; UPDATE warga SET nama = 'b'")
        with pytest.raises(ConfigError, match="logged as a statement"):
            await batches(source, lambda found: False)


async def test_a_user_without_rights_is_told_which_it_needs(mariadb: Database) -> None:
    mariadb.sql(f"{WARGA}InnoDB; CREATE OR REPLACE USER lemah@'127.0.0.1' IDENTIFIED BY 'x'")
    mariadb.sql(f"GRANT SELECT ON {mariadb.name}.* TO lemah@'127.0.0.1'")
    weak = captured(mariadb.url.replace("bus:bus@", "lemah:x@"), TABLES, snapshot=False)
    async with reading(weak):
        with pytest.raises(Exception, match=r"refuses .*ddl names the rights"):
            await batches(weak, bool)


async def test_a_reader_takes_over_when_the_one_before_ends(mariadb: Database) -> None:
    mariadb.sql(f"{WARGA}InnoDB")
    async with reading(captured(mariadb.url, TABLES)) as first:
        await batches(first, lambda found: len(found) >= 1)  # it has become the reader
        async with reading(captured(mariadb.url, TABLES)) as second:
            assert await second.read() is None
            await first.close()
            with pytest.raises(Unavailable, match="takes over"):
                await batches(second, bool)


@pytest.mark.skipif(not OPENSID.exists(), reason="the OpenSID sample is not at hand")
async def test_a_change_in_opensid_whose_updated_at_stays_is_seen(mariadb: Database) -> None:
    mariadb.load(OPENSID)
    tables = {"penduduk": {"table": "tweb_penduduk", "columns": ["nik", "nama", "tanggallahir", "status_dasar"]}}
    ((count, key),) = mariadb.sql("SELECT count(*), min(id) FROM tweb_penduduk")
    async with reading(captured(mariadb.url, tables)) as source:
        first = await records(source, int(count))
        mariadb.sql(f"SET sql_mode = ''; UPDATE tweb_penduduk SET status_dasar = 3 - status_dasar WHERE id = {key}")
        (change,) = await records(source, 1)
    assert len(first) == int(count)
    before = next(each for each in first if each.key == change.key)
    assert {**change.data, "status_dasar": 0, "_operasi": ""} == {**before.data, "status_dasar": 0, "_operasi": ""}
