"""dpmptsp/perizinan: permits out of the outbox, each told once; deaths, payments and applications into its tables."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bus import config
from bus.app import Adapter
from bus.contracts import load
from bus.events import Catalogue
from bus.events.registry import KeyTokens
from bus.testing.adapters import expected
from schemas.kependudukan import PendudukMeninggal, PendudukMeninggalDibatalkan
from schemas.pajak import PembayaranDiterima
from schemas.perizinan import PermohonanDiterima, PermohonanDiterimaDibatalkan
from tests.adapters.departments import samples
from tests.adapters.departments.office import Office, Told
from tests.adapters.departments.receiving import deliver
from tests.servers.server import Database

PERIZINAN = samples.folder("dpmptsp/perizinan")
ISSUED, REVOKED = "perizinan.izin.terbit.v1", "perizinan.izin.dicabut.v1"
NOT_ISSUED, VALID_AGAIN = "perizinan.izin.terbit-dibatalkan.v1", "perizinan.izin.dicabut-dibatalkan.v1"
NAMED = {"nomor_izin": "503/0002/419.104/2026"}
REVOCATION = "status = 'dicabut', tanggal_cabut = '2026-10-01', alasan_cabut = 'Usaha tutup'"
Run = Callable[[str], list[tuple[str, ...]]]


@pytest.fixture(params=["sqlite", "postgresql"])
async def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs SQL in the application as its program does. It has its outbox, and no permit yet."""
    tables = PERIZINAN / "samples" / "application.sql"
    if request.param == "sqlite":
        path = tmp_path / "perizinan.db"
        monkeypatch.setenv("PERIZINAN_URL", samples.run(path, tables))

        def run(sql: str) -> list[tuple[str, ...]]:
            return samples.rows(path, sql)

    else:
        database: Database = request.getfixturevalue("postgresql")
        database.load(tables)
        monkeypatch.setenv("PERIZINAN_URL", database.url)
        run = database.sql
    await Adapter(load(PERIZINAN / "adapter.toml"), config.load(), Catalogue.load(), KeyTokens(b"samples")).install()
    return run


@pytest.fixture
def rows(run: Run) -> None:
    """What the counter does."""
    run((PERIZINAN / "samples" / "rows.sql").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("rows")
async def test_the_samples_become_the_events_beside_them(tmp_path: Path) -> None:
    """A draft is none; issued it is, once. A name that is mended is no second permit."""
    office = Office(PERIZINAN, tmp_path)
    async with office.running():
        await office.until_told(ISSUED, 3)

    assert [{"event": each.event, "data": each.data} for each in office.told()] == expected(PERIZINAN)
    assert office.reasons() == ["kolom nik_pemegang: harus 16 angka, ada 17"]


@pytest.mark.usefixtures("rows")
async def test_what_the_counter_takes_back_is_taken_back_once(run: Run, tmp_path: Path) -> None:
    office = Office(PERIZINAN, tmp_path)

    async def becomes(event: str, count: int, sql: str) -> Told:
        """What a clerk's change is told as."""
        await asyncio.to_thread(run, sql)
        return (await office.until_told(event, count))[-1]

    async with office.running():
        chemist, shop, _ = await office.until_told(ISSUED, 3)
        (revoked,) = await office.until_told(REVOKED, 1)

        valid = await becomes(VALID_AGAIN, 1, "UPDATE izin SET status = 'terbit', tanggal_cabut = NULL WHERE id = 2")
        assert valid.data == {**NAMED, "membatalkan": revoked.id, "alasan": "Pencabutan dibatalkan di aplikasi"}
        again = await becomes(REVOKED, 2, f"UPDATE izin SET {REVOCATION} WHERE id = 2")
        await becomes(VALID_AGAIN, 2, "UPDATE izin SET status = 'terbit' WHERE id = 2")
        assert office.told(VALID_AGAIN)[-1].data["membatalkan"] == again.id

        mistaken = await becomes(NOT_ISSUED, 1, "UPDATE izin SET status = 'draf' WHERE id = 2")
        assert mistaken.data == {**NAMED, "membatalkan": shop.id, "alasan": "Penerbitan dibatalkan di aplikasi"}
        await asyncio.to_thread(run, "UPDATE izin SET status = 'batal' WHERE id = 2")
        reissued = await becomes(ISSUED, 4, "UPDATE izin SET status = 'terbit' WHERE id = 2")
        assert (await becomes(NOT_ISSUED, 2, "DELETE FROM izin WHERE id = 2")).data["membatalkan"] == reissued.id

        await asyncio.to_thread(run, "UPDATE izin SET status = 'habis' WHERE id = 1; DELETE FROM izin WHERE id = 1")
        number = "UPDATE izin SET nomor = '503/0005/419.104/2026' WHERE id = 4"
        assert (await becomes(NOT_ISSUED, 3, number)).data["nomor_izin"] == "503/0004/419.104/2026"

    assert chemist.id not in {each.data["membatalkan"] for each in office.told(NOT_ISSUED)}, "it was issued rightly"
    assert [each.data["nomor_izin"][:8] for each in office.told(ISSUED)[3:]] == ["503/0002", "503/0005"]
    assert len(office.told(REVOKED)) == len(office.told(VALID_AGAIN)) == 2


@pytest.mark.usefixtures("rows")
async def test_permits_of_the_dead_whichever_event_comes_first(run: Run) -> None:
    def flagged() -> list[str]:
        return [number for (number,) in run("SELECT nomor FROM pemegang_meninggal ORDER BY nomor")]

    def death(nik: str, day: str) -> PendudukMeninggal:
        return PendudukMeninggal.model_validate({"nik": nik, "tanggal_meninggal": day})

    def withdrawal(nik: str, event_id: str) -> PendudukMeninggalDibatalkan:
        return PendudukMeninggalDibatalkan(nik=nik, membatalkan=event_id, alasan="salah orang")

    (died,) = await deliver("dpmptsp/perizinan", death("3571020508800002", "2026-03-20"))
    assert flagged() == ["503/0001/419.104/2026"]
    await deliver("dpmptsp/perizinan", death("3571014508820002", "2026-03-20"))
    assert flagged() == ["503/0001/419.104/2026"], "a revoked permit needs no flag"
    await deliver("dpmptsp/perizinan", withdrawal("3571020508800002", died))
    assert flagged() == []

    run("DELETE FROM bus_kematian; DELETE FROM bus_kematian_batal")
    await deliver("dpmptsp/perizinan", withdrawal("3571020508800002", died), death("3571020508800002", "2026-03-20"))
    assert flagged() == [], "the withdrawal came first"


async def test_payments_and_applications_are_at_the_counter(run: Run) -> None:
    first = PermohonanDiterima.model_validate(PermohonanDiterima.contoh)
    second = first.model_copy(update={"nomor_permohonan": "PMH-2026-000999", "nama_pemohon": "Contoh Rahasia"})
    paid = PembayaranDiterima.model_validate(PembayaranDiterima.contoh)

    filed, _, _ = await deliver("dpmptsp/perizinan", first, second, paid)
    withdrawn = PermohonanDiterimaDibatalkan(
        nomor_permohonan=first.nomor_permohonan, membatalkan=filed, alasan="Ditarik pemohon"
    )
    await deliver("dpmptsp/perizinan", withdrawn)

    assert run("SELECT nomor_permohonan, jenis_izin, tanggal FROM permohonan_terbuka") == [
        ("PMH-2026-000999", "Izin Apotek", "2026-03-01")
    ]
    assert run("SELECT nop, tahun_pajak FROM bus_pembayaran") == [(paid.nop, str(paid.tahun_pajak))]
