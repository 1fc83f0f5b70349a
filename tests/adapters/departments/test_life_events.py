"""What happens to a citizen goes from office to office: over a real bus, each in a database or server of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from openpyxl import load_workbook

from tests.adapters.connectors.http_server import HttpServer
from tests.adapters.departments import samples
from tests.adapters.departments.city import running, shows
from tests.adapters.departments.receiver import local
from tests.servers.openssh import SftpFolder
from tests.servers.server import Database

SIAK, SIMRS, SIMPEG, BANSOS, PERIZINAN, PAJAK, PENERTIBAN, EPUSKESMAS, DAPODIK, BOOK, WILAYAH = (
    samples.folder(each)
    for each in (
        "dukcapil/siak",
        "rsud/simrs",
        "bkpsdm/simpeg",
        "dinsos/bansos",
        "dpmptsp/perizinan",
        "bppkad/pajak",
        "satpolpp/penertiban",
        "dinkes/epuskesmas",
        "pendidikan/dapodik",
        "kelurahan/buku_induk",
        "kominfo/wilayah",
    )
)
PATIENT = "3571010101500001"  #: who dies in the samples of the hospital, has a pension, aid, a permit and a house
HEAD = "3571010508800001"  #: of a household in the registry's samples, who moves; has aid and a house
MOTHER, CHILD = "3571014508950002", "3571011503260002"  #: who gives birth there, and who is registered
SIBLING = "3571011503260001"  #: a birth of the registry's samples
IN_MARIADB = {
    "strftime('%Y-%m-%d %H:%M:%f', 'now', '+7 hours')": "now()",
    "INTEGER PRIMARY KEY": "INT PRIMARY KEY AUTO_INCREMENT",
    " TEXT": " VARCHAR(190)",
}


@pytest.fixture
def personnel(mariadb: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The personnel office's database."""
    database = samples.loaded(mariadb.server.create(), SIMPEG)
    monkeypatch.setenv("SIMPEG_URL", database.url)
    return database


@pytest.fixture
def registry(mariadb: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The registry's database, in MariaDB's words; the patient lives."""
    head, _, rest = in_mariadb(SIAK).partition("CREATE TRIGGER")  # MariaDB stamps rows by itself
    database = mariadb.server.create()
    database.sql("SET sql_mode = '';" + head + rest.partition("END;")[2])
    database.sql("SET sql_mode = '';" + (SIAK / "samples" / "rows.sql").read_text(encoding="utf-8"))
    database.sql("UPDATE tweb_penduduk SET status_dasar = 1 WHERE id = 4; DELETE FROM log_penduduk WHERE id_pend = 4")
    monkeypatch.setenv("SIAK_URL", database.url)
    return database


def in_mariadb(folder: Path) -> str:
    """The tables of an application in MariaDB's words."""
    script = (folder / "samples" / "application.sql").read_text(encoding="utf-8")
    for sqlite, here in IN_MARIADB.items():
        script = script.replace(sqlite, here)
    return script


@pytest.fixture
def aid(mariadb: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The aid office's database: both get rice. Its folder for the ministry's lists is empty."""
    (tmp_path / "dtsen").mkdir()
    monkeypatch.setenv("BANSOS_FOLDER", str(tmp_path / "dtsen"))
    database = mariadb.server.create()
    database.sql(in_mariadb(BANSOS))
    database.sql(
        "INSERT INTO penerima (nik, nama, program, periode, tanggal_ditetapkan) VALUES "
        f"('{PATIENT}', 'Contoh Kakek', 'BPNT', '2026-TW1', '2026-01-05'), "
        f"('{HEAD}', 'Contoh Kepala', 'BPNT', '2026-TW1', '2026-01-05')"
    )
    monkeypatch.setenv("BANSOS_URL", database.url)
    return database


@pytest.fixture
def permits(postgresql: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The permit office's database: the patient has a shop."""
    postgresql.load(PERIZINAN / "samples" / "application.sql")
    row = f"VALUES (1, '503/0001/2026', 'Izin Toko', '{PATIENT}', '2026-01-15')"
    postgresql.sql(f"INSERT INTO izin (id, nomor, jenis, nik_pemohon, tanggal_terbit) {row}")
    monkeypatch.setenv("PERIZINAN_URL", postgresql.url)
    return postgresql


@pytest.fixture
def taxes(postgresql: Database, sftp: SftpFolder, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The tax office's database, with a bill for each house, and its bank's server."""
    database = postgresql.server.create()
    database.load(PAJAK / "samples" / "application.sql")
    database.sql(
        "INSERT INTO sppt (id, no_sppt, nop, tahun, pbb_terutang, tanggal_terbit, nik) VALUES "
        f"(1, 'SPPT-1', '357101000100501230', 2026, 185000, '2026-01-15', '{PATIENT}'), "
        f"(2, 'SPPT-2', '357101000100501240', 2026, 185000, '2026-01-15', '{HEAD}')"
    )
    monkeypatch.setenv("PAJAK_URL", database.url)
    monkeypatch.setenv("PAJAK_FOLDER", sftp.url)
    monkeypatch.setenv("PAJAK_HOST_KEY", sftp.host_key)
    monkeypatch.setenv("PAJAK_USER_KEY", f"file:{sftp.user_key}")
    return database


@pytest.fixture
def school_office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the school office finds who moves."""
    for each in ("siswa", "mutasi", "penduduk"):
        (tmp_path / each).mkdir()
        monkeypatch.setenv(f"DAPODIK_{each.upper()}_FOLDER", str(tmp_path / each))
    return tmp_path / "penduduk"


def rows_of(folder: Path, lists: str) -> set[tuple[str, ...]]:
    """What stands in an office's daily lists of one kind, the numbers of the events left out."""
    files = folder.glob(lists)
    rows = [row for file in files for row in load_workbook(file).active.iter_rows(min_row=2, values_only=True)]
    return {tuple(str(cell).removesuffix(" 00:00:00") for cell in row[:-1]) for row in rows}


def listed_at(puskesmas: HttpServer, kind: str, *wanted: str) -> Callable[[], Awaitable[bool]]:
    """Whether these are the children on a list of the health centre, by their or their mothers' NIK."""

    async def asked() -> bool:
        entries = (await puskesmas.control("lihat"))[kind].values()
        return sorted(each.get("nik") or each["nik_ibu"] for each in entries) == sorted(wanted)

    return asked


async def test_a_death_in_hospital_and_its_withdrawal(
    hospital: Database,
    registry: Database,
    personnel: Database,
    aid: Database,
    permits: Database,
    taxes: Database,
    tmp_path: Path,
) -> None:
    listed = "SELECT id_penduduk, tanggal_meninggal, sumber FROM kematian_dari_faskes"
    withdrawn = "SELECT COUNT(*) FROM bus_kematian k JOIN bus_kematian_batal b ON b.membatalkan = k.event_id"
    pension = f"SELECT status, tanggal_berhenti FROM pensiunan WHERE nik = '{PATIENT}'"
    stopped = f"SELECT status, tanggal_berhenti FROM penerima WHERE nik = '{PATIENT}'"
    flagged, billed = "SELECT nomor FROM pemegang_meninggal", "SELECT no_sppt, tanggal_meninggal FROM tagihan_almarhum"
    relieved = "SELECT program, status, sejak FROM bus_penerima"
    offices = (SIMRS, SIAK, SIMPEG, BANSOS, PERIZINAN, PAJAK)
    async with running(tmp_path / "bus", offices, here=offices) as city:
        await city.until(shows(registry, listed, ("4", "2026-03-18", "/kediri/rsud/simrs")), "it is on the list")
        registry.sql(
            "UPDATE tweb_penduduk SET status_dasar = 2 WHERE id = 4;"
            "INSERT INTO log_penduduk (id_pend, kode_peristiwa, meninggal_di, tgl_peristiwa) "
            "VALUES (4, 2, 'RSUD Gambiran', '2026-03-18')"
        )
        await city.until(shows(registry, listed), "it is done")
        await city.until(shows(personnel, pension, ("dihentikan", "2026-03-18")), "the pension stops")
        await city.until(shows(aid, stopped, ("dihentikan", "2026-03-18")), "the aid stops")
        await city.until(shows(permits, flagged, ("503/0001/2026",)), "the permit is flagged")
        await city.until(shows(taxes, billed, ("SPPT-1", "2026-03-18")), "the tax bill is flagged")
        await city.until(shows(taxes, relieved, ("BPNT", "berhenti", "2026-03-18")), "the tax office knows of the aid")

        hospital.sql("UPDATE kamar_inap SET stts_pulang = 'Membaik' WHERE stts_pulang = 'Meninggal'")
        await city.until(shows(registry, withdrawn, ("1",)), "the hospital takes it back")
        registry.sql(
            "UPDATE tweb_penduduk SET status_dasar = 1 WHERE id = 4; DELETE FROM log_penduduk WHERE id_pend = 4"
        )
        await city.until(shows(personnel, pension, ("aktif", "NULL")), "the pension goes on")
        await city.until(shows(aid, stopped, ("aktif", "NULL")), "the aid goes on")
        await city.until(shows(permits, flagged), "the permit is as before")
        await city.until(shows(taxes, billed), "the tax bill is as before")
        await city.until(shows(taxes, relieved, ("BPNT", "aktif", "2026-01-05")), "the tax office knows it too")
        assert await shows(registry, listed)(), "nobody is asked to register it again"


async def test_a_birth_in_hospital(
    hospital: Database, registry: Database, puskesmas: HttpServer, tmp_path: Path
) -> None:
    listed = "SELECT nik_ibu, jam_lahir, jenis_kelamin, no_surat FROM kelahiran_dari_faskes"
    offices = (SIMRS, SIAK, local(EPUSKESMAS, tmp_path))

    immunises = partial(listed_at, puskesmas)
    async with running(tmp_path / "bus", offices, here=offices) as city:
        await city.until(shows(registry, listed, (MOTHER, "07:30", "L", "445/0001/SKL/2026")), "it is on the list")
        await city.until(immunises("kelahiran", MOTHER), "the health centre knows of a newborn")
        registry.sql(
            "INSERT INTO tweb_penduduk (id, nama, nik, ibu_nik, sex, tanggallahir, id_cluster) "
            f"VALUES (90, 'Contoh Bayi', {CHILD}, '{MOTHER}', 1, '2026-03-15', 1);"
            "INSERT INTO log_penduduk (id_pend, kode_peristiwa, tgl_peristiwa) VALUES (90, 1, '2026-03-15')"
        )
        assert await shows(registry, listed)(), "the child is registered"
        await city.until(immunises("sasaran", SIBLING, CHILD), "the health centre knows the child")

        hospital.sql("DELETE FROM pasien_bayi WHERE no_rkm_medis = '000102'")
        await city.until(immunises("kelahiran"), "the hospital takes it back")


async def test_a_move_and_its_withdrawal(
    registry: Database, aid: Database, taxes: Database, school_office: Path, puskesmas: HttpServer, tmp_path: Path
) -> None:
    moved = "3571010101900001"  # in the registry's samples
    listed, back = partial(rows_of, school_office, "pindah-keluar-*"), partial(rows_of, school_office, "batal-*")
    recipients = "SELECT nik, program, tanggal_pindah FROM penerima_pindah"
    bills = "SELECT no_sppt, tanggal_pindah FROM tagihan_pindah"
    offices = (SIAK, BANSOS, DAPODIK, PAJAK, local(EPUSKESMAS, tmp_path))
    immunised = partial(listed_at, puskesmas, "sasaran")
    async with running(tmp_path / "bus", offices, here=offices) as city:
        await city.until(lambda: listed() == {(moved, "2026-03-16")}, "the departure that was there is on the list")
        await city.until(immunised(SIBLING), "the child is to be immunised")
        registry.sql(
            "UPDATE tweb_penduduk SET status_dasar = 3 WHERE id IN (1, 3);"
            "INSERT INTO log_penduduk (id_pend, kode_peristiwa, alamat_tujuan, ref_pindah, tgl_peristiwa) "
            "VALUES (1, 3, 'Malang', 4, '2026-03-20'), (3, 3, 'Malang', 4, '2026-03-20')"
        )
        everybody = {(moved, "2026-03-16"), (HEAD, "2026-03-20"), (SIBLING, "2026-03-20")}
        await city.until(lambda: listed() == everybody, "the school office knows")
        await city.until(immunised(), "the child is immunised elsewhere")
        await city.until(shows(aid, recipients, (HEAD, "BPNT", "2026-03-20")), "the aid is to be handed over")
        await city.until(shows(taxes, bills, ("SPPT-2", "2026-03-20")), "the bill goes to another address")
        status = f"SELECT status FROM bus_penduduk WHERE nik = '{HEAD}'"
        await city.until(shows(aid, status, ("PINDAH",)), "the aid office sees the person as registered now")
        household = "SELECT no_kk, jumlah_anggota, kode_wilayah FROM bus_keluarga"
        card = ("3571010101150001", "3", "35.71.01.1011")
        await city.until(shows(aid, household, card), "the aid office sees who is left of the household")

        registry.sql(
            "UPDATE tweb_penduduk SET status_dasar = 1 WHERE id IN (1, 3);"
            "DELETE FROM log_penduduk WHERE id_pend IN (1, 3) AND kode_peristiwa = 3"
        )
        await city.until(immunised(SIBLING), "the child stays after all")
        await city.until(lambda: {nik for nik, _ in back()} == {HEAD, SIBLING}, "the school office knows it")
        await city.until(shows(aid, recipients), "the aid stays")
        await city.until(shows(taxes, bills), "the bill stays")


async def test_an_arrival_and_its_withdrawal(
    registry: Database, aid: Database, school_office: Path, puskesmas: HttpServer, tmp_path: Path
) -> None:
    """A child that has left comes back, beside the newcomer of the registry's samples."""
    newcomer = ("3578010101910001", "2026-03-15")
    listed, back = (
        partial(rows_of, school_office, "pindah-datang-*"),
        partial(rows_of, school_office, "batal-pindah-d*"),
    )
    newcomers, immunised = (
        "SELECT nik, tanggal_datang FROM pendatang ORDER BY nik",
        partial(listed_at, puskesmas, "sasaran"),
    )
    offices = (SIAK, BANSOS, DAPODIK, local(EPUSKESMAS, tmp_path))
    async with running(tmp_path / "bus", offices, here=offices) as city:
        await city.until(lambda: listed() == {newcomer}, "the arrival that was there is on the list")
        await city.until(shows(aid, newcomers, newcomer), "the aid office asks where the newcomer had aid")
        registry.sql(
            "UPDATE tweb_penduduk SET status_dasar = 3 WHERE id = 3;"
            "INSERT INTO log_penduduk (id_pend, kode_peristiwa, alamat_tujuan, ref_pindah, tgl_peristiwa) "
            "VALUES (3, 3, 'Malang', 4, '2026-03-20')"
        )
        await city.until(immunised(), "the child is immunised elsewhere")
        registry.sql(
            "UPDATE tweb_penduduk SET status_dasar = 1 WHERE id = 3;"
            "INSERT INTO log_penduduk (id_pend, kode_peristiwa, tgl_peristiwa) VALUES (3, 5, '2026-03-25')"
        )
        returned = (SIBLING, "2026-03-25")
        await city.until(immunised(SIBLING), "the child is to be immunised here")
        await city.until(lambda: listed() == {newcomer, returned}, "the school office knows")
        await city.until(shows(aid, newcomers, returned, newcomer), "the aid office knows")

        registry.sql(
            "UPDATE tweb_penduduk SET status_dasar = 3 WHERE id = 3;"
            "DELETE FROM log_penduduk WHERE id_pend = 3 AND kode_peristiwa = 5"
        )
        await city.until(immunised(), "the child has not come")
        await city.until(lambda: {nik for nik, _ in back()} == {SIBLING}, "the school office knows it")
        await city.until(shows(aid, newcomers, newcomer), "the aid office knows it")


async def test_a_permit_and_its_revocation(
    permits: Database, taxes: Database, officers: Database, sftp: SftpFolder, tmp_path: Path
) -> None:
    first, second = "503/0002/2026", "503/0003/2026"
    objects = "SELECT nomor_izin, nop, status FROM pendataan_objek ORDER BY nomor_izin"
    nop = "357101000100501230"
    issued, revoked, valid = (
        partial(rows_of, tmp_path / "izin", f"{each}-2*.xlsx")
        for each in ("izin-terbit", "izin-dicabut", "batal-izin-dicabut")
    )
    offices = (PERIZINAN, PAJAK, PENERTIBAN)
    async with running(tmp_path / "bus", offices, here=offices) as city:
        permits.sql(
            "INSERT INTO izin (id, nomor, jenis, status, tanggal_terbit) VALUES "
            f"(2, '{first}', 'Izin Toko', 'draf', NULL), (3, '{second}', 'Izin Toko', 'terbit', '2026-03-16')"
        )
        await city.until(shows(taxes, objects, (second, "NULL", "perlu didata")), "an object is to be registered")
        permits.sql(f"UPDATE izin SET status = 'terbit', tanggal_terbit = '2026-03-17' WHERE nomor = '{first}'")
        both = [(each, "NULL", "perlu didata") for each in (first, second)]
        await city.until(shows(taxes, objects, *both), "the draft is a permit now")
        await city.until(lambda: {row[0] for row in issued()} == {first, second}, "enforcement knows of both")

        taxes.sql(f"UPDATE calon_objek_pajak SET nop = '{nop}' WHERE nomor_izin = '{first}'")
        sftp.own(samples.dropped(sftp.path, PAJAK / "samples" / "pbb.csv") / "pbb.csv")
        paid = f"SELECT tahun_pajak, tanggal_bayar FROM bus_pembayaran WHERE nop = '{nop}'"
        await city.until(shows(permits, paid, ("2026", "2026-03-15")), "the counter knows that the tax is paid")

        permits.sql(
            "UPDATE izin SET status = 'dicabut', tanggal_cabut = '2026-09-01', alasan_cabut = 'Usaha tutup' "
            "WHERE id > 1"
        )
        await city.until(shows(taxes, objects, (first, nop, "perlu ditinjau")), "nobody registers a closed shop")
        await city.until(lambda: {row[0] for row in revoked()} == {first, second}, "enforcement knows of both")
        permits.sql(f"UPDATE izin SET status = 'terbit', tanggal_cabut = NULL WHERE nomor = '{first}'")
        await city.until(shows(taxes, objects, (first, nop, "terdata")), "the object is as before")
        await city.until(lambda: {row[0] for row in valid()} == {first}, "enforcement lets the shop be")
        assert len(issued()) == 2, "a permit that is valid again is not issued again"


async def test_what_offices_keep_in_workbooks_and_exports(
    aid: Database, taxes: Database, school_office: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ministry's list determines aid, which the tax office hears of; persons of a kelurahan's book, once each; and
    pupils, out of DBF and CSV.
    """
    samples.dropped(tmp_path / "siswa", DAPODIK / "samples" / "siswa.dbf")
    samples.dropped(tmp_path / "mutasi", DAPODIK / "samples" / "mutasi.csv")
    book = samples.dropped(tmp_path / "buku", BOOK / "samples" / "penduduk.xlsx")
    monkeypatch.setenv("BUKU_INDUK_FOLDER", str(book))
    samples.dropped(tmp_path / "dtsen", BANSOS / "samples" / "dtsen.xlsx")

    def told(opd: str, application: str, event: str, count: int) -> Callable[[], Awaitable[bool]]:
        async def asked() -> bool:
            return await city.published(f"{opd}/{application}", event) == count

        return asked

    offices = (BANSOS, PAJAK, BOOK, DAPODIK)
    async with running(tmp_path / "bus", offices, here=offices) as city:
        determined = "SELECT program, periode FROM bus_penerima WHERE nik = '3571010508800001' ORDER BY program"
        rows = [("BPNT", "2026-TW1"), ("PKH", "2026-TW1")]
        await city.until(shows(taxes, determined, *rows), "the tax office knows who gets aid")
        aid.load(BANSOS / "samples" / "rows.sql")
        await city.until(told("dinsos", "bansos", "sosial.bantuan.disalurkan.v1", 2), "it is handed out")
        back = "sosial.bantuan.disalurkan-dibatalkan.v1"
        await city.until(told("dinsos", "bansos", back, 1), "one is handed back")

        await city.until(told("pendidikan", "dapodik", "pendidikan.siswa.terdaftar.v1", 3), "pupils are told")
        await city.until(told("pendidikan", "dapodik", "pendidikan.siswa.pindah.v1", 2), "and who leaves")

        persons = partial(told, "kelurahan", "buku-induk", "kependudukan.buku-induk.tercatat.v1")
        await city.until(persons(5), "the book's persons are told")
        workbook = load_workbook(BOOK / "samples" / "penduduk.xlsx")
        (name,) = (cell for row in workbook.active for cell in row if cell.value == "CONTOH ANAK SATU")
        name.value = "CONTOH ANAK PERTAMA"
        workbook.save(tmp_path / "perbaikan.xlsx")
        samples.dropped(book, tmp_path / "perbaikan.xlsx")
        await city.until((book / "done" / "perbaikan.xlsx").is_file, "the mended book is read")
        assert await persons(6)(), "of the book that was saved again only what changed"
        assert len(await city.dead_letters()) == 11, "what is wrong in the samples, each once"


async def test_a_region_that_changes(taxes: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The walidata's list tells the tax office by which name, and by which of two codes, to call a region."""
    folder = samples.dropped(tmp_path / "daftar", WILAYAH / "samples" / "wilayah.csv")
    monkeypatch.setenv("WILAYAH_FOLDER", str(folder))
    taxes.sql(
        "INSERT INTO sppt (id, no_sppt, nop, tahun, pbb_terutang, tanggal_terbit) "
        "VALUES (3, 'SPPT-3', '357103000100501230', 2026, 185000, '2026-01-15')"
    )
    found = "SELECT no_sppt, kode_kecamatan, kecamatan FROM wilayah_objek"
    offices = (WILAYAH, PAJAK)
    async with running(tmp_path / "bus", offices, here=offices) as city:
        await city.until(shows(taxes, found, ("SPPT-3", "35.71.03", "Pesantren")), "the tax office knows the district")
        written = (WILAYAH / "samples" / "wilayah.csv").read_text(encoding="utf-8")
        (folder / "wilayah-2.csv").write_text(written.replace("Pesantren", "Pesantren Raya"), encoding="utf-8")
        renamed = ("SPPT-3", "35.71.03", "Pesantren Raya")
        await city.until(shows(taxes, found, renamed), "the tax office knows its new name")
        (folder / "wilayah-3.csv").write_text(written.replace("Pesantren;BERLAKU", "Pesantren;DIHAPUS"), "utf-8")
        await city.until(shows(taxes, found), "the tax office knows that it is no more")
        assert await city.published("kominfo/wilayah", "referensi.wilayah.berubah.v1") == 5
