"""dukcapil/siak: the same contract over OpenSID's tables in SQLite and in MariaDB."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bus import config
from bus.app import Adapter
from bus.contracts import load
from bus.contracts.lint import lint
from bus.events import Catalogue
from bus.events.registry import KeyTokens
from bus.testing.adapters import expected, replay
from tests.adapters.departments import samples
from tests.adapters.departments.office import Office
from tests.adapters.departments.registry import LISTS, OPENSID, Registry, SqliteRegistry, ask, tables_of
from tests.faults.city import City
from tests.servers.server import Database

SIAK = samples.folder("dukcapil/siak")
SAMPLES = SIAK / "samples"
BORN, ARRIVED, DIED = (f"kependudukan.penduduk.{each}.v1" for each in ("lahir", "pindah-datang", "meninggal"))
REVIVED = "kependudukan.penduduk.meninggal-dibatalkan.v1"
LEFT, STAYED = (f"kependudukan.penduduk.pindah-keluar{each}.v1" for each in ("", "-dibatalkan"))
RECORDED, CARD = "kependudukan.penduduk.tercatat.v1", "kependudukan.kartu-keluarga.berubah.v1"
REJECTED = [
    "kolom tanggallahir: tanggal kosong",
    "kolom nik: harus 16 angka, ada 15",
    "kolom nik: harus 16 angka, ada 15",
]


@pytest.fixture
async def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteRegistry:
    """The samples in SQLite, where the contract finds them, with what its sources need."""
    path = tmp_path / "siak.db"
    monkeypatch.setenv("SIAK_URL", samples.run(path, SAMPLES / "application.sql", SAMPLES / "rows.sql"))
    await install()
    return SqliteRegistry(path)


@pytest.fixture
def opensid(mariadb: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """OpenSID's own sample database in MariaDB, with the tables that the bus writes."""
    mariadb.sql(tables_of(OPENSID.read_text(encoding="utf-8")))
    mariadb.sql(LISTS + (SAMPLES / "application.sql").read_text(encoding="utf-8").partition(LISTS)[2])
    monkeypatch.setenv("SIAK_URL", mariadb.url)
    return mariadb


@pytest.fixture(params=["sqlite", "mariadb"])
def registry(request: pytest.FixtureRequest) -> Registry:
    """The registry in either database."""
    if request.param == "mariadb" and not OPENSID.exists():
        pytest.skip(f"OpenSID's sample database is not at {OPENSID}")
    found: Registry = request.getfixturevalue("database" if request.param == "sqlite" else "opensid")
    return found


async def install() -> None:
    await Adapter(load(SIAK / "adapter.toml"), config.load(), Catalogue.load(), KeyTokens(b"samples")).install()


def test_the_contract_is_sound() -> None:
    faults = lint([load(SIAK / "adapter.toml")], Catalogue.load())
    assert {each.level for each in faults} <= {"note"}, "only that the hospital's contract is not at hand"


async def test_the_samples_become_the_events_beside_them(database: SqliteRegistry) -> None:
    events, rejected = await replay(SIAK)

    assert events == expected(SIAK)
    assert rejected == REJECTED


async def test_the_city_s_registry_names_the_kelurahan_by_dusun(database: SqliteRegistry) -> None:
    database.sql(
        "INSERT INTO config VALUES (2, 'Kemasan', '3571021010');"
        "UPDATE tweb_wil_clusterdesa SET dusun = 'Kemasan' WHERE id = 2"
    )

    events, _ = await replay(SIAK)

    codes = {each["data"]["nik"]: each["data"]["kode_wilayah"] for each in events if "tercatat" in each["event"]}
    assert codes["3571010508800001"] == "35.71.01.1011"
    assert codes["3571010101900001"] == "35.71.02.1010"


@pytest.mark.skipif(not OPENSID.exists(), reason=f"OpenSID's sample database is not at {OPENSID}")
async def test_opensid_s_sample_database_in_mariadb(opensid: Database) -> None:
    opensid.sql(
        "UPDATE tweb_penduduk SET status_dasar = 2 WHERE id = 1;"
        "UPDATE tweb_penduduk SET status_dasar = 3 WHERE id = 2;"
        "INSERT INTO log_penduduk (id_pend, kode_peristiwa, meninggal_di, tgl_peristiwa) "
        "VALUES (1, 2, 'Rumah', '2026-03-14');"
        "INSERT INTO log_penduduk (id_pend, kode_peristiwa, alamat_tujuan, ref_pindah, tgl_peristiwa) "
        "VALUES (2, 3, 'Mataram', 3, '2026-03-15');"
        "INSERT INTO log_penduduk (id_pend, kode_peristiwa, tgl_peristiwa) VALUES (3, 1, '2026-03-16');"
    )
    [(cards,)] = opensid.sql("SELECT COUNT(*) FROM tweb_keluarga")

    events, rejected = await replay(SIAK)

    assert rejected == []
    assert Counter(each["event"] for each in events) == {
        ARRIVED: 97,
        RECORDED: 97,
        DIED: 1,
        LEFT: 1,
        BORN: 1,
        CARD: int(cards),
    }
    [died] = [each["data"] for each in events if each["event"] == DIED]
    assert (died["tanggal_meninggal"], died["tempat"]) == ("2026-03-14", "Rumah")
    [moved] = [each["data"] for each in events if each["event"] == LEFT]
    assert (moved["lingkup"], moved["alamat_tujuan"], moved["kode_wilayah"]) == ("KOTA", "Mataram", "52.01.14.2005")
    registered = [each["data"] for each in events if each["event"] == RECORDED]
    assert {each["status"] for each in registered} == {"HIDUP", "MATI", "PINDAH"}
    assert all(len(each["nik"]) == 16 and each["hubungan_keluarga"] and each["agama"] for each in registered)
    families = [each["data"] for each in events if each["event"] == CARD]
    living = sum(each["status"] == "HIDUP" and "no_kk" in each for each in registered)
    assert sum(each["jumlah_anggota"] for each in families) == living
    assert all(len(each["nik_kepala"]) == 16 for each in families)


async def test_a_death_that_no_time_tells_and_its_withdrawal(registry: Registry, tmp_path: Path) -> None:
    office = Office(SIAK, tmp_path)
    (person, nik), *_ = await ask(registry, "SELECT id, nik FROM tweb_penduduk WHERE status_dasar = 1 ORDER BY id")
    withdrawal = (
        f"UPDATE tweb_penduduk SET status_dasar = 1, updated_at = updated_at WHERE id = {person};"
        f"DELETE FROM log_penduduk WHERE id_pend = {person} AND kode_peristiwa = 2"
    )

    async def die(day: str) -> None:
        await ask(
            registry,
            f"UPDATE tweb_penduduk SET status_dasar = 2, updated_at = updated_at WHERE id = {person};"
            "INSERT INTO log_penduduk (id_pend, kode_peristiwa, meninggal_di, tgl_peristiwa) "
            f"VALUES ({person}, 2, 'Rumah', '{day} 00:00:00')",
        )

    async with office.running():
        await snapshot(office, registry)
        before = len(office.told(DIED))
        recorded = len(office.told(RECORDED))
        await die("2026-03-14")
        died = (await office.until_told(DIED, before + 1))[-1]
        assert (died.data["nik"], died.data["tanggal_meninggal"]) == (nik, "2026-03-14")
        await office.until(
            lambda: office.told(RECORDED)[recorded:][-1:] and office.told(RECORDED)[-1].data["status"] == "MATI"
        )
        await ask(registry, f"UPDATE tweb_penduduk SET alamat_sekarang = 'Jl. Lain 1' WHERE id = {person}")
        await ask(registry, f"UPDATE log_penduduk SET meninggal_di = 'RSUD' WHERE id_pend = {person}")
        await ask(registry, withdrawal)
        [revived] = await office.until_told(REVIVED, 1)
        assert (revived.data["nik"], revived.data["membatalkan"]) == (nik, died.id)

    await die("2026-03-15")  # while the adapter is away
    async with office.running():
        again = (await office.until_told(DIED, before + 2))[-1]
        assert again.data["tanggal_meninggal"] == "2026-03-15"
        await ask(registry, withdrawal)
        assert (await office.until_told(REVIVED, 2))[-1].data["membatalkan"] == again.id

    assert len(office.told(DIED)) == before + 2, "neither an address nor a place is another death"


async def test_a_departure_its_withdrawal_and_a_return(registry: Registry, tmp_path: Path) -> None:
    office = Office(SIAK, tmp_path)
    (person, nik), *_ = await ask(registry, "SELECT id, nik FROM tweb_penduduk WHERE status_dasar = 1 ORDER BY id")

    async def depart(day: str) -> None:
        await ask(
            registry,
            f"UPDATE tweb_penduduk SET status_dasar = 3 WHERE id = {person};"
            "INSERT INTO log_penduduk (id_pend, kode_peristiwa, alamat_tujuan, ref_pindah, tgl_peristiwa) "
            f"VALUES ({person}, 3, 'Surabaya', 4, '{day} 00:00:00')",
        )

    async with office.running():
        await snapshot(office, registry)
        before = len(office.told(LEFT))
        await depart("2026-03-14")
        left = (await office.until_told(LEFT, before + 1))[-1]
        assert (left.data["nik"], left.data["tanggal_pindah"], left.data["lingkup"]) == (nik, "2026-03-14", "PROVINSI")
        await ask(
            registry,
            f"UPDATE tweb_penduduk SET status_dasar = 1 WHERE id = {person};"
            f"DELETE FROM log_penduduk WHERE id_pend = {person} AND kode_peristiwa = 3",
        )
        [stayed] = await office.until_told(STAYED, 1)
        assert (stayed.data["nik"], stayed.data["membatalkan"]) == (nik, left.id)

        await depart("2026-03-20")
        await office.until_told(LEFT, before + 2)
        arrivals = len(office.told(ARRIVED))
        await ask(
            registry,
            f"UPDATE tweb_penduduk SET status_dasar = 1 WHERE id = {person};"
            "INSERT INTO log_penduduk (id_pend, kode_peristiwa, tgl_peristiwa) "
            f"VALUES ({person}, 5, '2026-03-21 00:00:00')",
        )
        await office.until_told(ARRIVED, arrivals + 1)
        await depart("2026-03-25")
        await office.until_told(LEFT, before + 3)

    assert len(office.told(STAYED)) == 1, "who comes back has left before"


async def test_a_birth_whose_log_row_is_deleted_is_withdrawn(registry: Registry, tmp_path: Path) -> None:
    office = Office(SIAK, tmp_path)
    (person, nik), (other, _), *_ = await ask(
        registry, "SELECT id, nik FROM tweb_penduduk WHERE status_dasar = 1 ORDER BY id"
    )
    withdrawn = "kependudukan.penduduk.lahir-dibatalkan.v1"
    async with office.running():
        await snapshot(office, registry)
        before = len(office.told(BORN))
        await ask(
            registry,
            "INSERT INTO log_penduduk (id_pend, kode_peristiwa, tgl_peristiwa) "
            f"VALUES ({person}, 1, '2026-03-14 00:00:00'), ({other}, 1, '2026-03-15 00:00:00')",
        )
        await office.until_told(BORN, before + 2)
        await ask(registry, f"UPDATE tweb_penduduk SET alamat_sekarang = 'Jl. Lain 1', id_kk = 0 WHERE id = {person}")
        await ask(registry, f"UPDATE tweb_penduduk SET ibu_nik = '3571014508950002' WHERE id = {person}")
        born = (await office.until_told(BORN, before + 3))[-1]
        assert (born.data["nik"], born.data["nik_ibu"]) == (nik, "3571014508950002")
        await ask(registry, f"DELETE FROM log_penduduk WHERE id_pend = {person} AND kode_peristiwa = 1")
        [taken_back] = await office.until_told(withdrawn, 1)
        assert (taken_back.data["nik"], taken_back.data["membatalkan"]) == (nik, born.id)
        await ask(
            registry, f"DELETE FROM log_penduduk WHERE id_pend = {other}; DELETE FROM tweb_penduduk WHERE id = {other}"
        )
        await office.until(lambda: "kolom nik: belum diisi" in office.reasons())

    assert len(office.told(BORN)) == before + 3, "an address is no birth"


async def test_a_family_card_follows_its_members_and_its_address(registry: Registry, tmp_path: Path) -> None:
    office = Office(SIAK, tmp_path)
    (person, card, cluster, no_kk), *_ = await ask(
        registry,
        "SELECT p.id, k.id, k.id_cluster, k.no_kk FROM tweb_penduduk p JOIN tweb_keluarga k ON k.id = p.id_kk "
        "WHERE p.status_dasar = 1 AND k.nik_kepala <> p.id ORDER BY p.id",
    )

    def cards() -> list[dict[str, object]]:
        return [each.data for each in office.told(CARD) if each.data["no_kk"] == no_kk]

    async with office.running():
        await snapshot(office, registry)
        [first] = cards()
        await ask(registry, f"UPDATE tweb_penduduk SET id_kk = 0 WHERE id = {person}")
        await office.until(lambda: len(cards()) == 2)
        assert cards()[-1]["jumlah_anggota"] == first["jumlah_anggota"] - 1  # type: ignore[operator]
        await ask(registry, f"UPDATE tweb_wil_clusterdesa SET rt = '099' WHERE id = {cluster}")
        await office.until(lambda: len(cards()) == 3)
        assert cards()[-1]["rt"] == "099"
        await office.until(lambda: any(each.data.get("rt") == "099" for each in office.told(RECORDED)))
        await ask(registry, f"UPDATE tweb_penduduk SET nama = 'CONTOH LAIN' WHERE id = {person}")
        await office.until(lambda: any(each.data["nama"] == "CONTOH LAIN" for each in office.told(RECORDED)))
        await ask(registry, f"UPDATE tweb_keluarga SET alamat = 'Jl. Contoh 99' WHERE id = {card}")
        await office.until(lambda: len(cards()) == 4)

    assert cards()[-1]["alamat"] == "Jl. Contoh 99"
    assert not set(office.reasons()) - set(REJECTED)


def test_what_a_hospital_tells_is_on_the_clerks_lists_until_it_is_done_or_withdrawn(registry: Registry) -> None:
    (person, nik), *_ = registry.sql("SELECT id, nik FROM tweb_penduduk WHERE status_dasar = 1 ORDER BY id")
    registry.sql(
        "INSERT INTO bus_kematian (nik, tanggal_meninggal, jam_meninggal, sumber, event_id) VALUES "
        f"('{nik}', '2026-03-14', '04:30', '/kediri/rsud/simrs', 'mati'),"
        "('3506014209880001', '2026-03-15', NULL, '/kediri/rsud/simrs', 'luar'),"
        "('3506014209880002', '2026-03-15', NULL, '/kediri/rsud/simrs', 'keliru')"
    )
    registry.sql("INSERT INTO bus_kematian_batal (membatalkan, event_id) VALUES ('keliru', 'batal')")
    dead = "SELECT nik FROM kematian_dari_faskes ORDER BY nik"
    assert registry.sql(dead) == sorted([("3506014209880001",), (nik,)])
    registry.sql(f"UPDATE tweb_penduduk SET status_dasar = 2 WHERE id = {person}")
    assert registry.sql(dead) == [("3506014209880001",)]

    registry.sql(
        "INSERT INTO bus_kelahiran (event_id, nik_ibu, tanggal_lahir, jam_lahir, jenis_kelamin, sumber) VALUES "
        "('satu', '3571014508950002', '2026-03-15', '07:30', 'L', '/kediri/rsud/simrs'),"
        "('dua', '3571014508950002', '2026-03-15', '07:36', 'P', '/kediri/rsud/simrs'),"
        "('tiga', '3571014302990003', '2026-03-15', '09:00', 'P', '/kediri/rsud/simrs')"
    )
    registry.sql("INSERT INTO bus_kelahiran_batal (membatalkan, event_id) VALUES ('tiga', 'batal')")
    born = "SELECT jam_lahir FROM kelahiran_dari_faskes ORDER BY jam_lahir"
    assert registry.sql(born) == [("07:30",), ("07:36",)]
    child = "UPDATE tweb_penduduk SET ibu_nik = '3571014508950002', tanggallahir = '2026-03-15' WHERE id = "
    registry.sql(child + person)
    assert registry.sql(born) == [("07:30",), ("07:36",)], "one of twins is registered: both stay until the other is"
    registry.sql(child + str(int(person) + 1))
    assert registry.sql(born) == []


async def snapshot(office: Office, registry: Registry) -> None:
    """Waits until what stood in the registry has been told."""
    counted = "SELECT COUNT(*), SUM(LENGTH(nik) <> 16), (SELECT COUNT(*) FROM tweb_keluarga) FROM tweb_penduduk"
    people, rejected, cards = (int(number) for number in (await ask(registry, counted))[0])
    await office.until(lambda: len(office.told(RECORDED)) == people - rejected and len(office.told(CARD)) == cards)


async def test_another_machine_takes_over_what_this_one_has_told(database: SqliteRegistry, tmp_path: Path) -> None:
    """A death is withdrawn that the first machine told, and a birth is not told again for another letter in a name."""
    deaths = "SELECT id_pend FROM log_penduduk WHERE kode_peristiwa = 2 ORDER BY id_pend"
    births = "SELECT id_pend FROM log_penduduk WHERE kode_peristiwa = 1 ORDER BY id_pend"
    (dead,), *_ = database.sql(deaths)
    (child,), *_ = database.sql(births)

    async with City(tmp_path / "bus") as city:
        city.office((SIAK / "adapter.toml").read_text(), (SIAK / "mapping.py").read_text())
        await city.start()

        def told(event: str, count: int) -> Callable[[], Awaitable[bool]]:
            async def asked() -> bool:
                return await city.published("dukcapil/siak", event) >= count

            return asked

        url = os.environ["SIAK_URL"]
        first = city.adapter("dukcapil/siak", SIAK_URL=url)
        second = city.adapter("dukcapil/siak", SIAK_URL=url, **city.elsewhere("dukcapil/siak"))
        await first.start()
        await city.until(told(DIED, 1), "the deaths of the samples are told")
        await city.until(told(BORN, 1), "and the births")
        await ask(
            database,
            "UPDATE tweb_penduduk SET status_dasar = 2 WHERE id = 1;"
            "INSERT INTO log_penduduk (id_pend, kode_peristiwa, tgl_peristiwa) VALUES (1, 2, '2026-03-20 00:00:00')",
        )
        await city.until(told(DIED, 2), "another death is told")
        births_told = await city.published("dukcapil/siak", BORN)
        recorded = await city.published("dukcapil/siak", RECORDED)
        await first.kill()

        await second.start()
        await city.until(lambda: second.count('"active"') == 1, "the second takes over")
        await ask(
            database,
            f"UPDATE tweb_penduduk SET status_dasar = 1 WHERE id = {dead};"
            f"DELETE FROM log_penduduk WHERE id_pend = {dead} AND kode_peristiwa = 2;"
            f"UPDATE tweb_penduduk SET nama = 'CONTOH LAIN' WHERE id = {child}",
        )
        await city.until(told(REVIVED, 1), "the first death is withdrawn")
        await city.until(told(RECORDED, recorded + 1), "the new name is told")
        assert await city.published("dukcapil/siak", BORN) == births_told
        [withdrawal] = [json.loads(each.body) for each in await city.events("dukcapil/siak", REVIVED)]
        niks = {
            each.headers["ce-id"]: json.loads(each.body)["nik"] for each in await city.events("dukcapil/siak", DIED)
        }
        assert niks[withdrawal["membatalkan"]] == withdrawal["nik"]
        assert second.said("remembers what other instances have told")
        assert await second.stop() == 0
