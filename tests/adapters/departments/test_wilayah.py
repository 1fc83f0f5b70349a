"""kominfo/wilayah: the walidata's list of regions, whole each time, to the changes that all departments hear of."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.testing.adapters import expected
from tests.adapters.departments import samples
from tests.adapters.departments.office import Office

WILAYAH = samples.folder("kominfo/wilayah")
LIST = WILAYAH / "samples" / "wilayah.csv"
CHANGED = "referensi.wilayah.berubah.v1"


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """The walidata's folder with the list in it."""
    monkeypatch.setenv("WILAYAH_FOLDER", str(samples.dropped(tmp_path / "daftar", LIST)))
    return Office(WILAYAH, tmp_path)


async def test_the_samples_become_the_events_beside_them(office: Office) -> None:
    """A code tells the level and what the region lies in; one of the BPS, and a day that is none, come back."""
    async with office.running():
        told = await office.until_told(CHANGED, 3)
        await office.until(lambda: len(office.reasons()) >= 2)

    assert [{"event": each.event, "data": each.data} for each in told] == expected(WILAYAH)
    assert sorted(office.reasons()) == [
        "kolom berlaku_sejak: tanggal ini tidak ada di kalender",
        "kolom kode_wilayah: ini tampaknya kode BPS; pakai kode Kemendagri (bagian terakhir mulai dari 1001)",
    ]


async def test_a_list_that_is_dropped_again_brings_only_what_changed(office: Office, tmp_path: Path) -> None:
    """The repaired line, though written without dots; what stays tells nobody anything."""
    async with office.running():
        await office.until_told(CHANGED, 3)
        repaired = LIST.read_text(encoding="utf-8").replace("35.71.03.1099", "3571031099").replace("30/02", "28/02")
        (tmp_path / "daftar" / "wilayah-2.csv").write_text(repaired, encoding="utf-8")
        *_, abolished = await office.until_told(CHANGED, 4)

    assert abolished.data == {
        "kode_wilayah": "35.71.03.1099",
        "nama": "Contoh Lama",
        "tingkat": "KELURAHAN",
        "kode_induk": "35.71.03",
        "status": "DIHAPUS",
        "kode_pengganti": "35.71.03.1011",
        "berlaku_sejak": "2026-02-28",
        "dasar_hukum": "Perda Contoh 1/2026",
    }
    assert len(office.told()) == 4
