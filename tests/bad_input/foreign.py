"""What foreign clients send: CloudEvents that are none, or nearly one, each with what the bus says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bus.subjects import AppName
from tests.bad_input.offices import DEATH
from tests.bad_input.persons import GUEST, PERSONS, PLANTED, Person
from tests.bus.security.offices import desk

SIAK = AppName("dukcapil", "siak")
PREFIX = f"opd.dukcapil.siak.{DEATH}"
STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
DEEP = b"[" * 1_500  #: deeper than any parser follows


def data(person: Person, **changed: object) -> dict[str, Any]:
    """The body of a death."""
    return {
        "nik": person.nik,
        "nama": person.nama,
        "tempat": person.alamat,
        "no_akta": person.telepon,
        "tanggal_meninggal": "2026-03-15",
    } | changed


def attributes(number: int, **changed: str) -> dict[str, str]:
    """The attributes of a well-formed event."""
    return {
        "specversion": "1.0",
        "id": f"asing-{number}",
        "source": "/kediri/dukcapil/siak",
        "type": f"id.go.kedirikota.{DEATH}",
        "subject": f"TOKENASING{number:06d}",
        "time": "2026-03-15T08:00:00+07:00",
    } | changed


@dataclass(frozen=True)
class Letter:
    """One message. ``reason`` is part of its dead letter's; empty: it is applied in spite of all."""

    name: str
    reason: str = ""
    changed: Mapping[str, str] = field(default_factory=dict)
    without: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    structured: bool = False
    person: Person = PERSONS[0]

    def message(self, number: int) -> tuple[str, dict[str, str], bytes]:
        """Subject, headers and body."""
        values = attributes(number, **self.changed)
        values.pop(self.without, None)
        subject = f"{PREFIX}.TOKENASING{number:06d}"
        body = data(self.person)
        if self.structured:
            whole = json.dumps({**values, "data": body}).encode()
            return subject, {**STRUCTURED, **self.headers}, whole if self.body is None else self.body
        named = {f"ce-{name}": value for name, value in values.items()}
        return subject, {**named, **self.headers}, json.dumps(body).encode() if self.body is None else self.body


REFUSED = [
    Letter("without an id", "no ce-id", without="id"),
    Letter("without anything", "no ce-id and no ce-source", changed=dict.fromkeys(attributes(0), "")),
    Letter("of an older version", "ce-specversion is not 1.0", {"specversion": "0.3"}),
    Letter("with an endless id", "ce-id is not", {"id": "x" * 65}),
    Letter("with a name as its id", "ce-id is not", {"id": GUEST.nama}, structured=True, person=GUEST),
    Letter("of another source", "ce-source is not the application of the subject", {"source": "/kediri/rsud/simrs"}),
    Letter("with a NIK as its token", "ce-subject is not the key token", {"subject": GUEST.nik}, person=GUEST),
    Letter("of another type", "ce-type is not", {"type": "id.go.kedirikota.kependudukan.penduduk.lahir.v1"}),
    Letter("without an offset", "ce-time is not RFC 3339", {"time": "2026-03-15T08:00:00"}),
    Letter("with a hop that is no digit", "ce-hop is not a number", headers={"ce-hop": "²"}),
    Letter("with too many hops", "more than 8 follow-ups", headers={"ce-hop": "99"}),
    Letter("that is no JSON", "bukan JSON yang benar", body=f"<nik>{PERSONS[2].nik}</nik>".encode()),
    Letter("that is too deep", "bukan JSON yang benar", body=DEEP),
    Letter("without its key", "nik: belum diisi", body=json.dumps(data(PERSONS[2], nik=None)).encode()),
    Letter(
        "with a wrong type", "tanggal_meninggal: ", body=json.dumps(data(PERSONS[3], tanggal_meninggal=[1])).encode()
    ),
    Letter("broken in structured mode", "the body is not JSON", structured=True, body=b'{"specversion": "1.0", '),
    Letter("too deep in structured mode", "the body is not JSON", structured=True, body=DEEP),
    Letter("a list in structured mode", "not a JSON object", structured=True, body=b"[]"),
    Letter("without an id in structured mode", "no ce-id", without="id", structured=True),
    Letter(
        "with broken base64",
        "data_base64 is not base64",
        structured=True,
        body=json.dumps({**attributes(7), "data_base64": "***"}).encode(),
    ),
    Letter(
        "that passes for a redrive",
        "ce-source is not the application of the subject",
        {"source": "/kediri/rsud/simrs"},
        headers={"Bus-Origin": "OPD_DUKCAPIL:1"},
    ),
    Letter("that passes for a decision", "bukan JSON", headers={"Bus-Origin": "x", "Bus-Discard": "true"}, body=b"?"),
]
APPLIED = [
    Letter("in structured mode", structured=True, person=PERSONS[2]),
    Letter("with a broken traceparent", headers={"traceparent": "00-zz-zz-zz"}, person=PERSONS[3]),
    Letter(
        "with a broken tracestate",
        headers={"traceparent": f"00-{'0' * 32}-{'0' * 16}-01", "tracestate": f"bus={'z' * 32}-{'z' * 16}"},
        person=PERSONS[4],
    ),
    Letter("of the planted person", headers={"x-nama": PLANTED.nama}, person=PLANTED),
]


async def send(home: Path, url: str) -> None:
    """Publishes all of it with the application's own credential, as a program that knows nothing of the bus would."""
    async with desk(home, url, SIAK) as client:
        for number, letter in enumerate([*REFUSED, *APPLIED]):
            subject, headers, body = letter.message(number)
            present = {name: value for name, value in headers.items() if value}
            await client.client.publish(subject, body, headers=present or None)
        await client.client.flush()
