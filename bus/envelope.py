"""The event on the wire: CloudEvents 1.0, binary mode on NATS (attributes in headers, JSON data as body).

Structured mode (``content-type: application/cloudevents+json``) is accepted from foreign clients. Header names are
read without regard to case. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from bus.errors import EnvelopeError
from bus.headers import Headers

CONTENT_TYPE = "application/json"
STRUCTURED = "application/cloudevents+json"
END = "\r\n"  #: of a header line
SPEC_LINES = f"ce-specversion: 1.0\r\nce-datacontenttype: {CONTENT_TYPE}\r\n"
MINUTE = timedelta(minutes=1)
MAX_HOPS = 8  #: a follow-up of a follow-up …: more is a loop between departments

_REQUIRED = ("ce-id", "ce-source", "ce-type", "ce-subject", "ce-time")
# The names as this module writes them, and what delivery adds: anything else may be the same in another case.
_AS_WRITTEN = frozenset(
    [
        *(
            f"ce-{name}"
            for name in ("specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype")
        ),
        *("ce-pihak", "ce-hop", "traceparent", "tracestate"),
        *("Nats-Trace-Dest", "Nats-Msg-Id", "Nats-Batch-Id", "Nats-Batch-Sequence"),
    ]
)
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_ID = re.compile(r"[!-~]{1,64}")  # it becomes a key in inboxes and a word in receipts and logs
_HOP = re.compile(r"[0-9]{1,3}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_DELIVERY = r"(?:Nats-[^:\r]+: [^\r]+\r\n)*"
#: The lines of ``common_lines`` and ``own_lines`` in their order, and the headers of delivery around them.
_AS_ONE = re.compile(
    rf"{_DELIVERY}{re.escape(SPEC_LINES)}ce-source: ([!-~]+)\r\nce-type: ([!-~]+)\r\n(?:ce-dataschema: ([!-~]+)\r\n)?"
    rf"ce-id: ({_ID.pattern})\r\nce-subject: ([!-~]+)\r\nce-time: ({_TIME.pattern})\r\n"
    rf"(?:traceparent: ({_TRACEPARENT.pattern})\r\n)?"
    rf"(?:ce-pihak: ([!-~]+)\r\n)?(?:ce-hop: ({_HOP.pattern})\r\n)?"
    rf"{_DELIVERY}(?:tracestate: ([!-~]+)\r\n)?{_DELIVERY}\r\n",
    re.ASCII,
).fullmatch


class Event(NamedTuple):
    """A CloudEvent. ``subject`` is the key token, ``time`` RFC 3339 with offset, ``data`` the JSON body as bytes."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    data: bytes
    dataschema: str = ""
    parties: tuple[str, ...] = ()  #: key tokens of others concerned, extension ``pihak``
    hop: int = 0  #: how many events this one follows from
    traceparent: str = ""
    tracestate: str = ""

    def headers(self) -> dict[str, str]:
        """The NATS headers of this event, without those of delivery (``Nats-*``)."""
        lines = common_lines(self.source, self.type, self.dataschema) + self.own_lines()
        return dict(line.split(": ", 1) for line in lines.split(END)[:-1])

    def own_lines(self) -> str:
        """The header lines that are not the same for all events of its type and source. Raises EnvelopeError."""
        lines, count = f"ce-id: {self.id}\r\nce-subject: {self.subject}\r\nce-time: {self.time}\r\n", 3
        if self.traceparent:
            lines, count = f"{lines}traceparent: {self.traceparent}\r\n", count + 1
        if self.parties:
            lines, count = f"{lines}ce-pihak: {','.join(self.parties)}\r\n", count + 1
        if self.hop:
            lines, count = f"{lines}ce-hop: {self.hop}\r\n", count + 1
        if self.tracestate:
            lines, count = f"{lines}tracestate: {self.tracestate}\r\n", count + 1
        return _unbroken(lines, count)


def common_lines(source: str, ce_type: str, dataschema: str) -> str:
    """The header lines that all events of a type from one source have. Raises EnvelopeError."""
    lines = f"{SPEC_LINES}ce-source: {source}\r\nce-type: {ce_type}\r\n"
    return _unbroken(f"{lines}ce-dataschema: {dataschema}\r\n", 5) if dataschema else _unbroken(lines, 4)


def _unbroken(lines: str, count: int) -> str:
    """So many header lines: a line break within one would begin another."""
    if lines.count("\n") != count or lines.count("\r") != count:
        raise EnvelopeError("a line break in an attribute", where="CloudEvent")
    return lines


def parse(headers: Mapping[str, str] | None, body: bytes) -> Event:
    """Reads an event off the wire, in binary or structured mode. Raises EnvelopeError, which names the attribute."""
    if isinstance(headers, Headers) and (written := _AS_ONE(headers.lines)):
        source, kind, schema, own, subject, time, trace, parties, hop, state = written.groups("")
        hops = _hops(hop) if hop else 0
        return Event(own, source, kind, subject, time, body, schema, _parties(parties), hops, trace, state)
    lower: Mapping[str, str] = headers or {}
    if not _AS_WRITTEN.issuperset(lower):
        lower = {name.lower(): value for name, value in lower.items()}
    if lower.get("content-type", "").partition(";")[0].strip() == STRUCTURED:
        lower, body = _structured(body, lower)
    if not all(map(lower.get, _REQUIRED)):
        missing = [name for name in _REQUIRED if not lower.get(name)]
        raise EnvelopeError(
            f"no {' and no '.join(missing)}", where="CloudEvent", hint="send the required attributes of CloudEvents 1.0"
        )
    if lower.get("ce-specversion") != "1.0":
        raise EnvelopeError("ce-specversion is not 1.0", where="CloudEvent")
    if not _ID.fullmatch(lower["ce-id"]):
        raise EnvelopeError("ce-id is not 1 to 64 printable ASCII characters without a space", where="CloudEvent")
    if not _TIME.fullmatch(lower["ce-time"]):
        raise EnvelopeError("ce-time is not RFC 3339 with an offset", where="CloudEvent")
    trace = lower.get("traceparent", "")
    return Event(
        id=lower["ce-id"],
        source=lower["ce-source"],
        type=lower["ce-type"],
        subject=lower["ce-subject"],
        time=lower["ce-time"],
        data=body,
        dataschema=lower.get("ce-dataschema", ""),
        parties=_parties(lower.get("ce-pihak", "")),
        hop=_hops(lower["ce-hop"]) if "ce-hop" in lower else 0,
        traceparent=trace if _TRACEPARENT.fullmatch(trace) else "",
        tracestate=lower.get("tracestate", ""),
    )


def _parties(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(","))) if text else ()


def _hops(text: str) -> int:
    if not _HOP.fullmatch(text):
        raise EnvelopeError("ce-hop is not a number", where="CloudEvent")
    if int(text) > MAX_HOPS:
        raise EnvelopeError(
            f"more than {MAX_HOPS} follow-ups in a row",
            where="CloudEvent",
            hint="departments answer each other in a loop",
        )
    return int(text)


def _structured(body: bytes, headers: Mapping[str, str]) -> tuple[dict[str, str], bytes]:
    """The attributes of a structured-mode event as headers, and its data as a JSON body."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise EnvelopeError("the body is not JSON", where="structured CloudEvent") from None
    if not isinstance(document, dict):
        raise EnvelopeError("the body is not a JSON object", where="structured CloudEvent")
    data: Any = document.pop("data", None)
    encoded = document.pop("data_base64", None)
    attributes = {f"ce-{name.lower()}": str(value) for name, value in document.items() if value is not None}
    for name in ("traceparent", "tracestate"):
        if value := attributes.pop(f"ce-{name}", headers.get(name, "")):
            attributes[name] = value
    if encoded is None:
        return attributes, json.dumps(data, separators=(",", ":")).encode()  # ASCII: half a character stays what it is
    try:
        return attributes, b64decode(encoded, validate=True)
    except (ValueError, TypeError) as error:
        raise EnvelopeError("data_base64 is not base64", where="structured CloudEvent") from error


def event_id(source: str, key: str, version: str, content: bytes) -> str:
    """The deterministic ``ce-id``: the same change of the same row is the same event, however often it is read."""
    digest = hashlib.blake2b(content, digest_size=16)
    digest.update(f"\0{source}\0{key}\0{version}".encode())
    return digest.hexdigest()


def follow_up_id(consumer: str, cause: str, index: int) -> str:
    """The deterministic ``ce-id`` of a follow-up: the same cause gives the same follow-up, however often it is
    handled.
    """
    return hashlib.blake2b(f"{consumer}\0{cause}\0{index}".encode(), digest_size=16).hexdigest()


def rfc3339(moment: datetime) -> str:
    """A moment as RFC 3339 with offset. Raises ValueError for a time without one.

    An offset has no seconds there, as those of local mean time had (Jakarta before 1924): they are left out.
    """
    if (offset := moment.utcoffset()) is None:
        raise ValueError("a time without an offset")
    if offset % MINUTE:
        moment = moment.replace(tzinfo=timezone(offset // MINUTE * MINUTE))
    return moment.isoformat()
