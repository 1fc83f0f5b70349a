"""dinkes/satusehat: what the city's facilities tell of their patients, in a FHIR server that does as SATUSEHAT."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.connectors import fhir_push
from bus.testing.sources import until
from tests.adapters.connectors.http_server import HttpServer
from tests.adapters.departments import samples
from tests.adapters.departments.receiver import Receiver, local

SATUSEHAT = samples.folder("dinkes/satusehat")
NIK, OTHER, UNKNOWN = "3571020508800002", "3571011503260001", "3571025501800003"
PATIENT, VISIT = "kesehatan.pasien.terdaftar.v1", "kesehatan.kunjungan.tercatat.v1"
DOSE, NO_DOSE = "kesehatan.imunisasi.diberikan.v1", "kesehatan.imunisasi.diberikan-dibatalkan.v1"
LEFT, BACK = "kesehatan.rawat-inap.selesai.v1", "kesehatan.rawat-inap.selesai-dibatalkan.v1"
VISIT_CANCELLED = "kesehatan.kunjungan.tercatat-dibatalkan.v1"


@pytest.fixture
def receiver(national: HttpServer, tmp_path: Path) -> Receiver:
    """Its subscriptions in the engine."""
    return Receiver(local(SATUSEHAT, tmp_path), tmp_path)


def patient(nik: str, **more: Any) -> dict[str, Any]:
    """An invented person, as a facility registers them."""
    given = {"no_pasien": "3571015/000123", "nik": nik, "nama": "Contoh Pasien", "jenis_kelamin": "L"}
    return {**given, "tanggal_lahir": "1980-08-05", **more}


async def resources(server: HttpServer, kind: str) -> list[dict[str, Any]]:
    """The server's resources of a type by their identifiers, without what is the server's own."""
    found: list[dict[str, Any]] = (await server.control("isi", kind))["resources"]
    found.sort(key=lambda each: json.dumps(each["identifier"]))
    return [{name: value for name, value in each.items() if name not in {"id", "meta"}} for each in found]


async def test_the_samples_become_the_resources_beside_them(national: HttpServer, receiver: Receiver) -> None:
    lines = (SATUSEHAT / "samples" / "received.jsonl").read_text(encoding="utf-8").splitlines()
    events = [receiver.event(**json.loads(line)) for line in lines]

    for _ in range(2):  # all of them come twice
        await receiver.receive(events)

    made = {kind: await resources(national, kind) for kind in ("Patient", "Encounter", "Condition", "Immunization")}
    ids = {event.id: f"peristiwa {number}" for number, event in enumerate(events, 1)}
    for kind in ("Patient", "Encounter"):
        known = (await national.control("isi", kind))["resources"]
        ids |= {f'"{kind}/{each["id"]}"': f'"{kind}/{each["identifier"][0]["value"]}"' for each in known}
    expected: Mapping[str, Any] = json.loads((SATUSEHAT / "samples" / "resources.json").read_text(encoding="utf-8"))
    assert _renamed(made, ids) == expected
    assert receiver.reasons() == []
    versions = [
        resource["meta"]["versionId"]
        for kind in expected
        for resource in (await national.control("isi", kind))["resources"]
    ]
    assert versions == ["1"] * len(versions)


def _renamed(document: Any, names: Mapping[str, str]) -> Any:
    """A document with other names for what is made at random: the ids of events and of resources."""
    text = json.dumps(document)
    for identity, name in names.items():
        text = text.replace(identity, name)
    return json.loads(text)


async def test_a_visit_is_coded_later_and_cancelled(national: HttpServer, receiver: Receiver) -> None:
    number = "3571015/2026/03/15/000042"
    visit = {"no_kunjungan": number, "no_pasien": "3571015/000123", "nik": NIK, "tanggal": "2026-03-15", "jam": "08:10"}
    first = receiver.event("rsud/simrs", VISIT, {**visit, "jenis": "RAWAT JALAN"})
    coded = receiver.event("rsud/simrs", VISIT, {**visit, "jenis": "RAWAT JALAN", "diagnosa": "A09.9"})
    await receiver.receive([receiver.event("rsud/simrs", PATIENT, patient(NIK)), first, coded])
    [encounter] = await resources(national, "Encounter")
    assert encounter["reasonCode"][0]["coding"][0]["code"] == "A09.9"

    gone = {"no_kunjungan": number, "membatalkan": coded.id, "alasan": "Batal"}
    await receiver.receive([receiver.event("rsud/simrs", VISIT_CANCELLED, gone)])
    [cancelled] = await resources(national, "Encounter")
    assert cancelled == {**encounter, "status": "cancelled"}
    assert receiver.reasons() == []


async def test_a_final_diagnosis_is_coded_later_mended_and_withdrawn(national: HttpServer, receiver: Receiver) -> None:
    number = "3571015/2026/03/15/000043"
    visit = {"no_kunjungan": number, "no_pasien": "3571015/000123", "nik": NIK}
    arrival = {**visit, "tanggal": "2026-03-15", "jam": "21:30", "jenis": "RAWAT INAP"}
    left = {**visit, "tanggal_keluar": "2026-03-18"}
    await receiver.receive(
        [
            receiver.event("rsud/simrs", PATIENT, patient(NIK)),
            receiver.event("rsud/simrs", VISIT, arrival),
            receiver.event("rsud/simrs", LEFT, left),
        ]
    )
    assert await resources(national, "Condition") == []
    await receiver.receive([receiver.event("rsud/simrs", LEFT, {**left, "diagnosa": "K35.9"})])
    coded = receiver.event("rsud/simrs", LEFT, {**left, "diagnosa": "K35.8"})
    await receiver.receive([coded])
    [condition] = await resources(national, "Condition")
    assert condition["code"]["coding"][0]["code"] == "K35.8"

    back = {"no_kunjungan": number, "membatalkan": coded.id, "alasan": "Masih dirawat"}
    await receiver.receive([receiver.event("rsud/simrs", BACK, back)])
    [withdrawn] = await resources(national, "Condition")
    assert withdrawn.pop("verificationStatus")["coding"][0]["code"] == "entered-in-error"
    assert withdrawn == condition
    assert receiver.reasons() == []


async def test_what_the_national_server_cannot_place_is_rejected_and_tells_no_values(
    national: HttpServer, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fhir_push, "monotonic", itertools.count(0, 20).__next__)  # half a minute is over soon
    dose = {"no_pasien": "P3571010/004711", "vaksin": "Td", "tanggal": "2026-03-15"}
    events = [
        receiver.event("rsud/simrs", PATIENT, patient(NIK)),
        receiver.event("rsud/simrs", PATIENT, patient("-", no_pasien="3571015/000124")),
        receiver.event("dinkes/epuskesmas", DOSE, {**dose, "nik": UNKNOWN}),
        receiver.event("dinkes/epuskesmas", DOSE, dose),
        receiver.event("dinkes/epuskesmas", DOSE, {**dose, "nik": NIK, "dosis_ke": 2}),
        receiver.event(
            "dinkes/epuskesmas",
            NO_DOSE,
            {"no_pasien": "P3571010/004711", "membatalkan": "f" * 32, "alasan": "Salah catat"},
        ),
    ]
    arrived = await receiver.receive(events)

    assert [each.settled for each in arrived] == ["ack", "term", "term", "term", "ack", "term"]
    assert sorted(receiver.reasons()) == [
        "kolom nik: kosong, padahal harus ada",
        "kolom nik: kosong, padahal menjadi pengenal",
        "the server has no Patient of this reference",
        "the server has no such Immunization",
    ]
    assert len(await resources(national, "Patient")) == len(await resources(national, "Immunization")) == 1

    known = receiver.event("rsud/simrs", PATIENT, patient(UNKNOWN, no_pasien="3571015/000125"))
    await receiver.receive([known, events[2]])  # registered meanwhile, and sent again
    assert len(await resources(national, "Immunization")) == 2


async def test_a_dose_waits_for_its_patient_who_is_on_the_way(national: HttpServer, receiver: Receiver) -> None:
    dose = {"no_pasien": "3571015/000123", "vaksin": "Td", "tanggal": "2026-03-15", "nik": NIK}
    receiving = asyncio.create_task(receiver.receive([receiver.event("rsud/simrs", DOSE, dose, datetime.now(UTC))]))
    await until(lambda: any("Patient?" in asked for asked in national.control_now("lihat")["requests"]))
    [registered] = await receiver.receive([receiver.event("rsud/simrs", PATIENT, patient(NIK))])
    [given] = await receiving
    assert (registered.settled, given.settled, receiver.reasons()) == ("ack", "ack", [])
    assert len(await resources(national, "Immunization")) == 1


async def test_a_patient_whom_the_national_server_knows_stays_as_it_is(
    national: HttpServer, receiver: Receiver
) -> None:
    identifier = [{"system": "https://fhir.kemkes.go.id/id/nik", "value": NIK}]
    known = {"resourceType": "Patient", "identifier": identifier, "name": [{"text": "NAMA MENURUT DUKCAPIL"}]}
    await national.control("simpan", known)
    await receiver.receive([receiver.event("rsud/simrs", PATIENT, patient(NIK))])
    assert await resources(national, "Patient") == [known]
