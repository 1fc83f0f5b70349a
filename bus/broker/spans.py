"""Spans by OpenTelemetry's messaging conventions, over its API alone: without an SDK all of this costs next to nothing.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/

An event's trace is named after the event: the trace id of an event from a source *is* its ``ce-id``, and a follow-up
stays in the trace of its cause. So whoever has an event finds its trace, and a repeated publish changes nothing. A
batch has one
``send`` span in a trace of its own; each event carries a link to it in ``tracestate``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from bus.envelope import Event
from bus.errors import BusError

TRACESTATE_KEY = "bus"

tracer = trace.get_tracer("bus")


def traceparent(event_id: str, cause: str = "", *, sampled: bool = True) -> str:
    """The creation context of an event: in the trace of its cause, else in its own."""
    trace_id = cause.split("-")[1] if cause else event_id
    return f"00-{trace_id}-{event_id[:16]}-{'01' if sampled else '00'}"


def context_of(event: Event) -> SpanContext | None:
    """The creation context that an event carries, or None."""
    if not event.traceparent:
        return None
    _, trace_id, span_id, flags = event.traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def attributes(
    operation: str, kind: str, template: str, *, count: int | None = None, consumer: str = ""
) -> dict[str, str | int]:
    """The attributes of a messaging span. Raw subjects never appear: their last token would be one value per person."""
    values: dict[str, str | int] = {
        "messaging.system": "nats",
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
        "messaging.destination.name": template,
        "messaging.destination.template": template,
    }
    if count is not None:
        values["messaging.batch.message_count"] = count
    if consumer:
        values["messaging.consumer.group.name"] = consumer
    return values


@contextmanager
def send(template: str, *, count: int) -> Iterator[Span]:
    """The ``send`` span of a batch."""
    values = attributes("send", "send", template, count=count)
    with _failing(
        tracer.start_as_current_span(
            f"send {template}",
            kind=SpanKind.PRODUCER,
            attributes=values,
            record_exception=False,
            set_status_on_exception=False,
        )
    ) as span:
        yield span


@contextmanager
def sends(events: Sequence[tuple[Event, str]]) -> Iterator[None]:
    """A ``send`` span for each event and its subject's template, in the event's own trace."""
    if not recording():
        yield
        return
    started = [
        tracer.start_span(
            f"send {template}",
            context=_within(event),
            kind=SpanKind.PRODUCER,
            attributes=attributes("send", "send", template) | {"messaging.message.id": event.id},
        )
        for event, template in events
    ]
    try:
        yield
    except BusError as error:
        for span in started:
            _mark(span, error.code)
        raise
    finally:
        for span in started:
            span.end()


def tracestate(span: Span) -> str:
    """What an event carries so that its consumers can link to the batch's ``send`` span."""
    context = span.get_span_context()
    return f"{TRACESTATE_KEY}={context.trace_id:032x}-{context.span_id:016x}" if context.is_valid else ""


@contextmanager
def process(event: Event, template: str, consumer: str) -> Iterator[Span]:
    """The ``process`` span of one event: a child of its creation, linked to the batch it was sent in."""
    values = attributes("process", "process", template, consumer=consumer) | {"messaging.message.id": event.id}
    started = tracer.start_as_current_span(
        f"process {template}",
        context=_within(event),
        kind=SpanKind.CONSUMER,
        attributes=values,
        links=_sent(event),
        record_exception=False,
        set_status_on_exception=False,
    )
    with _failing(started) as span:
        yield span


@contextmanager
def process_batch(events: Sequence[Event], template: str, consumer: str) -> Iterator[Span]:
    """The ``process`` span of a batch that is applied as a whole, linked to the events in it (the first 128)."""
    values = attributes("process", "process", template, count=len(events), consumer=consumer)
    links = [Link(context) for event in events[:128] if (context := context_of(event))] if recording() else []
    started = tracer.start_as_current_span(
        f"process {template}",
        kind=SpanKind.CONSUMER,
        attributes=values,
        links=links,
        record_exception=False,
        set_status_on_exception=False,
    )
    with _failing(started) as span:
        yield span


def recording() -> bool:
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)


def _within(event: Event) -> Context | None:
    """The context of an event's creation, as a parent."""
    parent = context_of(event)
    return trace.set_span_in_context(NonRecordingSpan(parent)) if parent else None


def _mark(span: Span, code: str) -> None:
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR, code))


def _sent(event: Event) -> list[Link]:
    key, _, value = event.tracestate.partition("=")
    trace_id, _, span_id = value.partition("-")
    if key != TRACESTATE_KEY or len(trace_id) != 32 or len(span_id) != 16:  # noqa: PLR2004 - hex digits of W3C ids
        return []
    return [Link(SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True))]


@contextmanager
def _failing(started: object) -> Iterator[Span]:
    """Marks the span of what fails with the error's code, never with its text: drivers' texts hold values."""
    with started as span:  # type: ignore[attr-defined]
        try:
            yield span
        except BusError as error:
            _mark(span, error.code)
            raise
        except BaseException as error:
            _mark(span, type(error).__name__)
            raise
