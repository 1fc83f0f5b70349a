"""dpmptsp/oss: applications out of a SOAP service, and what became of permits back into it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bus.contracts import load
from bus.errors import Rejected
from bus.testing.adapters import expected, replay
from schemas.perizinan import IzinDicabut, IzinTerbit
from tests.adapters.departments import samples
from tests.adapters.departments.city import running, shows
from tests.adapters.departments.office import Office
from tests.adapters.departments.receiver import local
from tests.adapters.departments.receiving import deliver
from tests.servers.php import Php
from tests.servers.server import Database

OSS, PERIZINAN = samples.folder("dpmptsp/oss"), samples.folder("dpmptsp/perizinan")
FILED, WITHDRAWN = "perizinan.permohonan.diterima.v1", "perizinan.permohonan.diterima-dibatalkan.v1"
REJECTED = ["kolom pemohon.nik: harus 16 angka, ada 17"]


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """The adapter's folder; its contract allows calls to this machine, where the test's service runs."""
    return local(OSS, tmp_path)


@pytest.fixture
def service(php: Php, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Php:
    """The service with the applications of the samples."""
    monkeypatch.setenv("BUS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OSS_URL", f"{php.url}/oss")
    monkeypatch.setenv("OSS_KUNCI", "kunci-oss")
    php.put("permohonan.json", applications())
    return php


def applications() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((OSS / "samples" / "permohonan.json").read_text(encoding="utf-8"))
    return found


async def test_the_samples_become_the_events_beside_them(service: Php, adapter: Path) -> None:
    events, rejected = await replay(adapter)

    assert events == expected(OSS)
    assert rejected == REJECTED


async def test_an_application_that_is_withdrawn_takes_its_event_back(
    service: Php, adapter: Path, tmp_path: Path
) -> None:
    office = Office(adapter, tmp_path)
    async with office.running():
        first, _ = await office.until_told(FILED, 2)
    changed = applications()
    changed[0] |= {"status": "ditarik", "diubah": "2026-03-04T09:00:00+07:00"}
    service.put("permohonan.json", changed)
    async with office.running():
        (withdrawn,) = await office.until_told(WITHDRAWN, 1)

    assert withdrawn.data == {
        "nomor_permohonan": "PMH-2026-000321",
        "membatalkan": first.id,
        "alasan": "Ditarik pemohon",
    }
    assert len(office.told()) == 3
    assert office.reasons() == REJECTED


async def test_the_service_is_told_what_became_of_permits(service: Php, adapter: Path) -> None:
    granted = IzinTerbit.model_validate({**IzinTerbit.contoh, "nib": "0220100123456", "berlaku_sampai": "2031-03-15"})
    revoked = IzinDicabut.model_validate({**IzinDicabut.contoh, "nib": "0220100123456"})
    of_no_business = IzinTerbit.model_validate({**IzinTerbit.contoh, "nib": None})

    for _ in range(2):  # also when they come again
        await deliver(str(adapter), granted, revoked, of_no_business)

    told = sorted(service.documents("status"), key=lambda each: each["status"], reverse=True)
    assert told == [
        {
            "nomor": granted.nomor_izin,
            "nib": "0220100123456",
            "status": "TERBIT",
            "tanggal": granted.tanggal_terbit.isoformat(),
            "berlakuSampai": "2031-03-15",
        },
        {
            "nomor": revoked.nomor_izin,
            "nib": "0220100123456",
            "status": "DICABUT",
            "tanggal": "2026-09-01",
            "alasan": "Usaha tutup",
        },
    ]


async def test_what_the_service_refuses_is_a_rejection_without_its_words(service: Php, adapter: Path) -> None:
    strange = IzinTerbit.model_construct(**{**IzinTerbit.contoh, "nib": "12"})  # type: ignore[arg-type]

    with pytest.raises(Rejected, match="tidak diterima"):
        await deliver(str(adapter), strange)


@pytest.fixture
def permits(postgresql: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The database of the counter."""
    postgresql.load(PERIZINAN / "samples" / "application.sql")
    monkeypatch.setenv("PERIZINAN_URL", postgresql.url)
    return postgresql


def told_of(service: Php) -> list[tuple[str, str, str]]:
    """What the national service was told of permits."""
    return sorted((each["nomor"], each["nib"], each["status"]) for each in service.documents("status"))


async def test_an_application_through_the_national_service_and_what_became_of_it(
    service: Php, permits: Database, tmp_path: Path
) -> None:
    filed, nib = "PMH-2026-000321", "0220100123456"
    waiting = f"SELECT nomor_permohonan, nib FROM permohonan_terbuka WHERE nomor_permohonan = '{filed}'"
    offices = (PERIZINAN, local(OSS, tmp_path, poll="0.2"))
    async with running(tmp_path / "bus", offices, here=offices) as city:
        await city.until(shows(permits, waiting, (filed, nib)), "what was filed waits at the counter")
        permits.sql(
            "INSERT INTO izin (id, nomor, jenis, nib, tanggal_terbit) "
            f"VALUES (2, '503/0002/2026', 'Izin Apotek', '{nib}', '2026-03-16')"
        )
        granted = ("503/0002/2026", nib, "TERBIT")
        await city.until(lambda: told_of(service) == [granted], "the service knows of the permit")

        changed = applications()
        changed[0] |= {"status": "ditarik", "diubah": "2026-03-17T09:00:00+07:00"}
        service.put("permohonan.json", changed)
        await city.until(shows(permits, waiting), "what is withdrawn there waits no more")
        permits.sql(
            "UPDATE izin SET status = 'dicabut', tanggal_cabut = '2026-09-01', alasan_cabut = 'Usaha tutup' "
            "WHERE id = 2"
        )
        revoked = ("503/0002/2026", nib, "DICABUT")
        await city.until(lambda: told_of(service) == [revoked, granted], "the service knows that it is revoked")


def test_the_contract_passes_no_name_and_no_address_on() -> None:
    mapped = {name for entry in load(OSS / "adapter.toml").publish for name in entry.map if isinstance(entry.map, dict)}

    assert not {"nama_pemohon", "alamat_usaha", "npwp_pemohon"} & mapped
