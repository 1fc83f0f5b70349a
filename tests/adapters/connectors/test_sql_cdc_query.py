"""Captured queries on every kind of database: the rows of a join, as they are after each change of its tables."""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bus.errors import ConfigError
from bus.ports import Record
from tests.adapters.connectors.cdc_application import PATIENCE, all_of, batches, captured, reading, records, shown
from tests.adapters.connectors.sql_application import Application, stored
from tests.docs.blocks import block
from tests.servers.postgresql import PostgreSQL
from tests.servers.server import Database

OPENSID = Path(__file__).parents[4] / "shared" / "data" / "opensid-contoh.sql"
KINDS = ("sqlite", "postgresql", "mariadb")
QUERY = (
    "SELECT p.id, p.nama, l.tgl, CASE WHEN l.tgl = '10:00' THEN 'a' END AS pagi "
    "FROM penduduk p LEFT JOIN log_penduduk l ON l.id_pend = p.id"
)
OPTIONS: dict[str, Any] = {"query": QUERY, "key": ["p.id"]}
TABLES: dict[str, Any] = {
    "penduduk": {"belongs_to": {"id": "id"}},
    "log_penduduk": {"belongs_to": {"id": "id_pend"}},
}


@pytest_asyncio.fixture(params=KINDS)
async def own(request: pytest.FixtureRequest) -> AsyncIterator[Application]:
    application = Application.of(request.param, request)
    await application.run(
        "CREATE TABLE penduduk (id int PRIMARY KEY, nama varchar(40), sandi varchar(40))",
        "CREATE TABLE log_penduduk (id int PRIMARY KEY, id_pend int, tgl varchar(40))",
        "INSERT INTO penduduk VALUES (1, 'a', 'x'), (2, 'b', 'x')",
        "INSERT INTO log_penduduk VALUES (7, 2, '10:00')",
    )
    yield application
    await application.engine.dispose()


@pytest.fixture
def database(own: Application, request: pytest.FixtureRequest) -> Database:
    """The same, with the server's own client."""
    found = request.getfixturevalue(own.kind)
    assert isinstance(found, Database)
    return found


def source(own: Application, **options: Any) -> Any:
    return captured(own.url, options.pop("tables", TABLES), **{**OPTIONS, **options})


async def test_all_rows_then_those_that_a_change_of_any_table_belongs_to(own: Application) -> None:
    async with reading(source(own)) as opened:
        first = await records(opened, 2)
        assert [shown(each) for each in first] == [("update", 1, "a", None, None), ("update", 2, "b", "10:00", "a")]
        await own.run("INSERT INTO log_penduduk VALUES (8, 1, '11:00')")
        assert [shown(each) for each in await records(opened, 1)] == [("update", 1, "a", "11:00", None)]
        await own.run("UPDATE log_penduduk SET id_pend = 2 WHERE id = 8", "DELETE FROM log_penduduk WHERE id = 7")
        moved = await records(opened, 2)
        assert sorted(map(shown, moved)) == [("update", 1, "a", None, None), ("update", 2, "b", "11:00", None)]
        await own.run("DELETE FROM penduduk WHERE id = 1", "UPDATE penduduk SET id = 3 WHERE id = 2")
        gone = await records(opened, 3)
    assert sorted(map(shown, gone)) == [("delete", 1), ("delete", 2), ("update", 3, "b", None, None)]
    assert [each.key for each in first] == ["1", "2"]
    assert {each.version for each in (*first, *moved, *gone)} == {None}
    assert first[0].place == "id 1"
    assert gone[0].at


async def test_an_interrupted_beginning_goes_on_and_sees_what_changed_meanwhile(own: Application) -> None:
    rows = ", ".join(f"({number}, 'w', 'x')" for number in range(10, 150))
    await own.run(f"INSERT INTO penduduk VALUES {rows}")
    async with reading(source(own, batch=20)) as opened:
        found = await batches(opened, lambda found: len(all_of(found)) >= 40)
        position = stored(found[-1].position)
    seen = all_of(found)
    await own.run("UPDATE penduduk SET nama = 'lama' WHERE id < 20", "DELETE FROM penduduk WHERE id = 11")
    await own.run(
        "UPDATE penduduk SET nama = 'baru' WHERE id > 100", "INSERT INTO log_penduduk VALUES (9, 149, '10:00')"
    )
    async with reading(source(own, batch=20), position) as opened:
        later = await batches(opened, lambda found: "11" in {each.key for each in all_of(found)})
        position = stored(later[-1].position)
    seen += all_of(later)
    keys = [each.key for each in seen]
    assert len(set(keys)) == 142
    assert len(keys) < 142 + 2 + 10 + 50
    state: dict[str, Any] = {each.key: each.data for each in seen}
    assert state.pop("11") == {"id": 11, "_operasi": "delete"}
    expected = {str(row[0]): row for row in await own.rows(QUERY)}
    assert {key: shown(Record(key, data))[1:] for key, data in state.items()} == expected
    async with reading(source(own, batch=20), position) as opened:  # whole: only what changes from now on
        await own.run("UPDATE penduduk SET nama = 'akhir' WHERE id = 1")
        rest = await batches(opened, lambda found: "1" in {each.key for each in all_of(found)})
        assert {int(each.key) for each in all_of(rest)} <= {1, *range(101, 150)}
        now = await opened.reread("1")
        assert now
        assert shown(now) == ("update", 1, "akhir", None, None)
        assert await opened.reread("11") is None
    async with reading(source(own, resnapshot=1), position) as opened:
        assert len(await records(opened, 141)) >= 141


async def test_the_query_that_the_guide_shows_finds_rows_by_parts_of_keys(own: Application) -> None:
    options = tomllib.loads(block("adapters/README.md", "[source.kematian]").text)["source"]["kematian"]
    del options["connector"]
    await own.run(
        "CREATE TABLE pasien (no_rkm_medis varchar(9) PRIMARY KEY, no_ktp varchar(16))",
        "CREATE TABLE reg_periksa (no_rawat varchar(9) PRIMARY KEY, no_rkm_medis varchar(9))",
        "CREATE TABLE kamar_inap (no_rawat varchar(9), tgl_masuk date, jam_masuk time, tgl_keluar date, "
        "stts_pulang varchar(9), PRIMARY KEY (no_rawat, tgl_masuk, jam_masuk))",
        "INSERT INTO pasien VALUES ('A', '-'), ('B', '-')",
        "INSERT INTO reg_periksa VALUES ('r1', 'A'), ('r2', 'B')",
        "INSERT INTO kamar_inap VALUES ('r1', '2026-01-01', '10:11:12', NULL, '-'), "
        "('r1', '2026-01-02', '10:11:12', NULL, '-'), ('r2', '2026-01-01', '00:00:00', NULL, '-')",
    )
    async with reading(captured(**{**options, "url": own.url, "batch": 1})) as opened:
        first = await records(opened, 3)
        await own.run(
            "UPDATE pasien SET no_ktp = '3571' WHERE no_rkm_medis = 'A'",
            "DELETE FROM kamar_inap WHERE no_rawat = 'r2'",
            "UPDATE reg_periksa SET no_rkm_medis = 'A' WHERE no_rawat = 'r2'",
        )
        found = await records(opened, 3)
        now = await opened.reread(first[1].key)
    assert {each.key for each in found} == {each.key for each in first}
    assert [found[0].data["no_ktp"], found[1].data["no_ktp"]] == ["3571", "3571"]
    assert set(found[2].data) == {"no_rawat", "tgl_masuk", "jam_masuk", "_operasi"}
    assert now
    assert now.data["no_ktp"] == "3571"


@pytest.mark.parametrize("own", ["mariadb"], indirect=True)
async def test_keys_that_the_database_takes_for_the_same_are_no_delete(own: Application) -> None:
    await own.run(
        "CREATE TABLE orang (kode varchar(9) PRIMARY KEY, nama text)",
        "CREATE TABLE nilai (id int PRIMARY KEY, kode varchar(9), n int)",
        "INSERT INTO orang VALUES ('Abé', 'x')",
    )
    tables = {"orang": {"belongs_to": {"kode": "kode"}}, "nilai": {"belongs_to": {"kode": "kode"}}}
    query = "SELECT o.kode, sum(n) AS jumlah FROM orang o LEFT JOIN nilai n ON n.kode = o.kode GROUP BY o.kode"
    async with reading(source(own, tables=tables, query=query, key=["kode"])) as opened:
        await records(opened, 1)
        await own.run("INSERT INTO nilai VALUES (1, 'ABE ', 5)")
        assert [shown(each) for each in await records(opened, 1)] == [("update", "Abé", 5)]
        await own.run(
            "UPDATE nilai SET n = 6", "UPDATE orang SET nama = 'y'", "INSERT INTO nilai VALUES (2, 'lain', 5)"
        )
        found = await records(opened, 2)
    assert sorted(map(shown, found)) == [("delete", "lain"), ("update", "Abé", 6)]


WAITING = {
    "postgresql": (
        "ALTER SYSTEM SET synchronous_standby_names = 'lain'",
        "ALTER SYSTEM RESET synchronous_standby_names",
    ),
    "mariadb": (
        "SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC, GLOBAL rpl_semi_sync_master_timeout = 9000, "
        "GLOBAL rpl_semi_sync_master_enabled = ON",
        "SET GLOBAL rpl_semi_sync_master_enabled = OFF",
    ),
}  #: each commit waits for a standby that never answers; and no longer


@pytest.mark.parametrize("own", WAITING, indirect=True)
async def test_a_look_waits_until_the_change_is_visible(own: Application, database: Database) -> None:
    """Databases write their log before others see the commit."""
    wait, go_on = WAITING[own.kind]
    async with reading(source(own)) as opened:
        await records(opened, 2)
        try:
            database.sql(wait)
            await reloaded(database, "lain")
            writing = asyncio.create_task(own.run("UPDATE penduduk SET nama = 'baru' WHERE id = 1"))
            looking = asyncio.create_task(batches(opened, lambda found: bool(all_of(found))))
            done, _ = await asyncio.wait({writing, looking}, timeout=0.7)
            assert not done
        finally:
            database.sql(go_on)
            await reloaded(database, "NULL")
        await writing
        assert [shown(each) for each in all_of(await looking)] == [("update", 1, "baru", None, None)]


async def reloaded(database: Database, standbys: str) -> None:
    """Waits until PostgreSQL heeds its changed configuration."""
    if isinstance(database.server, PostgreSQL):
        database.sql("SELECT pg_reload_conf()")
        query = "SELECT NULLIF(current_setting('synchronous_standby_names'), '')"
        async with asyncio.timeout(PATIENCE):
            while database.sql(query) != [(standbys,)]:  # noqa: ASYNC110 - a server
                await asyncio.sleep(0.02)


POSITIONS = {"sqlite": r"bus_change \d+", "postgresql": r"[0-9A-F]+/[0-9A-F]+", "mariadb": r"binlog\.\d{6}:\d+"}


@pytest.mark.parametrize("form", ["tables", "query"])
async def test_it_tells_how_far_it_is_and_since_when_something_waits(own: Application, form: str) -> None:
    plain = captured(own.url, {"penduduk": {"columns": ["nama"]}})
    async with reading(source(own) if form == "query" else plain) as opened:
        await records(opened, 2)
        before = datetime.now(UTC)
        await own.run("INSERT INTO penduduk VALUES (3, 'c', '')")
        found = await batches(opened, lambda found: bool(all_of(found)), commit=False)
        busy = await opened.state()
        for batch in found:
            await opened.commit(batch, [])
        async with asyncio.timeout(PATIENCE):
            while (idle := await opened.state()).or_more:
                await opened.read()
    assert busy.oldest
    assert abs(busy.oldest - before) < timedelta(seconds=30)
    assert (idle.waiting, idle.oldest) == (0, None)
    assert re.fullmatch(POSITIONS[own.kind], idle.position)
    assert idle.position != busy.position
    assert (await opened.state()).position == idle.position  # also closed


async def test_a_schema_may_change_meanwhile(own: Application) -> None:
    async with reading(source(own)) as opened:
        await records(opened, 2)
        await own.run("ALTER TABLE penduduk ADD baru int", "UPDATE penduduk SET nama = 'c' WHERE id = 1")
        assert [shown(each)[:3] for each in await records(opened, 1)] == [("update", 1, "c")]
        await own.run("ALTER TABLE penduduk RENAME COLUMN nama TO nama_lengkap")
        await own.run("UPDATE penduduk SET nama_lengkap = 'd' WHERE id = 1")
        with pytest.raises(ConfigError):
            await records(opened, 1)


@pytest.mark.parametrize("own", ["mariadb"], indirect=True)
async def test_tables_without_transactions_are_looked_at_too(own: Application) -> None:
    await own.run("ALTER TABLE penduduk ENGINE=MyISAM", "ALTER TABLE log_penduduk ENGINE=MyISAM")
    async with reading(source(own)) as opened:
        await records(opened, 2)
        for number in range(20):
            await own.run(f"UPDATE penduduk SET nama = 'n{number}' WHERE id = 1")
            assert [shown(each)[:3] for each in await records(opened, 1)] == [("update", 1, f"n{number}")]
        await own.run("FLUSH BINARY LOGS", "DELETE FROM penduduk WHERE id = 1")
        assert [shown(each) for each in await records(opened, 1)] == [("delete", 1)]


@pytest.mark.parametrize("own", ["mariadb"], indirect=True)
async def test_a_date_that_is_none_is_none(own: Application, database: Database) -> None:
    database.sql(
        "SET sql_mode = ''; CREATE TABLE inap (rawat varchar(9), tgl date, keluar date, catatan varchar(20), "
        "PRIMARY KEY (rawat, tgl)); INSERT INTO inap VALUES ('r1', '0000-00-00', '0000-00-00', '0000-00-00')"
    )
    tables = {"inap": {"belongs_to": {"rawat": "rawat", "tgl": "tgl"}}}
    async with reading(source(own, tables=tables, query="SELECT * FROM inap", key=["rawat", "tgl"])) as opened:
        (first,) = await records(opened, 1)
        database.sql("SET sql_mode = ''; UPDATE inap SET keluar = '2026-01-02'")
        (then,) = await records(opened, 1)
    assert (first.data["keluar"], first.data["catatan"]) == (None, "0000-00-00")
    assert then.key == first.key == '["r1","0000-00-00"]'
    assert then.data["keluar"].isoformat() == "2026-01-02"


@pytest.mark.parametrize("own", ["postgresql", "mariadb"], indirect=True)
async def test_changes_from_before_a_restart_of_the_server_are_looked_at(own: Application, database: Database) -> None:
    async with reading(source(own)) as opened:
        *_, last = await batches(opened, lambda found: len(all_of(found)) >= 2)
    await own.run("UPDATE penduduk SET nama = 'c' WHERE id = 1", "DELETE FROM penduduk WHERE id = 2")
    await own.engine.dispose()
    database.server.stop()
    database.server.start()
    async with reading(source(own), stored(last.position), install=False) as opened:
        found = await records(opened, 2)
    assert sorted(map(shown, found)) == [("delete", 2), ("update", 1, "c", None, None)]


@pytest.mark.skipif(not OPENSID.exists(), reason="the OpenSID sample is not at hand")
@pytest.mark.parametrize("own", ["mariadb"], indirect=True)
async def test_a_death_in_opensid_is_a_row_with_the_persons_nik(own: Application, database: Database) -> None:
    database.sql("DROP TABLE penduduk, log_penduduk")
    database.load(OPENSID)
    query = (
        "SELECT p.id, p.nik, p.nama, p.status_dasar, l.tgl_peristiwa FROM tweb_penduduk p "
        "LEFT JOIN log_penduduk l ON l.id_pend = p.id AND l.kode_peristiwa = 2"
    )
    tables = {"tweb_penduduk": {"belongs_to": {"id": "id"}}, "log_penduduk": {"belongs_to": {"id": "id_pend"}}}
    ((count, person),) = database.sql(
        "SELECT count(*), min(id) FROM tweb_penduduk WHERE id NOT IN "
        "(SELECT id_pend FROM log_penduduk WHERE kode_peristiwa = 2)"
    )
    async with reading(source(own, tables=tables, query=query)) as opened:
        first = await records(opened, int(count))
        database.sql(
            f"SET sql_mode = ''; BEGIN; UPDATE tweb_penduduk SET status_dasar = 2 WHERE id = {person}; "
            "INSERT INTO log_penduduk (id_pend, kode_peristiwa, tgl_peristiwa, tgl_lapor) "
            f"VALUES ({person}, 2, '2026-11-01', '2026-11-02'); COMMIT"
        )
        (death,) = await records(opened, 1)
    before = next(each for each in first if each.key == person)
    assert death.data["tgl_peristiwa"].isoformat()[:10] == "2026-11-01"
    assert {**death.data, "status_dasar": before.data["status_dasar"], "tgl_peristiwa": None} == dict(before.data)


async def test_what_does_not_fit_is_told(own: Application) -> None:
    with pytest.raises(ConfigError, match="has no column 'nik'"):
        await opened_and_closed(source(own, key=["nik"], tables={"penduduk": {"belongs_to": {"nik": "id"}}}))
    with pytest.raises(ConfigError, match=r"tables\.pendidikan: the query has no column 'nik'"):
        await opened_and_closed(
            source(own, tables={**TABLES, "pendidikan": {"table": "penduduk", "belongs_to": {"nik": "id"}}})
        )
    with pytest.raises(ConfigError, match="does not fit the database"):
        await opened_and_closed(source(own, query="SELECT id FROM penduduk WHERE"))
    with pytest.raises(ConfigError, match="a row has no key"):
        async with reading(source(own, key=["tgl"], tables={"log_penduduk": {"belongs_to": {"tgl": "tgl"}}})) as opened:
            await records(opened, 3)
    await own.run("INSERT INTO log_penduduk VALUES (8, 2, '11:00')")
    with pytest.raises(ConfigError, match="several rows have the same key"):
        async with reading(source(own)) as opened:
            await records(opened, 3)


async def opened_and_closed(made: Any) -> None:
    async with reading(made):
        pass


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": []}, "a query and its key go together"),
        ({"query": ""}, "without a query a table has columns"),
        ({"tables": {"penduduk": {"columns": ["id"]}}}, "with a query a table has belongs_to"),
        ({"tables": {"penduduk": {"belongs_to": {"nama": "nama"}}}}, "belong by the whole key"),
    ],
)
def test_a_source_has_one_form(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        captured("sqlite://", options.pop("tables", TABLES), **{**OPTIONS, **options})
