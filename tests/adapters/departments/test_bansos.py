"""dinsos/bansos: a death stops the aid, its withdrawal resumes it, in whichever order they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.departments.dinsos.bansos.mapping import hentikan_bantuan, lanjutkan_bantuan
from bus import database
from bus.envelope import Event
from bus.ports import Delivery
from schemas.kependudukan import PendudukMeninggal, PendudukMeninggalDibatalkan
from schemas.sosial import PenerimaDihentikan, PenerimaDitetapkan
from tests.adapters.departments import samples
from tests.servers.server import Database

BANSOS = samples.folder("dinsos/bansos")
DIED, REVIVED = "d" * 32, "e" * 32
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
INSERT INTO penerima (nik, nama, program, periode, tanggal_ditetapkan, status, dihentikan_oleh) VALUES
    ('{NIK}', 'Contoh Kepala', 'BLT', '2026-TW1', '2026-01-05', 'dihentikan', 'lain');
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


async def die(engine: AsyncEngine) -> Sequence[PenerimaDihentikan]:
    async with engine.begin() as transaction:
        return await hentikan_bantuan(DEATH, delivery(DEATH, DIED), transaction)


async def revive(engine: AsyncEngine) -> Sequence[PenerimaDitetapkan]:
    async with engine.begin() as transaction:
        return await lanjutkan_bantuan(WITHDRAWAL, delivery(WITHDRAWAL, REVIVED), transaction)


async def statuses(engine: AsyncEngine) -> dict[tuple[str, str], str]:
    async with engine.begin() as connection:
        rows = await connection.execute(text("SELECT nik, program, status FROM penerima"))
        return {(row.nik, row.program): row.status for row in rows}


RUNNING = {(NIK, "BPNT"): "aktif", (NIK, "PKH"): "aktif", (NIK, "BLT"): "dihentikan", (OTHER, "BPNT"): "aktif"}
STOPPED = {**RUNNING, (NIK, "BPNT"): "dihentikan", (NIK, "PKH"): "dihentikan"}


async def test_a_death_stops_every_aid_of_that_person(aid: AsyncEngine) -> None:
    emitted = await die(aid)

    assert await statuses(aid) == STOPPED
    assert [(each.nik, each.program, each.alasan, str(each.tanggal)) for each in emitted] == [
        (NIK, "BPNT", "Meninggal dunia", "2026-03-14"),
        (NIK, "PKH", "Meninggal dunia", "2026-03-14"),
    ]


async def test_a_withdrawn_death_resumes_what_it_stopped_and_nothing_else(aid: AsyncEngine) -> None:
    await die(aid)

    emitted = await revive(aid)

    assert await statuses(aid) == RUNNING
    assert [(each.program, each.periode, str(each.tanggal_ditetapkan)) for each in emitted] == [
        ("BPNT", "2026-TW1", "2026-01-05"),
        ("PKH", "2026-TW1", "2026-01-05"),
    ]


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
