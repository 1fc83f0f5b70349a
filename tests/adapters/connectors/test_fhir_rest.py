"""fhir_rest: what is FHIR's alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.connectors import fhir_paths
from adapters.connectors.fhir_rest import FhirRest, FhirRestConfig
from bus.errors import AccessError, ConfigError, Unavailable
from bus.testing.lines import Line, rounds, until
from tests.adapters.connectors.deliveries import delivery
from tests.adapters.connectors.fhir_office import SourceOffice, opened, push, rest
from tests.adapters.connectors.fhir_store import KEY
from tests.adapters.connectors.http_server import HttpServer
from tests.adapters.connectors.sql_application import stored
from tests.servers.proxy import Proxy

NIK = "https://fhir.kemkes.go.id/id/nik"
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [
        {"system": "urn:lain", "value": "7"},
        {"system": NIK, "use": "official", "value": "3571010101900001"},
    ],
    "name": [{"text": "Uji Coba", "given": ["Uji", "Coba"]}, {"text": "Nama Lama"}],
    "gender": "male",
    "birthDate": "1990-01-01",
}
IMMUNIZATION: dict[str, Any] = {
    "resourceType": "Immunization",
    "id": "i1",
    "status": "completed",
    "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "08"}]},
    "patient": {"reference": "Patient/p1"},
    "occurrenceDateTime": "2026-03-15",
    "protocolApplied": [{"doseNumberPositiveInt": 1}],
}


def visit(number: int, kind: str = "AMB") -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": f"v{number}",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": kind},
        "subject": {"reference": "Patient/p1"},
    }


def diagnosis(number: int, code: str = "A09.9") -> dict[str, Any]:
    local = {"system": "urn:lokal", "code": "DIARE"}
    return {
        "resourceType": "Condition",
        "id": f"d{number}",
        "code": {"coding": [local, {"system": "http://hl7.org/fhir/sid/icd-10", "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": f"Encounter/v{number}"},
    }


async def read_all(source: FhirRest) -> list[dict[str, Any]]:
    """One reading of all types to its end: the data of what was new."""
    found: list[dict[str, Any]] = []
    while batch := await source.read():
        found += [dict(record.data) for record in batch.records]
        await source.commit(batch, [])
        if not batch.more:
            break
    return found


async def test_several_types_each_from_where_it_was(fhir_server: HttpServer) -> None:
    resources = {
        "Patient": {"nik": f"identifier.where(system='{NIK}').value", "nama": "name[0].text"},
        "Immunization": {
            "vaksin": "vaccineCode.coding.where(system='http://hl7.org/fhir/sid/cvx').code",
            "dosis": "protocolApplied[0].doseNumberPositiveInt",
            "pasien": "patient.reference",
            "kosong": "lotNumber",
        },
    }
    await fhir_server.control("simpan", PATIENT)
    await fhir_server.control("simpan", IMMUNIZATION)
    async with opened(rest(fhir_server.url, resources=resources, overlap=0)) as source:
        batches = [await source.read(), await source.read()]
        assert [record.key for batch in batches for record in batch.records] == ["Patient/p1", "Immunization/i1"]
        patient, dose = (batch.records[0] for batch in batches)
        assert patient.data == {"resourceType": "Patient", "id": "p1", "nik": "3571010101900001", "nama": "Uji Coba"}
        assert dose.data == {
            "resourceType": "Immunization",
            "id": "i1",
            "vaksin": "08",
            "dosis": 1,
            "pasien": "Patient/p1",
            "kosong": None,
        }
        assert patient.mark.startswith("1 20")
        assert patient.at is not None
        assert patient.place == "Patient"
        position = batches[-1].position
        assert set(position) == {"Patient", "Immunization"}
        state = await source.state()
        assert state.position == f"Patient {position['Patient']}, Immunization {position['Immunization']}"
        assert (await source.reread("Patient/p1")) == patient
        assert await source.reread("Patient/tidak-ada") is None
        assert await source.reread("Encounter/x") is None

    await fhir_server.control("simpan", {**IMMUNIZATION, "status": "not-done"})
    await fhir_server.control("simpan", {**PATIENT, "id": "p2"})
    again = rest(fhir_server.url, resources=resources, overlap=0)
    await again.open(stored(position))
    assert [data["id"] for data in await read_all(again)][-2:] == ["p2", "i1"]
    await again.close()


async def test_visits_and_diagnoses_become_events_page_by_page(
    fhir_server: HttpServer, proxy: Callable[[str], Awaitable[Proxy]], tmp_path: Path
) -> None:
    resources = {
        "Encounter": {"kunci": "id", "nilai": "class.code"},
        "Condition": {
            "kunci": "encounter.reference",
            "nilai": "code.coding.where(system='http://hl7.org/fhir/sid/icd-10').code",
        },
    }
    await fhir_server.control("simpan", PATIENT)
    for number in range(25):
        await fhir_server.control("simpan", visit(number))
        await fhir_server.control("simpan", diagnosis(number))
    office = SourceOffice(fhir_server, await proxy(fhir_server.url), resources=resources, size=10, overlap=0)
    line = Line(office, tmp_path)
    async with line.running():
        await until(lambda: line.streams.count >= 50)
        await rounds(line)
        assert line.streams.count == 50, "what comes again unchanged is no event"
        await fhir_server.control("simpan", visit(3, "EMER"))
        await fhir_server.control("simpan", diagnosis(4, "A00.1"))
        await until(lambda: line.streams.count >= 52)

    before = [(f"v{number}", "AMB") for number in range(25)]
    before += [(f"Encounter/v{number}", "A09.9") for number in range(25)]
    assert Counter(line.emitted()[:50]) == Counter(before)
    assert sorted(line.emitted()[50:]) == [("Encounter/v4", "A00.1"), ("v3", "EMER")]
    assert not line.streams.letters
    requests = (await fhir_server.control("lihat"))["requests"]
    for kind in resources:
        asked = [each for each in requests if each.startswith(f"GET {kind}?")]
        assert [each.partition("_halaman=")[2] for each in asked[:3]] == ["", "10", "20"]
        assert "_lastUpdated=ge" in asked[-1]


async def test_what_the_bus_wrote_is_left_out_until_somebody_changes_it(fhir_server: HttpServer) -> None:
    update = push(fhir_server.url, mode="update", identifier=f"{KEY}|{{kunci}}")
    async with opened(rest(fhir_server.url)) as source, opened(update) as sink:
        await sink.apply([delivery("1", "dari bus")], None)
        await fhir_server.control("tulis", [(2, "dari orang")])
        assert [data["kunci"] for data in await read_all(source)] == ["2"]

        (written, _) = (await fhir_server.control("isi", "Patient"))["resources"]
        written["name"][0]["text"] = "diubah orang"  # whose client sends `meta` back as it was
        await fhir_server.control("simpan", written)
        assert [data["nilai"] for data in await read_all(source)] == ["diubah orang"]

        await sink.apply([delivery("1", "dari bus lagi", version=8)], None)
        assert await read_all(source) == []


async def test_a_token_that_is_withdrawn_is_renewed_once(fhir_server: HttpServer) -> None:
    async with opened(rest(fhir_server.url)) as source:
        await fhir_server.control("tulis", [(1, "isi")])
        assert len(await read_all(source)) == 1
        await fhir_server.control("cabut")
        await fhir_server.control("tulis", [(2, "isi")])
        assert len(await read_all(source)) == 1
    for wrong in ({"client_secret": "salah"}, {"token_url": None, "client_id": None, "client_secret": None}):
        async with opened(rest(fhir_server.url, **wrong)) as source:
            with pytest.raises(AccessError):
                await source.read()


async def test_a_busy_server_is_left_alone_and_read_on_from_its_page(fhir_server: HttpServer) -> None:
    await fhir_server.control("tulis", [(key, "isi") for key in range(50)])
    source = rest(fhir_server.url, size=10)
    await source.open(None)
    batch = await source.read()
    assert batch is not None
    await source.commit(batch, [])
    await fhir_server.control("atur", {"waits": ["1"], "requests": []})
    with pytest.raises(Unavailable, match="429"):
        await source.read()
    await source.close()
    await source.open(batch.position)
    with pytest.raises(Unavailable, match="left alone"):
        await source.read()
    await source.close()
    keys = {record.key for record in batch.records}
    async with asyncio.timeout(20):
        while len(keys) < 50:
            await source.open(batch.position)
            try:
                keys |= {f"Patient/{data['id']}" for data in await read_all(source)}
            except Unavailable:
                await asyncio.sleep(0.05)
            await source.close()
    pages = [asked.partition("_halaman=")[2] for asked in (await fhir_server.control("lihat"))["requests"]]
    assert pages == ["10", "10", "20", "30", "40"]


async def test_a_page_that_the_server_has_forgotten(fhir_server: HttpServer) -> None:
    await fhir_server.control("tulis", [(key, "isi") for key in range(50)])
    async with opened(rest(fhir_server.url, size=10)) as source:
        await source.commit(await source.read(), [])
        await fhir_server.control("atur", {"forgets": 1})
        assert len(await read_all(source)) == 40
        await fhir_server.control("atur", {"forgets": 1})
        assert await read_all(source) == []  # what took several pages is asked for twice
        await fhir_server.control("tulis", [(key, "lain") for key in range(50)])
        await fhir_server.control("atur", {"forgets": 99})
        with pytest.raises(ConfigError, match="HTTP 410"):
            await read_all(source)


async def test_what_is_no_fhir_server(fhir_server: HttpServer, http_server: HttpServer) -> None:
    unknown = {"Practitioner": {"nama": "name.text"}}
    async with opened(rest(fhir_server.url, resources=unknown)) as source:
        with pytest.raises(ConfigError, match="HTTP 404"):
            await source.read()
    async with opened(rest(fhir_server.url, url=f"{http_server.url}/gema")) as source:
        with pytest.raises(ConfigError, match="no Bundle"):
            await source.read()
    await fhir_server.control("tulis", [(1, "isi"), (2, "isi")])
    await fhir_server.control("atur", {"address": "http://hapi.internal:8080/"})
    async with opened(rest(fhir_server.url, size=1)) as source:
        with pytest.raises(ConfigError, match=r"next page at http://hapi\.internal:8080"):
            await source.read()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("birthDate", "1990-01-01"),
        ("name.text", "Uji Coba"),
        ("name[1].text", "Nama Lama"),
        ("name[0].given[1]", "Coba"),
        ("name.given[1]", "Coba"),
        ("name[2].text", None),
        (f"identifier.where(system = '{NIK}').value", "3571010101900001"),
        ("identifier.where(use='official')[0].system", NIK),
        ("identifier.where(system='urn:tiada').value", None),
        ("birthDate.sub", None),
    ],
)
def test_paths(path: str, value: Any) -> None:
    assert fhir_paths.first(PATIENT, fhir_paths.parsed(path)) == value


@pytest.mark.parametrize("path", ["", ".a", "a.", "a..b", "a[x]", "a.where(b=c)", "a b", "1a"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        fhir_paths.parsed(path)
    with pytest.raises(ValidationError):
        FhirRestConfig.model_validate({"url": "https://a.example", "resources": {"Patient": {"x": path}}})


@pytest.mark.parametrize("options", [{"resources": {}}, {"resources": {"patient": {}}}, {"size": 0}, {"url": "a"}])
def test_options_that_do_not_fit(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FhirRestConfig.model_validate({"url": "https://a.example", "resources": {"Patient": {}}, **options})
