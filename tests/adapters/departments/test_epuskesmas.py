"""dinkes/epuskesmas: doses out of its REST interface, and the births that it is to immunise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bus.broker.publish import Message
from bus.testing.adapters import expected, replay
from tests.adapters.connectors.http_server import HttpServer
from tests.adapters.departments import samples
from tests.adapters.departments.office import Office
from tests.adapters.departments.puskesmas import KEY
from tests.adapters.departments.receiver import Receiver, local

EPUSKESMAS = samples.folder("dinkes/epuskesmas")
DOSES: list[dict[str, Any]] = json.loads((EPUSKESMAS / "samples" / "imunisasi.json").read_text())
GIVEN, WITHDRAWN = "kesehatan.imunisasi.diberikan.v1", "kesehatan.imunisasi.diberikan-dibatalkan.v1"
OUT, IN = "kependudukan.penduduk.pindah-keluar", "kependudukan.penduduk.pindah-datang"
BORN, NOT_BORN = "kesehatan.kelahiran.tercatat.v1", "kesehatan.kelahiran.tercatat-dibatalkan.v1"
MOTHER, CHILD = "3571014508950002", "3571011503260001"


@pytest.fixture(scope="module")
def process() -> Iterator[HttpServer]:
    """e-Puskesmas in a process of its own."""
    with HttpServer("tests.adapters.departments.puskesmas:app").serving() as server:
        yield server


@pytest.fixture
def puskesmas(process: HttpServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> HttpServer:
    """The application with the samples in it, where the contract finds it."""
    process.control_now("kosong")
    process.control_now("dosis", DOSES)
    monkeypatch.setenv("EPUSKESMAS_URL", f"{process.url}/api/v1")
    monkeypatch.setenv("EPUSKESMAS_KEY", KEY)
    return process


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """The contract as it is, but for an application on this machine that is asked more often."""
    return local(EPUSKESMAS, tmp_path, poll="0.05")


async def test_the_samples_become_the_events_beside_them(puskesmas: HttpServer, contract: Path) -> None:
    events, rejected = await replay(contract)

    assert events == expected(EPUSKESMAS)
    assert rejected == ["kolom nik: harus 16 angka, ada 15"]


async def test_doses_changed_withdrawn_and_of_the_bus_itself(
    puskesmas: HttpServer, contract: Path, tmp_path: Path
) -> None:
    office = Office(contract, tmp_path)
    async with office.running():
        first, second = await office.until_told(GIVEN, 2)
        await puskesmas.control("dosis", [DOSES[1] | {"dosis": 3, "updated_at": "2026-03-17 08:00:00"}])
        await puskesmas.control("dosis", [{"id": 9002, "keluhan": "sembuh", "updated_at": "2026-03-17 08:30:00"}])
        changed = (await office.until_told(GIVEN, 3))[-1]
        assert changed.data == {**second.data, "dosis_ke": 3}

        await puskesmas.control("dosis", [{"id": 9001, "status": "batal", "updated_at": "2026-03-17 09:00:00"}])
        [withdrawn] = await office.until_told(WITHDRAWN, 1)
        assert (withdrawn.data["membatalkan"], withdrawn.data["no_pasien"]) == (first.id, "P3571010/004711")

        mended = DOSES[2]["pasien"] | {"nik": "3571025501800003"}
        await puskesmas.control("dosis", [{"id": 9003, "pasien": mended, "updated_at": "2026-03-17 09:10:00"}])
        assert (await office.until_told(GIVEN, 4))[-1].data["nik"] == "3571025501800003"

    assert (len(office.told()), office.reasons()) == (5, ["kolom nik: harus 16 angka, ada 15"])


async def test_births_become_the_targets_of_immunisation(puskesmas: HttpServer, contract: Path, tmp_path: Path) -> None:
    receiver = Receiver(contract, tmp_path)
    birth = {"nik_ibu": MOTHER, "tanggal_lahir": "2026-03-15", "jenis_kelamin": "L", "berat": 3150, "tempat": "RSUD"}
    twins = [receiver.event("rsud/simrs", BORN, {**birth, "urutan_kembar": number}) for number in (1, 2)]
    registered = receiver.event(
        "dukcapil/siak",
        "kependudukan.penduduk.lahir.v1",
        {"nik": CHILD, "tanggal_lahir": "2026-03-15", "nama": "Contoh Anak", "kode_wilayah": "35.71.01.1011"},
    )
    await receiver.receive([*twins, registered])
    await receiver.receive(twins)  # come again

    seen = await puskesmas.control("lihat")
    target = {"nik_ibu": MOTHER, "tanggal_lahir": "2026-03-15", "jenis_kelamin": "L", "berat": 3150, "asal": "bus"}
    assert seen["kelahiran"] == {twin.id: {**target, "urutan_kembar": number} for number, twin in enumerate(twins, 1)}
    assert seen["sasaran"] == {
        CHILD: {
            "nik": CHILD,
            "tanggal_lahir": "2026-03-15",
            "jenis_kelamin": None,
            "kode_wilayah": "35.71.01.1011",
            "asal": "bus",
        }
    }

    wrong = {"nik_ibu": MOTHER, "membatalkan": twins[1].id, "alasan": "Salah catat"}
    withdrawal = receiver.event("rsud/simrs", NOT_BORN, wrong)
    wrong = {"nik": CHILD, "membatalkan": registered.id, "alasan": "Salah catat"}
    unregistered = receiver.event("dukcapil/siak", "kependudukan.penduduk.lahir-dibatalkan.v1", wrong)
    for _ in range(2):  # also when they are gone already
        await receiver.receive([withdrawal, unregistered])
    seen = await puskesmas.control("lihat")
    assert (list(seen["kelahiran"]), seen["sasaran"]) == ([twins[0].id], {})
    assert receiver.reasons() == []


async def test_a_child_that_moves_is_immunised_where_it_lives(
    puskesmas: HttpServer, contract: Path, tmp_path: Path
) -> None:
    receiver = Receiver(contract, tmp_path)

    def told(name: str, **data: str) -> Message:
        return receiver.event("dukcapil/siak", name, {"nik": CHILD, **data})

    def leaves(scope: str, day: str = "2026-03-20") -> Message:
        return told(f"{OUT}.v1", tanggal_pindah=day, lingkup=scope, alamat_tujuan="Jalan Contoh 1")

    async def lives(*events: Message) -> list[str | None]:
        """Where the child is looked after once these have come; nowhere when it left."""
        await receiver.receive(events)
        return [each["kode_wilayah"] for each in (await puskesmas.control("lihat"))["sasaran"].values()]

    born = told("kependudukan.penduduk.lahir.v1", tanggal_lahir="2026-03-15", kode_wilayah="35.71.01.1011")
    first, mended = leaves("KOTA"), leaves("KOTA", "2026-03-21")
    assert await lives(born, first, mended) == []
    assert await lives(first) == [], "it comes again"
    assert await lives(told(f"{OUT}-dibatalkan.v1", membatalkan=mended.id, alasan="Batal")) == ["35.71.01.1011"]

    comes = told(f"{IN}.v1", tanggal_datang="2026-03-22", kode_wilayah="35.71.03.1011", no_kk="3571010101150001")
    assert await lives(leaves("KELURAHAN", "2026-03-22")) == ["35.71.01.1011"], "until it is registered elsewhere"
    assert await lives(comes) == ["35.71.03.1011"]
    assert await lives(told(f"{IN}-dibatalkan.v1", membatalkan=comes.id, alasan="Batal")) == ["35.71.01.1011"]

    later = leaves("PROVINSI", "2026-03-25")
    assert await lives(told(f"{OUT}-dibatalkan.v1", membatalkan=later.id, alasan="Batal")) == ["35.71.01.1011"]
    assert await lives(later) == ["35.71.01.1011"], "it was withdrawn before it came"
    assert await lives(told(f"{OUT}.v1", tanggal_pindah="2026-03-26")) == [], "where to is not known"

    moves = (await puskesmas.control("lihat"))["kepindahan"]
    assert moves[first.id] == {
        "nik": CHILD,
        "tanggal": "2026-03-20",
        "lingkup": "KOTA",
        "arah": "keluar",
        "asal": "bus",
    }
    assert receiver.reasons() == []
