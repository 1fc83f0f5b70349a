"""bppkad/pajak: payments out of the bank's files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bus.testing.adapters import expected, replay
from tests.adapters.departments import samples

PAJAK = samples.folder("bppkad/pajak")


async def test_the_samples_become_the_events_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bank"
    folder.mkdir()
    shutil.copy(PAJAK / "samples" / "pbb.csv", folder)
    os.utime(folder / "pbb.csv", (1, 1))
    monkeypatch.setenv("PAJAK_FOLDER", str(folder))
    monkeypatch.setenv("PAJAK_URL", samples.run(tmp_path / "pajak.db", PAJAK / "samples" / "application.sql"))

    events, rejected = await replay(PAJAK)

    assert events == expected(PAJAK)
    assert rejected == [
        "kolom nik: angka sudah dipotong oleh spreadsheet; jadikan kolom ini teks lalu isi ulang dari sumbernya",
        "kolom tanggal_bayar: tanggal kosong",
    ]
