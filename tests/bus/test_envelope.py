"""CloudEvents on the wire: both modes, any case of header names, and one clear line for what is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bus import envelope
from bus.envelope import Event, common_lines
from bus.errors import EnvelopeError
from bus.headers import Headers
from bus.testing.events import BarisBerubah

JAKARTA = ZoneInfo("Asia/Jakarta")

EVENT = Event(
    id="0123456789abcdef0123456789abcdef",
    source="/kediri/dukcapil/siak",
    type="id.go.kedirikota.kependudukan.penduduk.meninggal.v1",
    subject="abcdefghijklmnop",
    time="2026-01-31T08:00:00+07:00",
    data=b'{"nik":"3571010101800001"}',
    dataschema="urn:kediri:schema:kependudukan.penduduk.meninggal.v1:1.0",
    parties=("qrstuvwxyz234567",),
    hop=2,
    traceparent="00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
    tracestate="bus=1",
)


def test_what_is_written_is_read() -> None:
    assert envelope.parse(EVENT.headers(), EVENT.data) == EVENT


class Lines(Headers):
    """Lines that nobody may take for names and values."""

    def __getitem__(self, name: str) -> str:
        raise AssertionError(f"{name} was looked up")


def lines_of(*attributes: str | None, before: str = "", behind: str = "") -> Headers:
    """The event's lines on the wire, without some attributes, between those of delivery."""
    event = EVENT._replace(**{name: type(getattr(EVENT, name))() for name in attributes if name})
    lines = common_lines(event.source, event.type, event.dataschema) + event.own_lines()
    return Headers(f"{before}{lines}{behind}\r\n")


@pytest.mark.parametrize("absent", [None, "dataschema", "traceparent", "parties", "hop", "tracestate"])
@pytest.mark.parametrize("before", ["", "Nats-Trace-Dest: trace disabled\r\n"])
@pytest.mark.parametrize("behind", ["", "Nats-Msg-Id: 1\r\nNats-Batch-Id: 2\r\n"])
def test_lines_as_the_bus_writes_them_are_read_in_one_go(absent: str | None, before: str, behind: str) -> None:
    headers = lines_of(absent, before=before, behind=behind)

    assert envelope.parse(Lines(headers.lines), EVENT.data) == envelope.parse(dict(headers), EVENT.data)


@pytest.mark.parametrize(
    "delivery", ["Nats-Msg-Id: 1\r\ntracestate: bus=2\r\nNats-Batch-Id: 2\r\n", "tracestate: bus=2\r\n"]
)
def test_the_batch_of_an_event_is_read_where_delivery_writes_it(delivery: str) -> None:
    headers = lines_of("tracestate", behind=delivery)

    assert envelope.parse(Lines(headers.lines), EVENT.data) == EVENT._replace(tracestate="bus=2")


@settings(max_examples=1000)
@given(st.data())
def test_lines_that_are_otherwise_are_read_as_names_and_values(data: st.DataObject) -> None:
    lines = lines_of(behind="Nats-Msg-Id: 1\r\n").lines.split("\r\n")[:-2]
    number = data.draw(st.integers(0, len(lines) - 1))
    odd = [
        "",
        f"{lines[number]} ",
        "ce-hop: 99",
        "ce-id: ",
        "ce-subject:",
        "Bus-Origin: A:1",
        "ce-time: 2026",
        "ce-a b: c",
    ]
    other = data.draw(st.sampled_from([*odd, *lines, *(line.upper() for line in lines)]))
    rest = lines[number + data.draw(st.integers(0, 1)) :]  # it takes a line's place, or comes before it
    headers = Headers("".join(f"{line}\r\n" for line in [*lines[:number], other, *rest, ""]))

    assert outcome(headers) == outcome(dict(headers))


def outcome(headers: Mapping[str, str]) -> Event | str:
    """What is read, or why nothing."""
    try:
        return envelope.parse(headers, EVENT.data)
    except EnvelopeError as error:
        return error.what


@pytest.mark.parametrize("broken", ["a\r\nNats-Rollup: all", "a\nb", "a\rb"])
@pytest.mark.parametrize(
    "attribute", ["id", "subject", "time", "traceparent", "tracestate", "source", "type", "dataschema", "parties"]
)
def test_no_attribute_begins_another_header(attribute: str, broken: str) -> None:
    with pytest.raises(EnvelopeError, match="line break"):
        EVENT._replace(**{attribute: (broken,) if attribute == "parties" else broken}).headers()


def test_header_names_are_read_without_regard_to_case() -> None:
    assert envelope.parse({name.title(): value for name, value in EVENT.headers().items()}, EVENT.data) == EVENT


def test_structured_mode_is_accepted() -> None:
    document = {
        "specversion": "1.0",
        "id": EVENT.id,
        "source": EVENT.source,
        "type": EVENT.type,
        "subject": EVENT.subject,
        "time": EVENT.time,
        "dataschema": EVENT.dataschema,
        "pihak": "qrstuvwxyz234567",
        "hop": 2,
        "traceparent": EVENT.traceparent,
        "tracestate": EVENT.tracestate,
        "data": {"nik": "3571010101800001"},
    }

    headers = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    assert envelope.parse(headers, json.dumps(document).encode()) == EVENT


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ce-id": None}, "no ce-id"),
        ({"ce-type": None, "ce-time": None}, "no ce-type and no ce-time"),
        ({"ce-specversion": "0.3"}, "ce-specversion is not 1.0"),
        ({"ce-time": "31-01-2026"}, "not RFC 3339"),
        ({"ce-time": "2026-01-31T08:00:00"}, "with an offset"),
        ({"ce-hop": "banyak"}, "ce-hop is not a number"),
        ({"ce-hop": "9"}, "more than 8 follow-ups"),
    ],
)
def test_what_is_none_is_named(change: dict[str, str | None], says: str) -> None:
    headers = {name: value for name, value in {**EVENT.headers(), **change}.items() if value is not None}

    with pytest.raises(EnvelopeError, match=says):
        envelope.parse(headers, EVENT.data)


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"data_base64":"%%%"}'])
def test_a_structured_body_that_is_none(body: bytes) -> None:
    with pytest.raises(EnvelopeError):
        envelope.parse({"content-type": envelope.STRUCTURED}, body)


def test_no_headers_at_all() -> None:
    with pytest.raises(EnvelopeError, match="no ce-id"):
        envelope.parse(None, b"{}")


def test_ids_are_of_the_change_and_nothing_else() -> None:
    base = envelope.event_id("s", "k", "1", b"A")

    assert base == envelope.event_id("s", "k", "1", b"A")
    others = [("x", "k", "1", b"A"), ("s", "x", "1", b"A"), ("s", "k", "2", b"A"), ("s", "k", "1", b"B")]
    assert len({base, *(envelope.event_id(*each) for each in others)}) == 5
    assert len(base) == 32


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 31, 8, tzinfo=JAKARTA), "2026-01-31T08:00:00+07:00"),
        (datetime(1900, 1, 1, tzinfo=JAKARTA), "1900-01-01T00:00:00+07:07"),
        (datetime(1, 1, 1, tzinfo=JAKARTA), "0001-01-01T00:00:00+07:07"),
        (datetime(1880, 1, 1, tzinfo=ZoneInfo("America/New_York")), "1880-01-01T00:00:00-04:57"),
    ],
)
def test_times_of_any_age_can_be_read_back(moment: datetime, text: str) -> None:
    """Before time zones an offset had seconds, which RFC 3339 does not know."""
    assert envelope.rfc3339(moment) == text
    assert envelope.parse({**EVENT.headers(), "ce-time": text}, b"{}").time == text


def test_half_a_character_in_a_structured_event_is_a_body_like_another() -> None:
    document = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "subject": "k", "time": EVENT.time}
    body = json.dumps({**document, "data": {"nama": "\ud83d"}}).encode()

    event = envelope.parse({"content-type": "application/cloudevents+json"}, body)

    with pytest.raises(ValidationError):
        BarisBerubah.model_validate_json(event.data)


def test_a_time_without_offset_is_no_time() -> None:
    assert envelope.rfc3339(datetime(2026, 1, 31, tzinfo=UTC)) == "2026-01-31T00:00:00+00:00"
    with pytest.raises(ValueError, match="offset"):
        envelope.rfc3339(datetime(2026, 1, 31))  # noqa: DTZ001 - that is the point
