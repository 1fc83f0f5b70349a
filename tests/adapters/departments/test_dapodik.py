"""pendidikan/dapodik: pupils out of DBF and CSV exports; who moves house into lists of the day."""

from __future__ import annotations

from pathlib import Path

import pytest
from openpyxl import load_workbook

from bus.testing.adapters import expected
from schemas.kependudukan import (
    PendudukPindahDatang,
    PendudukPindahDatangDibatalkan,
    PendudukPindahKeluar,
    PendudukPindahKeluarDibatalkan,
)
from tests.adapters.departments import samples
from tests.adapters.departments.office import Office
from tests.adapters.departments.receiving import deliver

DAPODIK = samples.folder("pendidikan/dapodik")
PUPIL = "pendidikan.siswa.terdaftar.v1"
MOVED = "pendidikan.siswa.pindah.v1"


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """The application's folders, both exports in them."""
    (tmp_path / "penduduk").mkdir()
    siswa = samples.dropped(tmp_path / "siswa", DAPODIK / "samples" / "siswa.dbf")
    mutasi = samples.dropped(tmp_path / "mutasi", DAPODIK / "samples" / "mutasi.csv")
    monkeypatch.setenv("DAPODIK_SISWA_FOLDER", str(siswa))
    monkeypatch.setenv("DAPODIK_MUTASI_FOLDER", str(mutasi))
    monkeypatch.setenv("DAPODIK_PENDUDUK_FOLDER", str(tmp_path / "penduduk"))
    return Office(DAPODIK, tmp_path)


async def test_the_samples_become_the_events_beside_them(office: Office) -> None:
    """Leading zeros stay or come back, the file's code page is heard, a deleted record is none."""
    async with office.running():
        await office.until(lambda: len(office.told()) >= 5 and len(office.reasons()) >= 4)

    told = sorted(({"event": each.event, "data": each.data} for each in office.told()), key=str)
    assert told == sorted(expected(DAPODIK), key=str)
    assert sorted(office.reasons()) == [
        "kolom nisn: angka sudah dipotong oleh spreadsheet; jadikan kolom ini teks lalu isi ulang dari sumbernya",
        "kolom nisn: harus 10 angka, ada 9; kolom nik: harus 16 angka, ada 12",
        "kolom tanggal: tanggal ini tidak ada di kalender",
        "kolom tanggal: tanggal kosong",
    ]


async def test_an_export_that_is_dropped_again_brings_only_what_changed(office: Office, tmp_path: Path) -> None:
    """A pupil who comes, a class that changes (which nobody is told), and a move that is taken back."""
    async with office.running():
        (moved, _) = await office.until_told(MOVED, 2)
        await office.until_told(PUPIL, 3)
        table = bytearray((DAPODIK / "samples" / "siswa.dbf").read_bytes())
        place = table.index(b"4A", table.index(b"0151234567"))
        table[place : place + 2] = b"5B"
        dibuka = table.index(b"*0149876544")
        table[dibuka : dibuka + 1] = b" "
        (tmp_path / "siswa" / "siswa.dbf").write_bytes(table)
        *_, new = await office.until_told(PUPIL, 4)
        listed = (DAPODIK / "samples" / "mutasi.csv").read_text(encoding="ascii")
        (tmp_path / "mutasi" / "mutasi.csv").write_text(listed.replace("pindah;pindah", "pindah;batal"), "ascii")
        (withdrawn,) = await office.until_told("pendidikan.siswa.pindah-dibatalkan.v1", 1)

    assert new.data["nisn"] == "0149876544"
    assert withdrawn.data["membatalkan"] == moved.id
    assert len(office.told()) == 7


@pytest.mark.usefixtures("office")
async def test_who_moves_stands_in_a_list_of_the_day(tmp_path: Path) -> None:
    """With NIK and day alone, whatever else the event says."""
    ids = await deliver(
        "pendidikan/dapodik",
        PendudukPindahKeluar(nik="3571021503150001", tanggal_pindah="2026-03-14", alamat_tujuan="Jl. Contoh 1"),
        PendudukPindahKeluar(nik="3571022201140003", tanggal_pindah="2026-03-15"),
        PendudukPindahDatang(nik="3573011503150001", tanggal_datang="2026-03-16"),
        PendudukPindahKeluarDibatalkan(nik="3571021503150001", membatalkan="a" * 32, alasan="Batal pindah"),
        PendudukPindahDatangDibatalkan(nik="3573011503150001", membatalkan="b" * 32, alasan="Batal datang"),
    )

    lists = {
        path.name: [
            [str(cell).removesuffix(" 00:00:00") for cell in row]
            for row in load_workbook(path).active.iter_rows(values_only=True)
        ]
        for path in (tmp_path / "penduduk").glob("*.xlsx")
    }
    assert lists == {
        "pindah-keluar-2026-03-16.xlsx": [
            ["NIK", "Tanggal pindah", "Peristiwa"],
            ["3571021503150001", "2026-03-14", ids[0]],
            ["3571022201140003", "2026-03-15", ids[1]],
        ],
        "pindah-datang-2026-03-16.xlsx": [
            ["NIK", "Tanggal datang", "Peristiwa"],
            ["3573011503150001", "2026-03-16", ids[2]],
        ],
        "batal-pindah-keluar-2026-03-16.xlsx": [
            ["NIK", "Peristiwa dibatalkan", "Peristiwa"],
            ["3571021503150001", "a" * 32, ids[3]],
        ],
        "batal-pindah-datang-2026-03-16.xlsx": [
            ["NIK", "Peristiwa dibatalkan", "Peristiwa"],
            ["3573011503150001", "b" * 32, ids[4]],
        ],
    }
