"""satpolpp/penertiban: complaints into its database and answers out of it, permits into lists of the day."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from openpyxl import load_workbook

from bus.testing.adapters import expected
from schemas.pengaduan import LaporanDiterima, LaporanDiterimaDibatalkan
from schemas.perizinan import IzinDicabut, IzinDicabutDibatalkan, IzinTerbit, IzinTerbitDibatalkan
from tests.adapters.departments import samples
from tests.adapters.departments.office import Office
from tests.adapters.departments.receiving import deliver
from tests.servers.server import Database

PENERTIBAN = samples.folder("satpolpp/penertiban")
STEP, STEP_GONE = "pengaduan.laporan.ditindaklanjuti.v1", "pengaduan.laporan.ditindaklanjuti-dibatalkan.v1"
ANSWER, ANSWER_GONE = "pengaduan.laporan.selesai.v1", "pengaduan.laporan.selesai-dibatalkan.v1"
Rows = list[tuple[str, ...]]
Run = Callable[[str], Awaitable[Rows]]


@pytest.fixture(params=["sqlite", "mariadb"])
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs SQL in the application as an officer's program does, beside the adapter, which may hold a lock."""
    (tmp_path / "izin").mkdir()
    monkeypatch.setenv("PENERTIBAN_FOLDER", str(tmp_path / "izin"))
    tables = PENERTIBAN / "samples" / "application.sql"
    execute: Callable[[str], Rows]
    if request.param == "sqlite":
        path = tmp_path / "penertiban.db"
        monkeypatch.setenv("PENERTIBAN_URL", samples.run(path, tables))
        execute = partial(samples.rows, path)
    else:
        database: Database = request.getfixturevalue("mariadb")
        database.sql(tables.read_text(encoding="utf-8"))
        monkeypatch.setenv("PENERTIBAN_URL", database.url)
        execute = database.sql

    async def run(sql: str) -> Rows:
        return await asyncio.to_thread(execute, sql)

    return run


async def test_what_officers_enter_goes_back_to_the_desk_and_can_be_taken_back(run: Run, tmp_path: Path) -> None:
    office = Office(PENERTIBAN, tmp_path)
    async with office.running():
        await run((PENERTIBAN / "samples" / "rows.sql").read_text(encoding="utf-8"))
        (answer,) = await office.until_told(ANSWER, 1)
        await office.until(office.reasons)
        told = [{"event": each.event, "data": each.data} for each in office.told()]
        await run("DELETE FROM penyelesaian; DELETE FROM tindak_lanjut WHERE urutan = 2 OR uraian = '-'")
        (opened,) = await office.until_told(ANSWER_GONE, 1)
        (step_gone,) = await office.until_told(STEP_GONE, 1)
        await run("INSERT INTO penyelesaian VALUES ('LPR-2026-000123', 'Sudah.', 'TUNTAS', '2026-03-19 08:00:00')")
        (_, again) = await office.until_told(ANSWER, 2)

    assert told == expected(PENERTIBAN)
    assert office.reasons() == ["kolom tindak_lanjut: belum diisi"]
    assert (opened.data["membatalkan"], again.data["jawaban"]) == (answer.id, "Sudah.")
    assert step_gone.data["membatalkan"] == office.told(STEP)[1].id


async def test_complaints_to_this_office_are_entered_until_they_are_withdrawn(run: Run) -> None:
    def complaint(number: str, opd: str = "satpolpp", title: str = "Reklame") -> LaporanDiterima:
        return LaporanDiterima.model_validate(
            {**LaporanDiterima.contoh, "nomor_laporan": number, "opd_tujuan": opd, "judul": title, "lintang": -7.816}
        )

    first, _, _ = await deliver(
        "satpolpp/penertiban", complaint("L1", title="Lama"), complaint("L2"), complaint("L3", opd="bpbd")
    )
    (renewed,) = await deliver("satpolpp/penertiban", complaint("L1"))

    assert await run("SELECT nomor, judul, waktu_diterima FROM laporan ORDER BY nomor") in (
        [("L1", "Reklame", "2026-03-15 09:12:00"), ("L2", "Reklame", "2026-03-15 09:12:00")],
        [("L1", "Reklame", "2026-03-15 09:12:00.000000"), ("L2", "Reklame", "2026-03-15 09:12:00.000000")],
    )
    withdrawn = [
        LaporanDiterimaDibatalkan(nomor_laporan="L1", membatalkan=event_id, alasan="salah alamat")
        for event_id in (first, renewed)
    ]
    await deliver("satpolpp/penertiban", withdrawn[0])
    assert await run("SELECT nomor FROM laporan_terbuka ORDER BY nomor") == [("L1",), ("L2",)]
    await deliver("satpolpp/penertiban", withdrawn[1])
    await run("INSERT INTO penyelesaian VALUES ('L2', 'Sudah.', 'TUNTAS', '2026-03-19 08:00:00')")
    assert await run("SELECT nomor FROM laporan_terbuka") == []


async def test_permits_stand_in_lists_of_the_day_without_their_holders(run: Run, tmp_path: Path) -> None:
    granted = IzinTerbit.model_validate({**IzinTerbit.contoh, "nama_pemegang": "CONTOH PEMEGANG"})
    revoked = IzinDicabut.model_validate({**IzinDicabut.contoh, "nik_pemegang": "3571020508800002"})
    ids = await deliver("satpolpp/penertiban", granted, granted.model_copy(update={"nomor_izin": "2"}), revoked)
    valid = IzinDicabutDibatalkan(nomor_izin="1", membatalkan=ids[2], alasan="Salah catat")
    ids += await deliver("satpolpp/penertiban", valid, IzinTerbitDibatalkan.model_validate(valid.model_dump()))

    lists = {
        path.name: [tuple(map(str, row)) for row in load_workbook(path).active.iter_rows(values_only=True)]
        for path in (tmp_path / "izin").glob("*.xlsx")
    }
    header, one, other = lists["izin-terbit-2026-03-16.xlsx"]
    assert header[:2] == ("Nomor izin", "Jenis izin")
    assert (one[0], one[-1], other[0], other[-1]) == ("503/0123/419.104/2026", ids[0], "2", ids[1])
    _, gone = lists["izin-dicabut-2026-03-16.xlsx"]
    assert (gone[0], gone[2][:10], gone[-1]) == ("503/0123/419.104/2026", "2026-09-01", ids[2])
    assert lists["batal-izin-dicabut-2026-03-16.xlsx"][1] == ("1", ids[2], "Salah catat", ids[3])
    assert lists["batal-izin-terbit-2026-03-16.xlsx"][1] == ("1", ids[2], "Salah catat", ids[4])
    assert not {"CONTOH PEMEGANG", "3571020508800002"} & {
        cell for rows in lists.values() for row in rows for cell in row
    }
