"""kominfo/pengaduan: the desk's calls become events, what other departments do reaches the desk, nothing comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bus.testing.adapters import expected
from tests.adapters.departments import desk, samples
from tests.adapters.departments.desk import Desk
from tests.adapters.departments.office import Office

PENGADUAN = samples.folder("kominfo/pengaduan")


def entries() -> list[dict[str, Any]]:
    """The desk's entries beside the contract."""
    text = (PENGADUAN / "samples" / "panggilan.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


async def test_the_samples_become_the_events_beside_them(meja: Desk, tmp_path: Path) -> None:
    office = Office(PENGADUAN, tmp_path)
    call = meja.enter(*entries())  # nobody listens yet: the desk calls again
    async with office.running():
        await office.until(lambda: meja.idle)
        told = office.told()
        assert meja.answers[call]["diterima"] == len(entries()) - 3
        refused = {each["urutan"]: each["alasan"] for each in meja.answers[call]["ditolak"]}
        assert refused.keys() == {8, 9, 12}  # the last withdraws what was never sent
        assert refused[8] == "kolom laporan.opd_tujuan: belum diisi"
        assert refused[9] == "kolom asal: belum diisi"

        meja.enter(*entries())  # after a repair it tells everything once more
        await office.until(lambda: meja.idle)
        assert office.told() == told

    ended, reopened, double, withdrawn = told[3:]
    assert (reopened.data["membatalkan"], withdrawn.data["membatalkan"]) == (ended.id, double.id)
    assert [{"event": each.event, "data": each.data} for each in told] == expected(PENGADUAN)


async def test_what_is_not_signed_by_the_desk_is_refused(meja: Desk, tmp_path: Path) -> None:
    meja.secret = desk.INTO
    office = Office(PENGADUAN, tmp_path)
    call = meja.enter(entries()[0])
    async with office.running():
        await office.until(lambda: meja.refused >= 2)
        assert not office.told()
        meja.secret = desk.OUT
        await office.until(lambda: call in meja.answers)
    assert len(office.told()) == 1
