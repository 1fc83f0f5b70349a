"""fhir_push: what is FHIR's alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.connectors.fhir import Mark, check, digest_of, is_echo, issues_of
from adapters.connectors.fhir_push import FhirPush, FhirPushConfig
from adapters.connectors.fhir_template import ResourceTemplate
from adapters.connectors.http import Answer
from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable
from bus.testing.targets import Target, numbered
from tests.adapters.connectors.deliveries import delivery
from tests.adapters.connectors.fhir_office import CONTEXT, PATIENT, SinkOffice, opened, push
from tests.adapters.connectors.fhir_store import EVENT, KEY
from tests.adapters.connectors.http_server import HttpServer
from tests.servers.proxy import Proxy

DOSE = {
    "resourceType": "Immunization",
    "status": "completed",
    "vaccineCode": {"text": "{nilai}"},
    "patient": {"reference": f"Patient?identifier={KEY}|{{kunci}}"},
    "occurrenceDateTime": "2026-03-15",
}
VISIT = {
    "resourceType": "Encounter",
    "status": "finished",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "{nilai}"},
    "subject": {"reference": f"Patient?identifier={KEY}|{{kunci}}"},
}
DIAGNOSIS = {
    "resourceType": "Condition",
    "clinicalStatus": {"coding": [{"code": "active"}]},
    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "{nilai}"}]},
    "subject": {"reference": f"Patient?identifier={KEY}|{{kunci}}"},
    "encounter": {"reference": "Encounter?identifier=urn:kunjungan|{kunci}"},
}


async def of_server(server: HttpServer, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await server.control("isi", kind))["resources"]
    return found


async def test_a_fact_is_made_once_and_its_patient_is_looked_up(fhir_server: HttpServer) -> None:
    await fhir_server.control("tulis", [("a|b,c$ &=", "Uji")])
    async with opened(push(fhir_server.url, resource=DOSE, patience=0)) as sink:
        await sink.apply([delivery("a|b,c$ &=", "HB-0")], None)
        await sink.apply([delivery("a|b,c$ &=", "HB-0")], None)
        with pytest.raises(Rejected, match="no Patient of this reference"):
            await sink.apply([delivery("tiada", "HB-0")], None)
        await fhir_server.control("simpan", {**PATIENT, "identifier": [{"system": KEY, "value": "a|b,c$ &="}]})
        with pytest.raises(Rejected, match="several Patient"):
            await sink.apply([delivery("a|b,c$ &=", "HB-1")], None)
    (dose,) = await of_server(fhir_server, "Immunization")
    assert dose["patient"] == {"reference": "Patient/ka|b,c$ &="}
    assert dose["identifier"] == [{"system": EVENT, "value": "e" * 32}]
    assert dose["meta"]["source"].startswith("urn:opd-bus:OPD_UJI:7:")


async def test_what_an_event_refers_to_may_be_on_its_way(fhir_server: HttpServer) -> None:
    early = delivery("k1", "HB-0")  # its time is long past: the server may have been away since
    withdrawn = {"resourceType": "Immunization", "status": "entered-in-error"}
    dose, withdrawal = push(fhir_server.url, resource=DOSE), push(fhir_server.url, resource=withdrawn, mode="patch")
    async with opened(dose) as first, opened(withdrawal) as second:
        with pytest.raises(Unavailable, match="no such Immunization"):
            await second.apply([early], None)
        with pytest.raises(Unavailable, match="no Patient of this reference"):
            await first.apply([early], None)
        await fhir_server.control("tulis", [("k1", "Uji")])
        await first.apply([early], None)
        await second.apply([replace(early, version=8)], None)
    [dose] = await of_server(fhir_server, "Immunization")
    assert dose["status"] == "entered-in-error"


async def test_what_is_missing_for_long_is_not_waited_for(fhir_server: HttpServer) -> None:
    async with opened(push(fhir_server.url, resource=DOSE, patience=0.3)) as sink:
        first, told = monotonic(), set[type[BusError]]()
        while Rejected not in told:
            with pytest.raises((Unavailable, Rejected), match="no Patient") as missing:
                await sink.apply([delivery("k2", "HB-0")], None)
            told.add(missing.type)
    assert Unavailable in told
    assert monotonic() - first > 0.3


@pytest.mark.parametrize(
    ("server", "options"), [({"heeds_conditions": False}, {"look": True}), ({"own_rule": True}, {})]
)
async def test_a_fact_is_made_once_whatever_the_server_heeds(
    fhir_server: HttpServer, server: dict[str, Any], options: dict[str, Any]
) -> None:
    await fhir_server.control("atur", server)
    async with opened(push(fhir_server.url, **options)) as sink:
        for _ in range(3):
            await sink.apply([delivery()], None)
    assert len(await of_server(fhir_server, "Patient")) == 1


async def test_a_condition_finds_its_encounter(fhir_server: HttpServer) -> None:
    await fhir_server.control("tulis", [("k1", "Uji")])
    visits = push(
        fhir_server.url, resource=VISIT, identifier="urn:kunjungan|{kunci}", codes={"nilai": {"RALAN": "AMB"}}
    )
    conditions = push(fhir_server.url, resource=DIAGNOSIS, identifier="urn:diagnosis|{kunci}", mode="update")
    async with opened(visits) as first, opened(conditions) as second:
        await first.apply([delivery(nilai="RALAN")], None)
        await second.apply([delivery(nilai="A09.9"), delivery(nilai="A00.1", version=8)], None)
    [encounter] = await of_server(fhir_server, "Encounter")
    [condition] = await of_server(fhir_server, "Condition")
    assert encounter["class"]["code"] == "AMB"
    assert condition["encounter"] == {"reference": f"Encounter/{encounter['id']}"}
    assert condition["subject"] == {"reference": "Patient/kk1"}
    assert (condition["code"]["coding"][0]["code"], condition["meta"]["versionId"]) == ("A00.1", "2")


async def test_a_withdrawal_changes_what_it_names_alone(fhir_server: HttpServer) -> None:
    withdrawn = {"resourceType": "Immunization", "status": "entered-in-error"}
    await fhir_server.control("tulis", [("k1", "Uji")])
    async with (
        opened(push(fhir_server.url, resource=DOSE, required=["nilai"])) as dose,
        opened(push(fhir_server.url, resource=withdrawn, mode="patch", patience=0)) as withdrawal,
    ):
        with pytest.raises(Rejected, match="no such Immunization"):
            await withdrawal.apply([delivery("k1", version=8)], None)
        await dose.apply([delivery("k1", "HB-0")], None)
        for _ in range(2):
            await withdrawal.apply([delivery("k1", version=8)], None)
        await dose.apply([delivery("k1", "HB-0")], None)  # comes again
    (patched,) = await of_server(fhir_server, "Immunization")
    assert (patched["status"], patched["vaccineCode"]) == ("entered-in-error", {"text": "HB-0"})
    assert patched["meta"]["versionId"] == "2"
    assert is_echo(patched)


async def test_states_are_replaced_in_the_order_of_their_events(fhir_server: HttpServer) -> None:
    options = {"mode": "update", "identifier": f"{KEY}|{{kunci}}"}
    async with opened(push(fhir_server.url, **options)) as sink:
        await sink.apply([delivery(nilai="satu", version=7)], None)
        await fhir_server.control("atur", {"races": 2})
        await sink.apply([delivery(nilai="dua", version=8)], None)  # somebody writes in between, twice
        await sink.apply([delivery(nilai="lama", version=6)], None)
        assert (await fhir_server.control("lihat"))["rows"] == {"k1": "dua"}
        await fhir_server.control("atur", {"races": 99})
        with pytest.raises(Unavailable, match="changes at the same time"):
            await sink.apply([delivery(nilai="tiga", version=9)], None)
        await fhir_server.control("atur", {"races": 0})
        await fhir_server.control("simpan", {**PATIENT, "identifier": [{"system": KEY, "value": "k1"}]})
        with pytest.raises(Rejected, match="several Patient"):
            await sink.apply([delivery(nilai="empat", version=10)], None)


@pytest.mark.parametrize("resource", [VISIT, DIAGNOSIS], ids=["Encounter", "Condition"])
async def test_visits_and_diagnoses_are_made_once_and_replaced_in_order(
    fhir_server: HttpServer, resource: dict[str, Any]
) -> None:
    await fhir_server.control("tulis", [("k1", "Uji")])
    known = {"resourceType": "Encounter", "id": "v1", "identifier": [{"system": "urn:kunjungan", "value": "k1"}]}
    await fhir_server.control("simpan", {**VISIT, **known, "subject": {"reference": "Patient/kk1"}})
    kind = str(resource["resourceType"])
    fact, state = {"identifier": "urn:fakta|{kunci}"}, {"identifier": "urn:keadaan|{kunci}", "mode": "update"}

    async def named(system: str) -> list[dict[str, Any]]:
        return [each for each in await of_server(fhir_server, kind) if each["identifier"][0]["system"] == system]

    async with (
        opened(push(fhir_server.url, resource=resource, **fact)) as create,
        opened(push(fhir_server.url, resource=resource, **state)) as update,
    ):
        for code, version in (("A09.9", 7), ("A00.1", 8)):
            await create.apply([delivery(nilai=code, version=version)], None)
            await update.apply([delivery(nilai=code, version=version)], None)
        await fhir_server.control("atur", {"races": 1})
        await update.apply([delivery(nilai="A00.9", version=9), delivery(nilai="A09.9", version=7)], None)
    [made], [replaced] = await named("urn:fakta"), await named("urn:keadaan")
    assert "A09.9" in json.dumps(made)
    assert made["meta"]["versionId"] == "1"
    assert "A00.9" in json.dumps(replaced)
    assert replaced["meta"]["versionId"] == "4"  # made, replaced, touched by somebody, replaced
    assert replaced["subject"] == {"reference": "Patient/kk1"}
    assert is_echo(replaced)


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        ({name.replace("class", "class_fhir"): value for name, value in VISIT.items()}, "structure Encounter"),
        ({**VISIT, "actualPeriod": {"start": "2026-03-15"}}, "invalid Encounter.actualPeriod"),  # of R5
        ({**VISIT, "fhir_comments": ["{nilai}"]}, "structure Encounter"),  # of DSTU2
        ({**DIAGNOSIS, "onsetString": "kemarin", "onsetDateTime": "2026-03-15"}, "invalid Condition"),
        ({**PATIENT, "active": "true"}, "structure Patient"),
    ],
)
async def test_what_is_no_resource_of_r4_is_refused(
    fhir_server: HttpServer, resource: dict[str, Any], told: str
) -> None:
    await fhir_server.control("tulis", [("k1", "Uji")])
    known = {"resourceType": "Encounter", "identifier": [{"system": "urn:kunjungan", "value": "k1"}]}
    await fhir_server.control("simpan", {**VISIT, **known, "subject": {"reference": "Patient/kk1"}})
    async with opened(push(fhir_server.url, resource=resource)) as sink:
        with pytest.raises(Rejected, match=f"HTTP 422: {told}$"):
            await sink.apply([delivery()], None)


async def test_a_server_that_drops_the_mark_is_written_all_the_same(fhir_server: HttpServer) -> None:
    await fhir_server.control("atur", {"keeps_source": False})
    async with opened(push(fhir_server.url, mode="update", identifier=f"{KEY}|{{kunci}}")) as sink:
        for version, value in enumerate(["satu", "dua"], 7):
            await sink.apply([delivery(nilai=value, version=version)], None)
    assert [patient["name"] for patient in await of_server(fhir_server, "Patient")] == [[{"text": "dua"}]]


async def test_a_server_that_fails_on_purpose_has_each_event_once(
    fhir_server: HttpServer, proxy: Any, tmp_path: Path
) -> None:
    # At every 7th request: 503 with Retry-After, or it is done and the answer says 500.
    await fhir_server.control("atur", {"fails_every": 7})
    door: Proxy = await proxy(fhir_server.url)
    office = SinkOffice(fhir_server, door, mode="update", identifier=f"{KEY}|{{kunci}}")
    target = Target(office, tmp_path)
    messages = numbered([(f"k{number % 40}", f"isi {number}") for number in range(200)])
    await target.deliver(messages)
    assert not target.streams.letters
    assert sorted(await office.writes()) == sorted(message.id for message in messages)
    assert await office.rows() == {f"k{number % 40}": f"isi {number}" for number in range(160, 200)}


async def test_a_refusal_tells_codes_and_elements_and_no_values(fhir_server: HttpServer) -> None:
    await fhir_server.control("atur", {"refused": "rahasia"})
    wrong = {**PATIENT, "birthDate": "{nilai}"}
    for resource, told in (
        (PATIENT, "HTTP 422: business-rule Patient.name[0].text"),
        (wrong, "HTTP 422: invalid Patient.birthDate"),
    ):
        async with opened(push(fhir_server.url, resource=resource)) as sink:
            with pytest.raises(Rejected) as caught:
                await sink.apply([delivery(nilai="rahasia sekali")], None)
        assert told in str(caught.value)
        assert "rahasia" not in str(caught.value)
    lost = {**PATIENT, "managingOrganization": {"reference": "Organization/tiada"}}
    async with opened(push(fhir_server.url, resource=lost)) as sink:
        with pytest.raises(Rejected, match=r"HTTP 422: not-found$"):
            await sink.apply([delivery()], None)
    assert await of_server(fhir_server, "Patient") == []


@pytest.mark.parametrize(
    ("statuses", "error"),
    [
        ((400, 409, 410, 412, 422), Rejected),
        ((401, 403), AccessError),
        ((404, 405), ConfigError),
        ((408, 429, 500, 503), Unavailable),
    ],
)
async def test_what_an_answer_means(http_server: HttpServer, statuses: tuple[int, ...], error: type[BusError]) -> None:
    given = {"url": f"{http_server.url}/jawab", "allow_local": True, "identifier": f"{EVENT}|{{$id}}"}
    config = FhirPushConfig.model_validate({**given, "resource": {"resourceType": "Patient"}})
    for status in statuses:
        async with opened(FhirPush(config, CONTEXT)) as sink:
            sink._type = str(status)  # the address says what is answered
            with pytest.raises(error) as caught:
                await sink.apply([delivery()], None)
        assert type(caught.value) is error


def test_issues_hold_no_values() -> None:
    issue = {
        "code": "value",
        "expression": ["Patient.identifier.where(value='3571010101900001')"],
        "diagnostics": "Siti",
    }
    listed = [issue, {"code": "Siti Aminah"}, "x", {"code": "required", "location": ["Patient.name[0]"]}]
    body = json.dumps({"resourceType": "OperationOutcome", "issue": listed}).encode()
    assert issues_of(Answer(422, {}, {}, body)) == [("value", ""), ("required", "Patient.name[0]")]
    for body in (b"", b"[]", b'{"issue": 1}', b"<html>"):
        assert issues_of(Answer(422, {}, {}, body)) == []


def test_what_is_empty_is_left_out_with_what_belongs_to_it_alone() -> None:
    template = ResourceTemplate(
        {
            "resourceType": "Encounter",
            "class": {"system": "http://x", "code": "{jenis}"},
            "identifier": [{"system": "urn:nik", "value": "{nik}"}, {"system": "urn:rm", "value": "{no}"}],
            "period": {"start": "{tanggal}T{jam}:00+07:00"},
            "reasonCode": [{"coding": [{"system": "icd", "code": "{diagnosa}"}]}],
            "serviceProvider": {"reference": "Organization/10000004"},
            "length": {"value": "{lama}", "unit": "d"},
            "subject": {"reference": "Patient?identifier=urn:nik|{no}", "display": "{kosong}"},
        },
        {"jenis": {"RAWAT JALAN": "AMB"}},
        "uji",
    )
    values: dict[str, Any] = {
        **dict.fromkeys(("nik", "diagnosa", "kosong")),
        "jenis": "RAWAT JALAN",
        "no": "1|2/3",
        "tanggal": date(2026, 3, 15),
        "jam": "08:10",
        "lama": Decimal("1.50"),
    }
    assert template.filled(values) == {
        "resourceType": "Encounter",
        "class": {"system": "http://x", "code": "AMB"},
        "identifier": [{"system": "urn:rm", "value": "1|2/3"}],
        "period": {"start": "2026-03-15T08:10:00+07:00"},
        "serviceProvider": {"reference": "Organization/10000004"},
        "length": {"value": 1.5, "unit": "d"},
        "subject": {"reference": "Patient?identifier=urn:nik|1%5C%7C2%2F3"},
    }
    assert "period" not in template.filled({**values, "jam": None})
    assert template.token("urn:rm|a-{no}", values) == ("urn:rm", "a-1|2/3")
    with pytest.raises(Rejected, match="kolom nik: kosong"):
        template.token("urn:nik|{nik}", values)
    with pytest.raises(Rejected, match="kolom jenis: nilainya tidak ada") as caught:
        template.filled({**values, "jenis": "RAHASIA"})
    assert "RAHASIA" not in str(caught.value)
    with pytest.raises(ConfigError, match="names no, which is not in `fields`"):
        template.filled({name: value for name, value in values.items() if name != "no"})


@pytest.mark.parametrize(
    ("code", "error"),
    [("forbidden", AccessError), ("login", AccessError), ("", AccessError), ("business-rule", Rejected)],
)
def test_a_403_may_be_about_one_resource(code: str, error: type[BusError]) -> None:
    body = json.dumps({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}).encode()
    with pytest.raises(error):
        check(Answer(403, {}, {}, body), "uji")


def test_a_mark_knows_what_was_written() -> None:
    resource = {"resourceType": "Observation", "valueQuantity": {"value": 12.5}, "note": [{"text": "x"}]}
    mark = Mark("OPD_RSUD", 12, digest_of(resource))
    assert Mark.of({"meta": {"source": f"{mark}#permintaan"}}) == mark
    back = {**resource, "valueQuantity": {"value": Decimal("12.50")}, "id": "7", "text": {"status": "generated"}}
    assert is_echo({**back, "meta": {"versionId": "3", "source": str(mark)}})
    assert not is_echo({**back, "note": [{"text": "y"}], "meta": {"source": str(mark)}})
    for other in ({}, {"meta": None}, {"meta": {"source": 5}}, {"meta": {"source": "urn:uuid:1"}}):
        assert Mark.of(other) is None


@pytest.mark.parametrize(
    "options",
    [
        {"resource": {}},
        {"resource": {"resourceType": "patient"}},
        {"identifier": "urn:x"},
        {"identifier": "urn:x|tetap"},
        {"mode": "replace"},
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any]) -> None:
    given = {"url": "https://a.example", "identifier": "urn:x|{nik}", "resource": {"resourceType": "Patient"}}
    with pytest.raises(ValidationError):
        FhirPushConfig.model_validate({**given, **options})


def test_it_says_what_fields_it_needs() -> None:
    given = {
        "url": "https://a.example",
        "identifier": "urn:x|{nik}",
        "resource": {**PATIENT, "a": [{"b": "{c} {$time}"}]},
    }
    assert FhirPush.needs(FhirPushConfig.model_validate(given)) == {"nik", "kunci", "nilai", "c"}
