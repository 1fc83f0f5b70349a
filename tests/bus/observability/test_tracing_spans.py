"""Spans by themselves: names, kinds, attributes, parents and links, over an SDK of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.util._once import Once

from bus.broker import spans
from bus.envelope import Event
from bus.errors import Rejected
from bus.observability.otlp import Ids

TEMPLATE = "opd.dukcapil.siak.kependudukan.penduduk.meninggal.v1.{key}"
GROUP = "dinsos_bansos_kependudukan-penduduk-meninggal-v1"
CAUSE, EFFECT = "ab" * 16, "cd" * 16


def event(identity: str, *, cause: str = "", tracestate: str = "") -> Event:
    """An event with its creation context."""
    return Event(
        id=identity,
        source="/kediri/dukcapil/siak",
        type="id.go.kedirikota.kependudukan.penduduk.meninggal.v1",
        subject="TOKEN",
        time="2026-03-15T08:00:00+07:00",
        data=b'{"nik": "3571010101550001"}',
        traceparent=spans.traceparent(identity, cause),
        tracestate=tracestate,
    )


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Keeps what is recorded; the provider is forgotten after the test."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, id_generator=Ids())
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    trace.set_tracer_provider(provider)
    monkeypatch.setattr(spans, "tracer", trace.get_tracer("bus"))
    yield kept
    provider.shutdown()


def only(exporter: InMemorySpanExporter) -> ReadableSpan:
    """The one span."""
    (span,) = exporter.get_finished_spans()
    return span


def ids(span: ReadableSpan) -> tuple[str, str]:
    """Trace and span id in hexadecimal."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def test_a_batch_is_sent_in_one_span_that_its_events_point_to(exporter: InMemorySpanExporter) -> None:
    with spans.send(TEMPLATE, [event(CAUSE), event(EFFECT)]) as tracestate:
        pass
    span = only(exporter)
    assert (span.name, span.kind, span.parent) == (f"send {TEMPLATE}", SpanKind.PRODUCER, None)
    assert dict(span.attributes or {}) == {
        "messaging.system": "nats",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": TEMPLATE,
        "messaging.destination.template": TEMPLATE,
        "messaging.batch.message_count": 2,
    }
    assert tracestate == "bus={}-{}".format(*ids(span))


def test_a_single_events_send_span_is_its_creation_context(exporter: InMemorySpanExporter) -> None:
    with spans.send(TEMPLATE, [event(CAUSE)]) as tracestate:
        pass
    span = only(exporter)
    assert ids(span) == (CAUSE, CAUSE[:16])
    assert (span.parent, tracestate) == (None, "")
    assert (span.attributes or {})["messaging.message.id"] == CAUSE


def test_processing_is_a_child_of_the_creation_and_linked_to_the_batch(exporter: InMemorySpanExporter) -> None:
    sent = event(CAUSE, tracestate=f"vendor=x,bus={'1' * 32}-{'2' * 16}")
    with spans.process(sent, TEMPLATE, GROUP):
        pass
    span = only(exporter)
    assert span.kind is SpanKind.CONSUMER
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (CAUSE, CAUSE[:16])
    assert [(f"{each.context.trace_id:x}", f"{each.context.span_id:x}") for each in span.links] == [
        ("1" * 32, "2" * 16)
    ]
    assert (span.attributes or {})["messaging.consumer.group.name"] == GROUP
    assert "messaging.batch.message_count" not in (span.attributes or {})


@pytest.mark.parametrize(
    "tracestate", ["", "bus=", "bus=x-y", f"bus={'z' * 32}-{'z' * 16}", "bus=" + "1" * 60, "a=b,,"]
)
def test_a_tracestate_of_somebody_else_is_no_link(exporter: InMemorySpanExporter, tracestate: str) -> None:
    with spans.process(event(CAUSE, tracestate=tracestate), TEMPLATE, GROUP):
        pass
    assert not only(exporter).links


def test_a_batch_is_processed_in_one_span_with_links(exporter: InMemorySpanExporter) -> None:
    events = [event(f"{number:04x}{'f' * 28}") for number in range(1, 201)]
    with spans.process_batch(events, TEMPLATE, GROUP):
        pass
    span = only(exporter)
    assert span.parent is None
    assert (span.attributes or {})["messaging.batch.message_count"] == 200
    assert [f"{each.context.trace_id:032x}" for each in span.links] == [each.id for each in events[: spans.LINKED]]


def test_what_follows_stays_in_the_trace_below_its_cause(exporter: InMemorySpanExporter) -> None:
    effect = event(EFFECT, cause=event(CAUSE).traceparent)
    with spans.process(event(CAUSE), TEMPLATE, GROUP), spans.sends([(effect, TEMPLATE)]):
        pass
    sent, processed = exporter.get_finished_spans()
    assert ids(sent) == (CAUSE, EFFECT[:16])
    assert sent.parent is not None
    assert sent.parent.span_id == processed.get_span_context().span_id  # type: ignore[union-attr]


def test_what_follows_from_a_batch_hangs_below_the_first_event_of_its_trace(exporter: InMemorySpanExporter) -> None:
    effect = event(EFFECT, cause=event(CAUSE).traceparent)
    with (
        spans.process_batch([event(CAUSE), event("ef" * 16)], TEMPLATE, GROUP),
        spans.sends([(effect, TEMPLATE)]),
    ):
        pass
    sent, processed = exporter.get_finished_spans()
    assert ids(sent) == (CAUSE, EFFECT[:16])
    assert sent.parent is not None
    assert f"{sent.parent.span_id:016x}" == CAUSE[:16]
    assert [each.context.span_id for each in sent.links] == [int(ids(processed)[1], 16)]


def test_receiving_and_settling_are_spans_of_the_consumer(exporter: InMemorySpanExporter) -> None:
    with spans.received("OPD_DUKCAPIL", GROUP, 2, 1_000):
        with spans.settle("ack", "OPD_DUKCAPIL", GROUP, [event(CAUSE), event(EFFECT)]):
            pass
        with spans.settle("term", "OPD_DUKCAPIL", GROUP, [event(CAUSE)]):
            pass
    received, acked, ended = exporter.get_finished_spans()
    assert [each.name for each in (received, acked, ended)] == [
        "receive OPD_DUKCAPIL",
        "ack OPD_DUKCAPIL",
        "term OPD_DUKCAPIL",
    ]
    assert {each.kind for each in (received, acked, ended)} == {SpanKind.CLIENT}
    assert (received.start_time, (received.attributes or {})["messaging.operation.type"]) == (1_000, "receive")
    assert acked.parent is not None
    assert acked.parent.span_id == int(ids(received)[1], 16)
    assert (acked.attributes or {})["messaging.operation.type"] == "settle"
    assert ids(ended)[0] == CAUSE  # of a single event: in the event's own trace


def test_an_error_is_its_code_and_no_text(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(Rejected), spans.process(event(CAUSE), TEMPLATE, GROUP):
        raise Rejected("data 3571010101550001 ditolak")
    with pytest.raises(KeyError), spans.process(event(CAUSE), TEMPLATE, GROUP):
        raise KeyError("3571010101550001")
    with pytest.raises(Rejected), spans.sends([(event(CAUSE), TEMPLATE)]):
        raise Rejected("data 3571010101550001 ditolak")
    codes = []
    for span in exporter.get_finished_spans():
        codes.append((span.attributes or {})["error.type"])
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
        assert not span.events
        assert "3571010101550001" not in span.to_json()
    assert codes == ["rejected", "KeyError", "rejected"]


def test_without_an_sdk_nothing_is_recorded_and_the_context_is_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    assert not spans.recording()
    with spans.send(TEMPLATE, [event(CAUSE)]) as tracestate:
        assert tracestate == ""
    with spans.process(event(CAUSE), TEMPLATE, GROUP) as span:
        assert not span.is_recording()
        assert f"{span.get_span_context().trace_id:032x}" == CAUSE  # so that log lines name it all the same
    assert event(CAUSE).headers()["traceparent"] == f"00-{CAUSE}-{CAUSE[:16]}-01"
