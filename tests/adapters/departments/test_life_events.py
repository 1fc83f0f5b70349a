"""What happens to a citizen goes from office to office: each in its own MariaDB, out of its log and into its tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adapters.departments import samples
from tests.adapters.departments.office import Office
from tests.servers.server import Database

SIAK, SIMRS, SIMPEG = (samples.folder(each) for each in ("dukcapil/siak", "rsud/simrs", "bkpsdm/simpeg"))
PATIENT = "3571010101500001"  #: who dies in the samples of the hospital, and has a pension in those of the city
MOTHER = "3571014508950002"  #: who gives birth there
HOSPITAL_DEATH, HOSPITAL_LIFE = "kesehatan.kematian.tercatat.v1", "kesehatan.kematian.tercatat-dibatalkan.v1"
DEATH, LIFE = "kependudukan.penduduk.meninggal.v1", "kependudukan.penduduk.meninggal-dibatalkan.v1"


@pytest.fixture
def hospital(mariadb: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The hospital's database."""
    return filled(mariadb, SIMRS, "SIMRS_URL", monkeypatch)


@pytest.fixture
def personnel(mariadb: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The personnel office's database."""
    return filled(mariadb.server.create(), SIMPEG, "SIMPEG_URL", monkeypatch)


@pytest.fixture
def registry(mariadb: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The registry's database, in MariaDB's words."""
    words = {
        "strftime('%Y-%m-%d %H:%M:%f', 'now', '+7 hours')": "now()",
        "INTEGER PRIMARY KEY": "INT PRIMARY KEY AUTO_INCREMENT",
        " TEXT": " VARCHAR(190)",
    }
    script = (SIAK / "samples" / "application.sql").read_text(encoding="utf-8")
    for sqlite, here in words.items():
        script = script.replace(sqlite, here)
    head, _, rest = script.partition("CREATE TRIGGER")  # MariaDB stamps rows by itself
    database = mariadb.server.create()
    database.sql("SET sql_mode = '';" + head + rest.partition("END;")[2])
    database.sql("SET sql_mode = '';" + (SIAK / "samples" / "rows.sql").read_text(encoding="utf-8"))
    monkeypatch.setenv("SIAK_URL", database.url)
    return database


def filled(database: Database, folder: Path, variable: str, monkeypatch: pytest.MonkeyPatch) -> Database:
    for script in ("application.sql", "rows.sql"):
        database.load(folder / "samples" / script)
    monkeypatch.setenv(variable, database.url)
    return database


async def test_a_death_in_hospital_stops_a_pension_and_its_withdrawal_resumes_it(
    hospital: Database, registry: Database, personnel: Database, tmp_path: Path
) -> None:
    simrs, siak, simpeg = (Office(each, tmp_path / each.name) for each in (SIMRS, SIAK, SIMPEG))
    registry.sql("UPDATE tweb_penduduk SET status_dasar = 1 WHERE id = 4; DELETE FROM log_penduduk WHERE id_pend = 4")
    listed = "SELECT id_penduduk, tanggal_meninggal, sumber FROM kematian_dari_faskes"
    pension = f"SELECT status, tanggal_berhenti FROM pensiunan WHERE nik = '{PATIENT}'"

    async with simrs.running(), siak.running():
        await simrs.until_told(HOSPITAL_DEATH, 1)
        await siak.take(simrs)
        assert registry.sql(listed) == [("4", "2026-03-18", "/kediri/rsud/simrs")]

        registry.sql(
            "UPDATE tweb_penduduk SET status_dasar = 2 WHERE id = 4;"
            "INSERT INTO log_penduduk (id_pend, kode_peristiwa, meninggal_di, tgl_peristiwa) "
            "VALUES (4, 2, 'RSUD Gambiran', '2026-03-18')"
        )
        await siak.until_told(DEATH, 1)
        await simpeg.take(siak)
        assert registry.sql(listed) == []
        assert personnel.sql(pension) == [("dihentikan", "2026-03-18")]

        hospital.sql("UPDATE kamar_inap SET stts_pulang = 'Membaik' WHERE stts_pulang = 'Meninggal'")
        await simrs.until_told(HOSPITAL_LIFE, 1)
        registry.sql(
            "UPDATE tweb_penduduk SET status_dasar = 1 WHERE id = 4; DELETE FROM log_penduduk WHERE id_pend = 4"
        )
        await siak.take(simrs)
        assert registry.sql(listed) == [], "the hospital took it back"
        await siak.until_told(LIFE, 1)
        await simpeg.take(siak)
        assert personnel.sql(pension) == [("aktif", "NULL")]


async def test_a_birth_in_hospital_is_on_the_registry_s_list_until_the_child_is_registered(
    hospital: Database, registry: Database, tmp_path: Path
) -> None:
    simrs, siak = Office(SIMRS, tmp_path / "simrs"), Office(SIAK, tmp_path / "siak")
    listed = "SELECT nik_ibu, jam_lahir, jenis_kelamin, no_surat FROM kelahiran_dari_faskes"
    async with simrs.running():
        await simrs.until_told("kesehatan.kelahiran.tercatat.v1", 1)
    await siak.take(simrs)
    await siak.take(simrs)
    assert registry.sql(listed) == [(MOTHER, "07:30", "L", "445/0001/SKL/2026")]

    registry.sql(
        "INSERT INTO tweb_penduduk (nama, nik, ibu_nik, sex, tanggallahir, id_cluster) "
        f"VALUES ('Contoh Bayi', 3571011503260002, '{MOTHER}', 1, '2026-03-15', 1)"
    )
    assert registry.sql(listed) == []
