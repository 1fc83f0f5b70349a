"""dinsos/bansos: DTSEN in, aid out; a death stops the aid, its withdrawal resumes it, in whichever order they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.departments.dinsos.bansos.mapping import hentikan_bantuan, lanjutkan_bantuan
from bus import database
from bus.envelope import Event
from bus.ports import Delivery
from bus.testing.adapters import expected
from schemas.base import EventData
from schemas.kependudukan import (
    PendudukLahir,
    PendudukLahirDibatalkan,
    PendudukMeninggal,
    PendudukMeninggalDibatalkan,
    PendudukPindahDatang,
    PendudukPindahDatangDibatalkan,
    PendudukPindahKeluar,
    PendudukPindahKeluarDibatalkan,
)
from schemas.sosial import PenerimaDihentikan, PenerimaDitetapkan
from tests.adapters.departments import samples
from tests.adapters.departments.office import Office
from tests.adapters.departments.receiving import deliver
from tests.servers.server import Database

BANSOS = samples.folder("dinsos/bansos")
DIED, REVIVED, MENDED = (letter * 32 for letter in "def")
NIK, OTHER = "3571010508800001", "3571014508820002"
MARIADB = """
CREATE TABLE penerima (
    id INTEGER PRIMARY KEY AUTO_INCREMENT, nik CHAR(16) NOT NULL, nama VARCHAR(100) NOT NULL,
    program VARCHAR(50) NOT NULL,
    periode VARCHAR(10) NOT NULL, tanggal_ditetapkan DATE NOT NULL, status VARCHAR(20) NOT NULL DEFAULT 'aktif',
    tanggal_berhenti DATE, dihentikan_oleh CHAR(32), event_id CHAR(32), UNIQUE (nik, program)
) ENGINE = InnoDB;
CREATE TABLE bus_kematian_batal (membatalkan CHAR(32) PRIMARY KEY, event_id CHAR(32) NOT NULL) ENGINE = InnoDB;
"""
ROWS = f"""
INSERT INTO penerima (nik, nama, program, periode, tanggal_ditetapkan) VALUES
    ('{NIK}', 'Contoh Kepala', 'BPNT', '2026-TW1', '2026-01-05'),
    ('{NIK}', 'Contoh Kepala', 'PKH', '2026-TW1', '2026-01-05'),
    ('{OTHER}', 'Contoh Ibu', 'BPNT', '2026-TW1', '2026-01-05');
INSERT INTO penerima (nik, nama, program, periode, tanggal_ditetapkan, status) VALUES
    ('{NIK}', 'Contoh Kepala', 'BLT', '2026-TW1', '2026-01-05', 'dihentikan');
"""


@pytest.fixture
async def aid(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """The application in SQLite."""
    made = database.engine(
        samples.run(tmp_path / "bansos.db", BANSOS / "samples" / "application.sql", ROWS), where="test"
    )
    yield made
    await made.dispose()


@pytest.fixture
async def aid_in_mariadb(mariadb: Database) -> AsyncIterator[AsyncEngine]:
    """The application in MariaDB."""
    mariadb.sql(MARIADB + ROWS)
    made = database.engine(mariadb.url, where="test")
    yield made
    await made.dispose()


def delivery(data: BaseModel, event_id: str) -> Delivery:
    event = Event(event_id, "/kediri/dukcapil/siak", "t", "k", "2026-03-16T08:00:00+07:00", b"")
    return Delivery(event, data, frozenset(data.model_fields_set), "OPD_DUKCAPIL", 1)


DEATH = PendudukMeninggal(nik=NIK, tanggal_meninggal="2026-03-14")
WITHDRAWAL = PendudukMeninggalDibatalkan(nik=NIK, membatalkan=DIED, alasan="salah orang")


async def die(
    engine: AsyncEngine, event_id: str = DIED, day: str = "2026-03-14"
) -> Sequence[PenerimaDihentikan] | Sequence[PenerimaDitetapkan]:
    death = PendudukMeninggal(nik=NIK, tanggal_meninggal=day)
    async with engine.begin() as transaction:
        return await hentikan_bantuan(death, delivery(death, event_id), transaction)


async def revive(engine: AsyncEngine, withdrawn: str = DIED, event_id: str = REVIVED) -> Sequence[PenerimaDitetapkan]:
    withdrawal = PendudukMeninggalDibatalkan(nik=NIK, membatalkan=withdrawn, alasan="salah orang")
    async with engine.begin() as transaction:
        return await lanjutkan_bantuan(withdrawal, delivery(withdrawal, event_id), transaction)


async def stopped_on(engine: AsyncEngine) -> set[str]:
    """The last days of all aid that has one."""
    async with engine.begin() as connection:
        rows = await connection.execute(text("SELECT tanggal_berhenti FROM penerima WHERE tanggal_berhenti > ''"))
        return set(map(str, rows.scalars()))


async def statuses(engine: AsyncEngine) -> dict[tuple[str, str], str]:
    async with engine.begin() as connection:
        rows = await connection.execute(text("SELECT nik, program, status FROM penerima"))
        return {(row.nik, row.program): row.status for row in rows}


RUNNING = {(NIK, "BPNT"): "aktif", (NIK, "PKH"): "aktif", (NIK, "BLT"): "dihentikan", (OTHER, "BPNT"): "aktif"}
STOPPED = {**RUNNING, (NIK, "BPNT"): "dihentikan", (NIK, "PKH"): "dihentikan"}


def told_of(day: str) -> list[PenerimaDihentikan]:
    """What is told of the person's running aid when it stops."""
    told = {"nik": NIK, "alasan": "Meninggal dunia", "tanggal": day}
    return [PenerimaDihentikan.model_validate({**told, "program": program}) for program in ("BPNT", "PKH")]


async def test_a_death_stops_every_aid_of_that_person(aid: AsyncEngine) -> None:
    emitted = await die(aid)

    assert await statuses(aid) == STOPPED
    assert list(emitted) == told_of("2026-03-14")


async def test_a_withdrawn_death_resumes_what_it_stopped_and_nothing_else(aid: AsyncEngine) -> None:
    await die(aid)

    emitted = await revive(aid)

    assert await statuses(aid) == RUNNING
    assert [(each.program, each.periode, str(each.tanggal_ditetapkan)) for each in emitted] == [
        ("BPNT", "2026-TW1", "2026-01-05"),
        ("PKH", "2026-TW1", "2026-01-05"),
    ]


async def test_a_death_whose_date_was_mended_is_withdrawn_by_its_last_name(aid: AsyncEngine) -> None:
    await die(aid)

    assert list(await die(aid, MENDED, "2026-03-13")) == told_of("2026-03-13")
    assert (await statuses(aid), await stopped_on(aid)) == (STOPPED, {"2026-03-13"})

    assert [each.program for each in await revive(aid, MENDED)] == ["BPNT", "PKH"]
    assert (await statuses(aid), await stopped_on(aid)) == (RUNNING, set())


async def test_a_mended_death_that_is_withdrawn_before_it_comes(aid: AsyncEngine) -> None:
    await die(aid)
    assert list(await revive(aid, MENDED)) == []
    assert await statuses(aid) == STOPPED, "until the death that is withdrawn comes"

    emitted = await die(aid, MENDED, "2026-03-13")

    assert [(type(each), each.program) for each in emitted] == [
        (PenerimaDitetapkan, "BPNT"),
        (PenerimaDitetapkan, "PKH"),
    ]
    assert (await statuses(aid), await stopped_on(aid)) == (RUNNING, set())


async def test_a_withdrawal_that_comes_first_keeps_the_death_from_stopping_anything(aid: AsyncEngine) -> None:
    assert list(await revive(aid)) == []

    assert list(await die(aid)) == []
    assert await statuses(aid) == RUNNING


async def test_a_death_of_somebody_without_aid(aid: AsyncEngine) -> None:
    stranger = PendudukMeninggal(nik="3571010101500001", tanggal_meninggal="2026-03-14")

    async with aid.begin() as transaction:
        emitted = await hentikan_bantuan(stranger, delivery(stranger, DIED), transaction)

    assert list(emitted) == []
    assert await statuses(aid) == RUNNING


@pytest.mark.parametrize("first", ["death", "withdrawal"])
async def test_both_at_once_in_a_database_that_lets_them(aid_in_mariadb: AsyncEngine, first: str) -> None:
    """The second waits for the first to commit, and sees what it did."""
    handlers: dict[str, Any] = {
        "death": (hentikan_bantuan, DEATH, DIED),
        "withdrawal": (lanjutkan_bantuan, WITHDRAWAL, REVIVED),
    }
    handler, event, event_id = handlers.pop(first)
    other, other_event, other_id = next(iter(handlers.values()))

    async def second() -> None:
        async with aid_in_mariadb.begin() as transaction:
            await transaction.execute(
                text("SELECT 1 FROM bus_kematian_batal")
            )  # a snapshot from before the first's commit
            started.set()
            await other(other_event, delivery(other_event, other_id), transaction)

    started = asyncio.Event()
    async with aid_in_mariadb.begin() as transaction:
        await handler(event, delivery(event, event_id), transaction)
        waiting = asyncio.create_task(second())
        await started.wait()
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done, "the second must wait"
    await waiting

    assert await statuses(aid_in_mariadb) == RUNNING


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The application where its contract finds it, DTSEN's list of the first quarter in its folder."""
    path = tmp_path / "bansos.db"
    monkeypatch.setenv("BANSOS_URL", samples.run(path, BANSOS / "samples" / "application.sql"))
    dropped = samples.dropped(tmp_path / "dtsen", BANSOS / "samples" / "dtsen.xlsx")
    monkeypatch.setenv("BANSOS_FOLDER", str(dropped))
    return path


async def test_the_samples_become_the_events_beside_them(own: Path, tmp_path: Path) -> None:
    """DTSEN's list, and what was handed out; what was handed back withdraws what it had become."""
    office = Office(BANSOS, tmp_path)
    async with office.running():
        await office.until_told("sosial.penerima.ditetapkan.v1", 4)
        samples.run(own, BANSOS / "samples" / "rows.sql")
        (withdrawn,) = await office.until_told("sosial.bantuan.disalurkan-dibatalkan.v1", 1)
        await office.until(lambda: len(office.streams.letters) >= 4)

    *others, last = office.told()
    assert last == withdrawn
    assert [{"event": each.event, "data": each.data} for each in others] == expected(BANSOS)
    handed_out = office.told("sosial.bantuan.disalurkan.v1")[1]
    assert withdrawn.data == {"nik": OTHER, "membatalkan": handed_out.id, "alasan": "Diterima oleh orang lain"}
    assert sorted(office.reasons()) == [
        "kolom desil: harus antara 1 dan 10",
        "kolom nik: angka sudah dipotong oleh spreadsheet; jadikan kolom ini teks lalu isi ulang dari sumbernya",
        "kolom nik: harus 16 angka, ada 17",
        "kolom periode: harus tahun, triwulan atau bulan: 2026, 2026-TW1 atau 2026-03",
    ]


async def test_a_list_that_is_dropped_again_brings_only_what_changed(own: Path, tmp_path: Path) -> None:
    """The next quarter's is a determination of its own; one that was mended within the quarter is a change."""
    office, workbook = Office(BANSOS, tmp_path), load_workbook(BANSOS / "samples" / "dtsen.xlsx")
    sheet = workbook.active
    async with office.running():
        await office.until_told("sosial.penerima.ditetapkan.v1", 4)
        sheet["E5"] = 3
        workbook.save(tmp_path / "dtsen" / "perbaikan.xlsx")
        await office.until_told("sosial.penerima.ditetapkan.v1", 5)
        sheet["A6"] = "2026-TW2"
        workbook.save(tmp_path / "dtsen" / "triwulan 2.xlsx")
        told = await office.until_told("sosial.penerima.ditetapkan.v1", 6)
        await office.until(lambda: len(list((tmp_path / "dtsen" / "done").glob("*.laporan.txt"))) == 3)

    changes = [(each.data["program"], each.data["periode"], each.data["desil"]) for each in told[4:]]
    assert changes == [("BPNT", "2026-TW1", 3), ("PKH", "2026-TW2", 2)]
    assert len(office.told()) == 6


@pytest.mark.parametrize(
    ("fact", "correction", "table", "list_"),
    [
        (PendudukLahir, PendudukLahirDibatalkan, "bus_kelahiran", "anak_usia_dini"),
        (PendudukPindahDatang, PendudukPindahDatangDibatalkan, "bus_kedatangan", "pendatang"),
        (PendudukPindahKeluar, PendudukPindahKeluarDibatalkan, "bus_pindah", "penerima_pindah"),
    ],
    ids=["a birth", "an arrival", "a departure"],
)
async def test_who_is_on_a_list_until_it_is_withdrawn(
    own: Path, fact: type[EventData], correction: type[EventData], table: str, list_: str
) -> None:
    """Whichever of the two events comes first."""
    samples.run(own, ROWS)
    event = fact.model_validate({**fact.contoh, "nik": OTHER})

    def listed() -> list[tuple[str, ...]]:
        return samples.rows(own, f"SELECT nik FROM {list_}")

    (told,) = await deliver("dinsos/bansos", event)
    assert listed() == [(OTHER,)]
    withdrawal = correction.model_validate({"nik": OTHER, "membatalkan": told, "alasan": "Salah catat"})
    await deliver("dinsos/bansos", withdrawal)
    assert listed() == []
    samples.rows(own, f"DELETE FROM {table}")
    await deliver("dinsos/bansos", event)
    assert listed() == [], "the withdrawal came first"
