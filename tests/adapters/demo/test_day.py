"""The script of the day: everything that it promises happens, and the same every time."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

from adapters.demo import day as script
from adapters.demo.applications import APPLICATIONS
from adapters.demo.bank import drop_folder
from adapters.demo.day import Day, Pace

QUICK = Pace(morning=0.05, part=0.05, outage=0.1)


async def pass_day(home: Path) -> tuple[list[str], int]:
    told: list[str] = []
    kills: list[int] = []
    noticed: list[str] = []

    async def notice(_database: Path, _query: str, parameter: str) -> None:
        noticed.append(parameter)

    day = Day(home, told.append, lambda: kills.append(1), notice, lambda *_: None, QUICK, date(2026, 3, 2))
    day.prepare()
    day.open()
    await day.live()
    assert len(noticed) == 2
    return told, len(kills)


def count(home: Path, database: str, query: str) -> Any:
    with closing(sqlite3.connect(home / "applications" / f"{database}.db")) as connection:
        return connection.execute(query).fetchone()[0]


async def test_what_happens_on_that_day(tmp_path: Path) -> None:
    told, kills = await pass_day(tmp_path)

    events = {
        code: count(tmp_path, "siak", f"SELECT COUNT(*) FROM log_penduduk WHERE kode_peristiwa = {code}")
        for code in (1, 2, 3, 5)
    }
    assert events == {1: script.BIRTHS + 1, 2: script.DEATHS - 1, 3: script.MOVED_OUT, 5: script.MOVED_IN + 1}
    assert count(tmp_path, "siak", "SELECT COUNT(*) FROM tweb_penduduk WHERE LENGTH(CAST(nik AS TEXT)) = 15") == 1
    assert count(tmp_path, "siak", "SELECT COUNT(*) FROM tweb_penduduk WHERE tanggallahir LIKE '0000%'") == 1
    assert count(tmp_path, "siak", "SELECT COUNT(*) FROM catatan_sumber WHERE apa = 'batal'") == 1
    assert count(tmp_path, "simrs", "SELECT COUNT(*) FROM ranap_gabung") == script.IN_HOSPITAL + 2, "two go wrong"
    assert count(tmp_path, "simrs", "SELECT COUNT(*) FROM pasien_bayi") == script.IN_HOSPITAL + 1, "one was withdrawn"
    assert count(tmp_path, "siak", "SELECT COUNT(*) FROM tweb_penduduk WHERE ibu_nik > ''") == script.REGISTERED
    assert count(tmp_path, "pengaduan", "SELECT COUNT(*) FROM laporan") == script.COMPLAINTS + 1
    assert count(tmp_path, "pengaduan", "SELECT COUNT(*) FROM panggilan") == script.COMPLAINTS + 1
    assert count(tmp_path, "perizinan", "SELECT COUNT(*) FROM catatan_sumber WHERE apa = 'insert'") == script.PERMITS
    assert count(tmp_path, "perizinan", "SELECT COUNT(*) FROM izin WHERE status = 'dicabut'") == 5
    assert count(tmp_path, "luar", "SELECT COUNT(DISTINCT berkas) FROM setoran") == script.FILES
    for post, values in script.READINGS.items():
        with closing(sqlite3.connect(tmp_path / "applications" / "luar.db")) as connection:
            sent = connection.execute("SELECT nilai FROM ukuran WHERE sensor = ? AND nilai <> 'rusak'", (post.name,))
            assert [value for (value,) in sent.fetchall()] == list(values), "in their order, however acts are mixed"
    assert count(tmp_path, "luar", "SELECT COUNT(*) FROM setoran") == script.FILES * script.LINES
    assert len(list(drop_folder(tmp_path).glob("*.csv"))) == script.FILES
    assert kills == 1
    assert len(told) == 7


async def test_the_withdrawn_death_is_of_somebody_with_aid_and_a_permit(tmp_path: Path) -> None:
    await pass_day(tmp_path)

    nik = count(
        tmp_path,
        "siak",
        "SELECT CAST(p.nik AS TEXT) FROM tweb_penduduk p JOIN catatan_sumber c ON c.kunci = p.id AND c.apa = 'batal'",
    )
    assert count(tmp_path, "bansos", f"SELECT COUNT(*) FROM penerima WHERE nik = '{nik}'") >= 1
    assert count(tmp_path, "perizinan", f"SELECT COUNT(*) FROM izin WHERE nik_pemohon = '{nik}'") == 1


async def test_every_day_is_the_same(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    await pass_day(first)
    await pass_day(second)

    for database, table, columns in (
        ("siak", "tweb_penduduk", "id, nik, status_dasar, tanggallahir"),
        ("siak", "log_penduduk", "id_pend, kode_peristiwa, tgl_peristiwa, meninggal_di"),
        ("perizinan", "izin", "nomor, nik_pemohon, status"),
        ("bansos", "penerima", "nik, program"),
        ("pengaduan", "laporan", "nomor, judul, opd_tujuan, lokasi"),
        ("simrs", "pasien", "no_rkm_medis, no_ktp, nm_pasien"),
        ("simpeg", "pensiunan", "nip, nik, status"),
        ("simpeg", "pegawai", "nip, nik"),
        ("pajak", "sppt", "nop, nik"),
        ("luar", "setoran", "no_transaksi, nop, jumlah, nik"),
    ):
        rows = []
        for home in (first, second):
            with closing(sqlite3.connect(home / "applications" / f"{database}.db")) as connection:
                rows.append(connection.execute(f"SELECT {columns} FROM {table} ORDER BY rowid").fetchall())
        assert rows[0], table
        assert rows[0] == rows[1], table


def test_each_application_s_variable_stands_in_its_contract() -> None:
    for application in APPLICATIONS:
        contract = (application.contract / "adapter.toml").read_text(encoding="utf-8")
        assert [each for each in application.settings if f'"env:{each}"' not in contract] == []


def test_the_posts_have_the_levels_of_the_contract() -> None:
    from adapters.departments.bpbd.sensor.mapping import POS

    assert {each.name: (each.waspada, each.siaga, each.awas) for each in script.READINGS} == {
        name: pos.ambang for (kind, name), pos in POS.items() if kind == "sungai"
    }
