"""kelurahan/buku_induk: persons out of the workbook that OpenSID imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.testing.adapters import expected, replay
from tests.adapters.departments import samples

BOOK = samples.folder("kelurahan/buku_induk")
SHARED = Path(__file__).parents[4] / "shared" / "data" / "contoh_penduduk.xlsx"


async def test_the_samples_become_the_events_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below merged title rows; a NIK kept as a number, a date in words and a person without NIK are told."""
    dropped = samples.dropped(tmp_path / "buku", BOOK / "samples" / "penduduk.xlsx")
    monkeypatch.setenv("BUKU_INDUK_FOLDER", str(dropped))

    events, rejected = await replay(BOOK)

    assert events == expected(BOOK)
    assert rejected == [
        "kolom nik: angka sudah dipotong oleh spreadsheet; jadikan kolom ini teks lalu isi ulang dari sumbernya",
        "kolom tanggal_lahir: tanggal tidak terbaca; tulis seperti 2026-01-31",
        "kolom nik: belum diisi",
    ]


@pytest.mark.skipif(not SHARED.exists(), reason="OpenSID's own import sheet is not at ../shared/data")
async def test_opensid_s_own_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUKU_INDUK_FOLDER", str(samples.dropped(tmp_path / "buku", SHARED)))

    events, rejected = await replay(BOOK)

    assert (len(events), rejected) == (97, [])
    assert all(len(each["data"]["nik"]) == 16 and "kode_wilayah" not in each["data"] for each in events)
