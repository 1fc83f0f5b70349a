"""dukcapil/siak: the same contract over OpenSID's tables in SQLite and in MariaDB."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bus.contracts import connectors, load
from bus.contracts.lint import lint
from bus.delivery.mapping import Draft, Drafting, Mapper
from bus.events import Catalogue
from bus.events.registry import KeyTokens
from bus.ports import Context
from bus.testing.adapters import expected, replay
from tests.adapters.departments import samples
from tests.servers.server import Database

SIAK = samples.folder("dukcapil/siak")
SAMPLES = SIAK / "samples"
OPENSID = Path(__file__).parents[4] / "shared" / "data" / "opensid-contoh.sql"
TABLES = (
    "config",
    "ref_peristiwa",
    "ref_pindah",
    "tweb_penduduk",
    "tweb_keluarga",
    "tweb_wil_clusterdesa",
    "log_penduduk",
    "tweb_penduduk_hubungan",
    "tweb_penduduk_agama",
    "tweb_penduduk_kawin",
    "tweb_penduduk_pekerjaan",
)


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The samples in SQLite, where the contract finds them."""
    path = tmp_path / "siak.db"
    monkeypatch.setenv("SIAK_URL", samples.run(path, SAMPLES / "application.sql", SAMPLES / "rows.sql"))
    return path


def test_the_contract_is_sound() -> None:
    assert lint([load(SIAK / "adapter.toml")], Catalogue.load()) == []


async def test_the_samples_become_the_events_beside_them(database: Path) -> None:
    events, rejected = await replay(SIAK)

    assert events == expected(SIAK)
    assert rejected == [
        "kolom nik: harus 16 angka, ada 15",
        "kolom tanggallahir: tanggal kosong",
        "kolom nik: harus 16 angka, ada 15",
    ]


async def test_a_withdrawn_death_is_the_correction_of_what_was_published(database: Path) -> None:
    withdraw(database, person=4)

    drafts = await deaths(previous={4: {"kependudukan.penduduk.meninggal.v1": "ab" * 16}})

    assert [(draft.type.name.event, draft.data) for draft in drafts[4]] == [
        (
            "meninggal-dibatalkan",
            b'{"membatalkan":"abababababababababababababababab",'
            b'"alasan":"Status dasar dikembalikan menjadi HIDUP di aplikasi","nik":"3571010101500001"}',
        )
    ]


async def test_a_living_person_is_no_event_where_no_death_was_published(database: Path) -> None:
    withdraw(database, person=4)

    drafts = await deaths(previous={})

    assert drafts == {1: [], 2: [], 3: [], 4: [], 6: [], 7: [], 8: []}


async def test_the_city_s_registry_names_the_kelurahan_by_dusun(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO config VALUES (2, 'Kemasan', '3571021010')")
        connection.execute("UPDATE tweb_wil_clusterdesa SET dusun = 'Kemasan' WHERE id = 2")

    events, _ = await replay(SIAK)

    codes = {each["data"]["nik"]: each["data"]["kode_wilayah"] for each in events if "tercatat" in each["event"]}
    assert codes["3571010508800001"] == "35.71.01.1011"
    assert codes["3571010101900001"] == "35.71.02.1010"


@pytest.mark.skipif(not OPENSID.exists(), reason=f"OpenSID's sample database is not at {OPENSID}")
async def test_opensid_s_sample_database_in_mariadb(mariadb: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    mariadb.sql(tables_of(OPENSID.read_text(encoding="utf-8")))
    monkeypatch.setenv("SIAK_URL", mariadb.url)
    mariadb.sql(
        "UPDATE tweb_penduduk SET status_dasar = 2 WHERE id = 1;"
        "UPDATE tweb_penduduk SET status_dasar = 3 WHERE id = 2;"
        "INSERT INTO log_penduduk (id_pend, kode_peristiwa, meninggal_di, tgl_peristiwa) "
        "VALUES (1, 2, 'Rumah', '2026-03-14');"
        "INSERT INTO log_penduduk (id_pend, kode_peristiwa, alamat_tujuan, ref_pindah, tgl_peristiwa) "
        "VALUES (2, 3, 'Mataram', 3, '2026-03-15');"
        "INSERT INTO log_penduduk (id_pend, kode_peristiwa, tgl_peristiwa) VALUES (3, 1, '2026-03-16');"
    )

    events, rejected = await replay(SIAK)

    assert rejected == []
    assert Counter(each["event"] for each in events) == {
        "kependudukan.penduduk.pindah-datang.v1": 97,
        "kependudukan.penduduk.tercatat.v1": 97,
        "kependudukan.penduduk.meninggal.v1": 1,
        "kependudukan.penduduk.pindah-keluar.v1": 1,
        "kependudukan.penduduk.lahir.v1": 1,
    }
    [died] = [each["data"] for each in events if each["event"].endswith("meninggal.v1")]
    assert (died["tanggal_meninggal"], died["tempat"]) == ("2026-03-14", "Rumah")
    [moved] = [each["data"] for each in events if each["event"].endswith("pindah-keluar.v1")]
    assert (moved["lingkup"], moved["alamat_tujuan"], moved["kode_wilayah"]) == ("KOTA", "Mataram", "52.01.14.2005")
    registered = [each["data"] for each in events if each["event"].endswith("tercatat.v1")]
    assert {each["status"] for each in registered} == {"HIDUP", "MATI", "PINDAH"}
    assert all(len(each["nik"]) == 16 and each["hubungan_keluarga"] and each["agama"] for each in registered)


def withdraw(path: Path, person: int) -> None:
    """As OpenSID does it: the status goes back, the log row is deleted."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE tweb_penduduk SET status_dasar = 1 WHERE id = ?", (person,))
        connection.execute("DELETE FROM log_penduduk WHERE id_pend = ? AND kode_peristiwa = 2", (person,))


async def deaths(previous: dict[int, dict[str, str]]) -> dict[int, list[Draft]]:
    """What each row of the source `kematian` becomes, by person, where those events of it were published before."""
    contract = load(SIAK / "adapter.toml")
    source = connectors.build(
        contract.source["kematian"],
        Context(contract.name, "kematian", contract.folder, ZoneInfo(contract.timezone)),
        where="test",
    )
    mapper = Mapper(contract, "kematian", Catalogue.load(), Drafting(KeyTokens(b"a key for tests")))
    await source.open(None)
    try:
        batch = await source.read()
    finally:
        await source.close()
    assert batch is not None
    return {
        person: mapper.map(record, previous.get(person, {}))
        for record in batch.records
        if (person := int(record.data["id"]))
    }


def tables_of(dump: str) -> str:
    """The statements of a dump that make and fill the tables that the contract reads."""
    names = "|".join(TABLES)
    made = re.findall(rf"^CREATE TABLE `(?:{names})` \(.*?;$", dump, re.MULTILINE | re.DOTALL)
    filled = re.findall(rf"^INSERT INTO `(?:{names})` .*$", dump, re.MULTILINE)
    assert len(made) == len(TABLES)
    return "\n".join(("SET sql_mode = ''; SET foreign_key_checks = 0;", *made, *filled))
