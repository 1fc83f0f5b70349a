"""bkpsdm/simpeg: decrees out of its database's log; a death stops the pension, its withdrawal resumes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.departments.bkpsdm.simpeg.mapping import hentikan_pensiun, lanjutkan_pensiun
from bus import database
from bus.envelope import Event
from bus.ports import Delivery
from bus.testing.adapters import expected, replay
from schemas.kependudukan import PendudukMeninggal, PendudukMeninggalDibatalkan
from tests.adapters.departments import samples
from tests.adapters.departments.office import Office
from tests.servers.server import Database

SIMPEG = samples.folder("bkpsdm/simpeg")
APPOINTED, TRANSFERRED, RETIRED = (f"kepegawaian.pegawai.{each}.v1" for each in ("diangkat", "mutasi", "pensiun"))
CANCELLED = "kepegawaian.pegawai.mutasi-dibatalkan.v1"
PENSIONER, OTHER, EMPLOYEE = "3571010101500001", "3571020508550001", "3571020508800002"
DIED, MENDED, REVIVED, REVIVED_TOO = (letter * 32 for letter in "abcd")


@pytest.fixture
def application(mariadb: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The samples in MariaDB, where the contract finds them."""
    for script in ("application.sql", "rows.sql"):
        mariadb.load(SIMPEG / "samples" / script)
    monkeypatch.setenv("SIMPEG_URL", mariadb.url)
    return mariadb


@pytest.fixture
async def engine(application: Database) -> AsyncIterator[AsyncEngine]:
    """A connection for the handlers."""
    made = database.engine(application.url, where="test")
    yield made
    await made.dispose()


async def test_the_samples_become_the_events_beside_them(application: Database) -> None:
    events, rejected = await replay(SIMPEG)

    assert events == expected(SIMPEG)
    assert rejected == ["kolom nip: harus 18 angka, ada 17", "kolom tmt: tanggal kosong"]


async def test_a_decree_is_told_when_it_is_issued_and_when_it_is_cancelled(
    application: Database, tmp_path: Path
) -> None:
    office = Office(SIMPEG, tmp_path)
    async with office.running():
        await office.until(lambda: len(office.told()) == len(expected(SIMPEG)))
        application.sql("UPDATE pegawai SET jabatan = 'Kepala Seksi', password = 'lain' WHERE id = 1")
        application.sql("UPDATE riwayat_mutasi SET berkas_sk = 'sk.pdf' WHERE id = 1")
        application.sql("UPDATE riwayat_mutasi SET status = 'terbit', no_sk = '824/4/2026' WHERE id = 2")
        issued = (await office.until_told(TRANSFERRED, 2))[-1]
        assert (issued.data["nip"], issued.data["no_sk"]) == ("199508052022032001", "824/4/2026")

        application.sql("UPDATE riwayat_mutasi SET status = 'dibatalkan' WHERE id = 2")
        [cancelled] = await office.until_told(CANCELLED, 1)
        assert (cancelled.data["nip"], cancelled.data["membatalkan"]) == (issued.data["nip"], issued.id)

        application.sql("UPDATE riwayat_mutasi SET berkas_sk = 'batal.pdf' WHERE id = 2")
        application.sql("UPDATE riwayat_pensiun SET tmt = '2038-10-01' WHERE id = 1")
        application.sql("UPDATE pegawai SET status = 'dibatalkan' WHERE id = 3")
        await office.until_told(RETIRED, 2)
        [undone] = await office.until_told("kepegawaian.pegawai.diangkat-dibatalkan.v1", 1)
        assert undone.data["nip"] == "199902032026032001"
        application.sql("DELETE FROM riwayat_mutasi WHERE id = 1")
        await office.until(lambda: "kolom nip: belum diisi" in office.reasons())

    assert len(office.told(APPOINTED)) == 3, "a new post or password is no new appointment"
    assert len(office.told(TRANSFERRED)) == 2, "a scanned file is no new decree"
    assert len(office.told(CANCELLED)) == 1


def delivery(data: PendudukMeninggal | PendudukMeninggalDibatalkan, event_id: str) -> Delivery:
    event = Event(event_id, "/kediri/dukcapil/siak", "t", "k", "2026-03-16T08:00:00+07:00", b"")
    return Delivery(event, data, frozenset(type(data).model_fields), "OPD_DUKCAPIL", 1)


async def die(engine: AsyncEngine, nik: str = PENSIONER, event_id: str = DIED, day: str = "2026-03-14") -> None:
    death = PendudukMeninggal(nik=nik, tanggal_meninggal=day)
    async with engine.begin() as transaction:
        await hentikan_pensiun(death, delivery(death, event_id), transaction)


async def revive(engine: AsyncEngine, nik: str = PENSIONER, withdrawn: str = DIED, event_id: str = REVIVED) -> None:
    withdrawal = PendudukMeninggalDibatalkan(nik=nik, membatalkan=withdrawn, alasan="salah orang")
    async with engine.begin() as transaction:
        await lanjutkan_pensiun(withdrawal, delivery(withdrawal, event_id), transaction)


async def pensions(engine: AsyncEngine) -> dict[str, tuple[str, str]]:
    """Status and last day by NIK."""
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT nik, status, tanggal_berhenti FROM pensiunan"))
        return {row.nik: (row.status, str(row.tanggal_berhenti)) for row in rows}


RUNNING = {PENSIONER: ("aktif", "None"), OTHER: ("aktif", "None")}
STOPPED = {**RUNNING, PENSIONER: ("dihentikan", "2026-03-14")}


async def test_a_death_stops_that_pension_and_its_withdrawal_resumes_it(engine: AsyncEngine) -> None:
    await die(engine)
    assert await pensions(engine) == STOPPED

    await revive(engine, withdrawn=MENDED)
    assert await pensions(engine) == STOPPED, "another death was withdrawn"

    await revive(engine, event_id=REVIVED_TOO)
    assert await pensions(engine) == RUNNING


async def test_a_withdrawal_that_comes_first(engine: AsyncEngine) -> None:
    await revive(engine)
    await die(engine)

    assert await pensions(engine) == RUNNING


async def test_a_death_whose_date_was_mended_is_withdrawn_by_its_last_name(engine: AsyncEngine) -> None:
    await die(engine)
    await die(engine, event_id=MENDED, day="2026-03-13")
    assert (await pensions(engine))[PENSIONER] == ("dihentikan", "2026-03-13")
    await revive(engine, withdrawn=MENDED)
    assert await pensions(engine) == RUNNING

    await die(engine, event_id="e" * 32)
    await revive(engine, withdrawn="f" * 32, event_id=REVIVED_TOO)
    await die(engine, event_id="f" * 32)
    assert await pensions(engine) == RUNNING, "the mended death was withdrawn before it came"


async def test_a_pension_that_was_stopped_by_hand_stays_stopped(application: Database, engine: AsyncEngine) -> None:
    application.sql(f"UPDATE pensiunan SET status = 'dihentikan' WHERE nik = '{PENSIONER}'")
    await die(engine)
    await revive(engine)

    assert (await pensions(engine))[PENSIONER] == ("dihentikan", "None")


async def test_the_death_of_an_employee_is_on_the_clerk_s_list_until_it_is_withdrawn(
    application: Database, engine: AsyncEngine
) -> None:
    listed = "SELECT nip, tanggal_meninggal FROM bus_kematian_pegawai"
    await die(engine, EMPLOYEE)
    await die(engine, EMPLOYEE, MENDED, "2026-03-13")
    assert application.sql(listed) == [("198008052006041002", "2026-03-13")]

    await revive(engine, EMPLOYEE, MENDED)
    assert application.sql(listed) == []
    assert await pensions(engine) == RUNNING
