"""rsud/simrs: what happens in the hospital out of its database's log, and what its application takes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.testing.adapters import expected, replay
from tests.adapters.departments import samples
from tests.adapters.departments.office import Office
from tests.servers.server import HOST, PASSWORD, USER, Database

SIMRS = samples.folder("rsud/simrs")
PATIENT = "kesehatan.pasien.terdaftar.v1"
VISIT, VISIT_CANCELLED = "kesehatan.kunjungan.tercatat.v1", "kesehatan.kunjungan.tercatat-dibatalkan.v1"
LEFT, BACK = "kesehatan.rawat-inap.selesai.v1", "kesehatan.rawat-inap.selesai-dibatalkan.v1"
DIED, LIVES = "kesehatan.kematian.tercatat.v1", "kesehatan.kematian.tercatat-dibatalkan.v1"
BORN, NOT_BORN = "kesehatan.kelahiran.tercatat.v1", "kesehatan.kelahiran.tercatat-dibatalkan.v1"
MOTHER, WITHOUT_NIK = "3571014508950002", "3571014302990003"
STAY = "no_rawat = '2026/03/15/000001'"  #: the mother's
READER = f"pembaca@{HOST!r}"
TABLES = (
    "pasien",
    "pasien_bayi",
    "pasien_mati",
    "poliklinik",
    "reg_periksa",
    "diagnosa_pasien",
    "kamar_inap",
    "ranap_gabung",
)
REJECTED = ["kolom nik: harus 16 angka, ada 15", "kolom nik_ibu: belum diisi"]


@pytest.fixture
def hospital(mariadb: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The samples in MariaDB, where the contract finds them, with a user who may read these tables alone."""
    for script in ("application.sql", "rows.sql"):
        mariadb.load(SIMRS / "samples" / script)
    grants = "".join(f"GRANT SELECT ON {each} TO {READER};" for each in TABLES)
    mariadb.sql(
        f"CREATE OR REPLACE USER {READER} IDENTIFIED BY '{PASSWORD}';"
        f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {READER}; {grants}"
    )
    monkeypatch.setenv("SIMRS_URL", mariadb.url.replace(f"{USER}:", "pembaca:"))
    return mariadb


@pytest.fixture
def office(hospital: Database, tmp_path: Path) -> Office:
    """Its sources in the engine, not yet running."""
    return Office(SIMRS, tmp_path)


async def all_told(office: Office) -> None:
    """Waits until what stood in the database when the sources started has been told."""
    await office.until(lambda: len(office.told()) >= len(expected(SIMRS)) and len(office.reasons()) >= len(REJECTED))


async def test_the_samples_become_the_events_beside_them(hospital: Database) -> None:
    events, rejected = await replay(SIMRS)

    assert events == expected(SIMRS)
    assert rejected == REJECTED


async def test_patients_and_visits(hospital: Database, office: Office) -> None:
    async with office.running():
        await all_told(office)
        patients, visits = len(office.told(PATIENT)), len(office.told(VISIT))
        hospital.sql(
            "INSERT INTO pasien (no_rkm_medis, nm_pasien, no_ktp, jk, tgl_lahir, nm_ibu, umur, namakeluarga) "
            "VALUES ('000201', 'CONTOH BARU', '-', 'L', '1990-01-01', '-', '36 Th', '-');"
            "INSERT INTO reg_periksa (no_rawat, tgl_registrasi, jam_reg, no_rkm_medis, kd_poli, stts, stts_daftar, "
            "status_lanjut, kd_pj, status_bayar, status_poli) VALUES ('2026/03/20/000001', '2026-03-20', '08:00:00', "
            "'000201', 'INT', 'Belum', 'Baru', 'Ralan', 'UMU', 'Belum Bayar', 'Baru')"
        )
        new = (await office.until_told(PATIENT, patients + 1))[-1]
        assert (new.data["no_pasien"], "nik" in new.data) == ("3571015/000201", False)
        visit = (await office.until_told(VISIT, visits + 1))[-1]
        assert visit.data["no_kunjungan"] == "3571015/2026/03/20/000001"

        hospital.sql(
            "UPDATE pasien SET umur = '37 Th', alamat = 'Jl. Contoh 9' WHERE no_rkm_medis = '000201';"
            "UPDATE reg_periksa SET stts = 'Sudah', status_bayar = 'Sudah Bayar' WHERE no_rawat = '2026/03/20/000001'"
        )
        hospital.sql("INSERT INTO diagnosa_pasien VALUES ('2026/03/20/000001', 'J06.9', 'Ralan', 1, 'Baru')")
        coded = (await office.until_told(VISIT, visits + 2))[-1]
        assert coded.data == {**visit.data, "diagnosa": "J06.9"}
        hospital.sql("UPDATE pasien SET no_ktp = '3571010101900001' WHERE no_rkm_medis = '000201'")
        known = (await office.until_told(PATIENT, patients + 2))[-1]
        assert known.data == {**new.data, "nik": "3571010101900001"}
        named = (await office.until_told(VISIT, visits + 3))[-1]
        assert named.data == {**coded.data, "nik": "3571010101900001"}

        hospital.sql("UPDATE reg_periksa SET stts = 'Batal' WHERE no_rawat = '2026/03/20/000001'")
        hospital.sql("DELETE FROM reg_periksa WHERE no_rawat = '2026/03/16/000002'")
        cancelled, deleted = await office.until_told(VISIT_CANCELLED, 2)
        assert (cancelled.data["no_kunjungan"], cancelled.data["membatalkan"]) == (
            visit.data["no_kunjungan"],
            named.id,
        )
        assert deleted.data["no_kunjungan"] == "3571015/2026/03/16/000002"

    assert sorted(office.reasons()) == REJECTED
    assert (len(office.told(PATIENT)), len(office.told(VISIT))) == (patients + 2, visits + 3)


async def test_a_death_its_withdrawal_and_a_second_one(hospital: Database, office: Office) -> None:
    async with office.running():
        await all_told(office)
        deaths, stays = len(office.told(DIED)), len(office.told(LEFT))
        hospital.sql(f"UPDATE kamar_inap SET stts_pulang = 'Meninggal' WHERE {STAY}")
        died = (await office.until_told(DIED, deaths + 1))[-1]
        assert (died.data["nik"], died.data["tanggal_meninggal"]) == (MOTHER, "2026-03-17")
        left = (await office.until_told(LEFT, stays + 1))[-1]
        assert left.data["cara_keluar"] == "MENINGGAL"

        hospital.sql(f"UPDATE kamar_inap SET ttl_biaya = 100000, diagnosa_akhir = '-' WHERE {STAY}")
        hospital.sql(f"UPDATE kamar_inap SET stts_pulang = 'Sembuh' WHERE {STAY}")
        [lives] = await office.until_told(LIVES, 1)
        assert (lives.data["nik"], lives.data["membatalkan"]) == (MOTHER, died.id)

    hospital.sql(f"UPDATE kamar_inap SET ttl_biaya = 110000 WHERE {STAY}")  # while the adapter is away
    hospital.sql(f"UPDATE kamar_inap SET stts_pulang = '+' WHERE {STAY}")
    async with office.running():
        again = (await office.until_told(DIED, deaths + 2))[-1]
        assert again.id != died.id
        hospital.sql(f"DELETE FROM kamar_inap WHERE {STAY}")
        lives = (await office.until_told(LIVES, 2))[-1]
        assert lives.data["membatalkan"] == again.id
        [back] = await office.until_told(BACK, 1)
        assert back.data["no_kunjungan"] == left.data["no_kunjungan"]

    assert len(office.told(DIED)) == deaths + 2
    assert sorted(office.reasons()) == REJECTED


async def test_a_death_in_the_emergency_unit_and_niks_that_were_mended(hospital: Database, office: Office) -> None:
    async with office.running():
        await all_told(office)
        deaths = len(office.told(DIED))
        hospital.sql("UPDATE reg_periksa SET stts = 'Meninggal' WHERE no_rawat = '2026/03/16/000002'")
        await office.until(lambda: "kolom tanggal_meninggal: tanggal kosong" in office.reasons())
        hospital.sql(
            "INSERT INTO pasien_mati VALUES ('2026-03-16', '08:30:00', '000104', '-', 'Rumah Sakit', "
            "'I46.9', '', '', '', 'D01')"
        )
        form = (await office.until_told(DIED, deaths + 1))[-1]
        assert (form.data["nik"], form.data["tanggal_meninggal"]) == ("3571020508800002", "2026-03-16")
        hospital.sql("UPDATE pasien SET no_ktp = '3571020508550003' WHERE no_rkm_medis = '000106'")
        mended = (await office.until_told(DIED, deaths + 2))[-1]
        assert (mended.data["nik"], mended.data["tanggal_meninggal"]) == ("3571020508550003", "2026-03-19")
        assert not office.told(LIVES)

        hospital.sql("UPDATE pasien SET no_ktp = '3571020508700004' WHERE no_rkm_medis = '000104'")  # it was another
        other = (await office.until_told(DIED, deaths + 3))[-1]
        [lives] = office.told(LIVES)
        assert (lives.data["nik"], lives.data["membatalkan"]) == ("3571020508800002", form.id)
        assert other.data["nik"] == "3571020508700004"


async def test_a_birth_whose_mother_is_known_later_and_one_that_was_a_mistake(
    hospital: Database, office: Office
) -> None:
    async with office.running():
        await all_told(office)
        [first] = office.told(BORN)
        hospital.sql(f"UPDATE pasien SET no_ktp = '{WITHOUT_NIK}' WHERE no_rkm_medis = '000107'")
        known = (await office.until_told(BORN, 2))[-1]
        assert known.data == {
            "nik_ibu": WITHOUT_NIK,
            "tanggal_lahir": "2026-03-17",
            "jam_lahir": "02:40",
            "jenis_kelamin": "P",
            "tempat": "RSUD Gambiran Kota Kediri",
        }
        hospital.sql("UPDATE pasien_bayi SET berat_badan = '2900' WHERE no_rkm_medis = '000108'")
        hospital.sql("DELETE FROM pasien_bayi WHERE no_rkm_medis = '000102'")
        [not_born] = await office.until_told(NOT_BORN, 1)
        assert (not_born.data["nik_ibu"], not_born.data["membatalkan"]) == (MOTHER, first.id)

    assert len(office.told(BORN)) == 2, "a weight that is mended makes no second child"


async def test_no_event_has_what_the_contract_leaves_alone(hospital: Database, office: Office) -> None:
    async with office.running():
        await all_told(office)

    bodies = b"".join(message.body for message in office.streams.events)
    letters = repr(office.streams.letters)
    for secret in ("rahasia", "STEMI", "NYERI", "Jl. Contoh", "CONTOH AYAH"):
        assert secret.encode() not in bodies
        assert secret not in letters
