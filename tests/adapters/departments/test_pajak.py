"""bppkad/pajak: payments out of the bank's files, bills out of the application; a death flags bills, a permit opens an
object to be registered.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bus.delivery.drafting import Drafting
from bus.delivery.emitting import EnvelopeWrapper
from bus.envelope import rfc3339
from bus.events import Catalogue
from bus.events.registry import KeyTokens
from bus.subjects import AppName
from bus.testing.adapters import expected, replay
from schemas.perizinan import IzinDicabut, IzinDicabutDibatalkan, IzinTerbit, IzinTerbitDibatalkan
from tests.adapters.departments import samples
from tests.adapters.departments.office import Office
from tests.adapters.departments.receiving import deliver
from tests.servers.openssh import SftpFolder
from tests.servers.server import Database

PAJAK = samples.folder("bppkad/pajak")
PAYMENT, BILL, CANCELLED = (
    f"pajak.{each}.v1" for each in ("pembayaran.diterima", "tagihan.terbit", "tagihan.terbit-dibatalkan")
)
DEATH, LIFE = "kependudukan.penduduk.meninggal.v1", "kependudukan.penduduk.meninggal-dibatalkan.v1"
STOPPED, DETERMINED = "sosial.penerima.dihentikan.v1", "sosial.penerima.ditetapkan.v1"
MOMENT = datetime(2026, 3, 21, tzinfo=UTC)
OWNER = "3571020508800002"
REASONS = [
    "kolom nik: angka sudah dipotong oleh spreadsheet; jadikan kolom ini teks lalu isi ulang dari sumbernya",
    "kolom tanggal_bayar: tanggal kosong",
    "kolom nik: harus 16 angka, ada 17",
]


async def test_the_samples_become_the_events_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = samples.dropped(tmp_path / "bank", PAJAK / "samples" / "pbb.csv")
    monkeypatch.setenv("PAJAK_FOLDER", str(bank))
    scripts = (PAJAK / "samples" / "application.sql", PAJAK / "samples" / "rows.sql")
    monkeypatch.setenv("PAJAK_URL", samples.run(tmp_path / "pajak.db", *scripts))

    events, rejected = await replay(PAJAK)

    assert events == expected(PAJAK)
    assert rejected == REASONS
    assert {path.name for path in bank.iterdir()} == {"pbb.csv"}, "whoever only looks leaves the folder as it was"


@pytest.fixture
def application(postgresql: Database, sftp: SftpFolder, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The application in PostgreSQL and the bank's server, where the contract finds them."""
    for script in ("application.sql", "rows.sql"):
        postgresql.load(PAJAK / "samples" / script)
    monkeypatch.setenv("PAJAK_URL", postgresql.url)
    monkeypatch.setenv("PAJAK_FOLDER", sftp.url)
    monkeypatch.setenv("PAJAK_HOST_KEY", sftp.host_key)
    monkeypatch.setenv("PAJAK_USER_KEY", f"file:{sftp.user_key}")
    return postgresql


async def test_payments_from_the_bank_s_server_and_bills_from_the_application(
    application: Database, sftp: SftpFolder, tmp_path: Path
) -> None:
    office = Office(PAJAK, tmp_path)
    async with office.running():
        sftp.own(samples.dropped(sftp.path, PAJAK / "samples" / "pbb.csv") / "pbb.csv")
        await office.until_told(PAYMENT, 2)
        await office.until_told(BILL, 2)
        await office.until((sftp.path / "done" / "pbb.csv").is_file)
        application.sql(
            "UPDATE sppt SET status = 'batal', alasan_batal = 'Luas salah', diubah = '2026-02-01' WHERE id = 1"
        )
        (cancelled,) = await office.until_told(CANCELLED, 1)
        application.sql("UPDATE sppt SET status = 'lunas', diubah = '2026-03-01' WHERE id = 2")  # no news for others

    billed = next(each for each in office.told(BILL) if each.data["no_tagihan"] == "SPPT-2026-000001")
    assert cancelled.data["membatalkan"] == billed.id
    assert sorted(office.reasons()) == sorted(REASONS)
    assert [each.data for each in office.told(PAYMENT)] == [
        each["data"] for each in expected(PAJAK) if each["event"] == PAYMENT
    ]
    report = (sftp.path / "done" / "pbb.csv.laporan.txt").read_text(encoding="utf-8")
    assert "Diterima      : 2" in report
    assert "3,57102E+15" in (sftp.path / "done" / "pbb.ditolak.csv").read_text(encoding="utf-8-sig")

    sftp.own(samples.dropped(sftp.path, PAJAK / "samples" / "pbb.csv") / "pbb.csv")
    async with office.running():
        await office.until((sftp.path / "done" / "pbb (2).csv").is_file)
    assert len(office.told(PAYMENT)) == 2, "the same file again brings nothing new"


def registry(*events: tuple[str, dict[str, Any]]) -> Office:
    """The registry as far as its events go: type and data of each."""
    return publisher("dukcapil", "siak", *events)


def publisher(opd: str, application: str, *events: tuple[str, dict[str, Any]]) -> Office:
    """Another application likewise."""
    catalogue, drafting, app = Catalogue.load(), Drafting(KeyTokens(b"a key for tests")), AppName(opd, application)
    made = []
    for number, (name, data) in enumerate(events):
        kind = catalogue[name]
        draft = drafting.draft(kind, kind.model.model_validate(data))
        made.append(drafting.event(draft, app.ce_source, f"baris {number}", "1", rfc3339(MOMENT)))
    streams = SimpleNamespace(events=[EnvelopeWrapper(app).wrap(each) for each in made])
    return cast(Office, SimpleNamespace(streams=streams))


@pytest.mark.parametrize("first", ["death", "withdrawal"])
async def test_a_death_flags_the_bills_of_the_dead_and_its_withdrawal_undoes_it(
    application: Database, tmp_path: Path, first: str
) -> None:
    office = Office(PAJAK, tmp_path)
    dead = registry((DEATH, {"nik": OWNER, "tanggal_meninggal": "2026-03-20"}))
    death_id = dead.streams.events[0].id
    alive = registry((LIFE, {"nik": OWNER, "membatalkan": death_id, "alasan": "Salah memilih orang"}))

    def flagged() -> list[tuple[str, ...]]:
        return application.sql("SELECT no_sppt, tanggal_meninggal FROM tagihan_almarhum ORDER BY no_sppt")

    if first == "death":
        await office.take(dead)
        assert flagged() == [("SPPT-2026-000001", "2026-03-20")], "of the open bills alone"
        await office.take(alive)
    else:
        await office.take(alive)
        await office.take(dead)
    assert flagged() == []
    await office.take(registry((DEATH, {"nik": OWNER, "tanggal_meninggal": "2026-05-01"})))
    assert flagged() == [("SPPT-2026-000001", "2026-05-01")]


async def test_a_permit_opens_an_object_to_be_registered(application: Database) -> None:
    """One whose permit is gone leaves the list or, where it has its NOP, is reviewed."""

    def listed() -> list[tuple[str, ...]]:
        return application.sql("SELECT nomor_izin, nop, status FROM pendataan_objek ORDER BY nomor_izin")

    async def told(*events: IzinTerbit | IzinDicabut | IzinTerbitDibatalkan | IzinDicabutDibatalkan) -> str:
        return (await deliver("bppkad/pajak", *events))[-1]

    def permit(number: str, name: str = "Toko Contoh") -> IzinTerbit:
        return IzinTerbit.model_validate({**IzinTerbit.contoh, "nomor_izin": number, "nama_usaha": name})

    withdrawn = {"nomor_izin": "1", "alasan": "Salah catat"}
    revocation = IzinDicabut.model_validate({**IzinDicabut.contoh, "nomor_izin": "1"})

    revoked = await told(permit("1"), permit("2"), revocation)
    assert listed() == [("2", "NULL", "perlu didata")], "there is nothing to register of a shop that is closed"
    await told(IzinDicabutDibatalkan(membatalkan=revoked, **withdrawn))
    assert listed() == [("1", "NULL", "perlu didata"), ("2", "NULL", "perlu didata")]

    application.sql("UPDATE calon_objek_pajak SET nop = '357101000100501230' WHERE nomor_izin = '1'")
    mended = await told(permit("1", "Toko Contoh Jaya"))
    registered = ("1", "357101000100501230", "terdata")
    assert listed()[0] == registered, "what the surveyors wrote stays"
    await told(revocation.model_copy(update={"tanggal_dicabut": date(2026, 10, 1)}))
    assert listed()[0] == (*registered[:2], "perlu ditinjau")

    application.sql("DELETE FROM bus_izin_dicabut")
    await told(IzinTerbitDibatalkan(membatalkan=mended, **withdrawn))
    assert listed()[0] == (*registered[:2], "perlu ditinjau")
    await told(permit("1"))
    assert listed()[0] == registered, "it was issued again"


async def test_of_aid_that_stopped_and_goes_on_the_newer_event_counts(application: Database, tmp_path: Path) -> None:
    """Each comes through a consumer of its own: whichever is applied first."""
    aid = {"nik": OWNER, "program": "BPNT"}
    stopped = (STOPPED, {**aid, "alasan": "Meninggal dunia", "tanggal": "2026-03-18"})
    resumed = (DETERMINED, {**aid, "periode": "2026-TW1", "tanggal_ditetapkan": "2026-01-05"})
    office, known = Office(PAJAK, tmp_path), "SELECT status, sejak FROM bus_penerima"

    await office.take(publisher("dinsos", "bansos", stopped, resumed))
    assert application.sql(known) == [("aktif", "2026-01-05")]

    application.sql("DELETE FROM bus_penerima; DELETE FROM bus_version; DELETE FROM bus_inbox")
    await office.take(publisher("dinsos", "bansos", resumed, stopped))
    assert application.sql(known) == [("berhenti", "2026-03-18")]
