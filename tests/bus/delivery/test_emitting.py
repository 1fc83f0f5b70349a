"""Events as messages of their application's stream."""

from __future__ import annotations

import pytest

from bus.broker.publish import MSG_ID
from bus.delivery.emitting import EnvelopeWrapper
from bus.envelope import Event
from bus.errors import EnvelopeError
from bus.testing.events import APP, NAME

EVENT = Event(
    id="0123456789abcdef0123456789abcdef",
    source=APP.ce_source,
    type=NAME.ce_type,
    subject="abcdefghijklmnop",
    time="2026-01-31T08:00:00+07:00",
    data=b"{}",
    dataschema="urn:kediri:schema:uji:1.0",
    parties=("qrstuvwxyz234567",),
    hop=2,
    traceparent="00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
)


def test_a_message_has_the_attributes_and_the_id_that_makes_it_harmless_twice() -> None:
    message = EnvelopeWrapper(APP).wrap(EVENT)

    assert message.headers == {"Nats-Trace-Dest": "trace disabled", **EVENT.headers(), MSG_ID: EVENT.id}
    assert (message.subject, message.id, message.body) == (f"opd.{APP.prefix}.{NAME}.{EVENT.subject}", EVENT.id, b"{}")


def test_the_server_reads_first_that_it_need_not_trace_the_routing() -> None:
    """Behind any other header it would make a map of all of them, to find out."""
    assert EnvelopeWrapper(APP).wrap(EVENT).lines.startswith("Nats-Trace-Dest: trace disabled\r\n")


def test_types_and_their_versions_are_told_apart() -> None:
    wrapper = EnvelopeWrapper(APP)
    newer = EVENT._replace(dataschema="urn:kediri:schema:uji:1.1")

    assert [wrapper.wrap(each).headers["ce-dataschema"] for each in (EVENT, newer, EVENT)] == [
        EVENT.dataschema,
        newer.dataschema,
        EVENT.dataschema,
    ]


def test_a_line_break_in_an_attribute_is_refused() -> None:
    with pytest.raises(EnvelopeError, match="line break"):
        EnvelopeWrapper(APP).wrap(EVENT._replace(time="2026\r\nNats-Rollup: all"))
