"""Spans by OpenTelemetry's messaging conventions, over its API alone: without an SDK all of this costs next to nothing.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/

    send     one for a batch of a source, in a trace of its own; one for a single event, which is its creation context
    receive  one for each batch that was pulled, and what becomes of the batch as a whole below it
    process  one for each event, a child of its creation context; one for a batch that is applied as a whole
    ack      one for each batch that is settled; ``term`` (or ``hold``) for what became a dead letter

An event's trace is named after the event: the trace id of an event from a source *is* its ``ce-id``, and a follow-up
stays in the trace of its cause. So whoever has an event finds its trace, and a repeated publish changes nothing. Each
event of a batch carries a link to the batch's ``send`` span in ``tracestate``. Raw subjects never appear: their last
token would be one value per person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import TracebackType

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from bus.envelope import Event
from bus.errors import BusError

LINKED = 128  #: events of a batch that its span is linked to; an SDK keeps no more

_SENT = re.compile(r"(?:^|,)\s*bus=([0-9a-f]{32})-([0-9a-f]{16})\s*(?:,|$)")

tracer = trace.get_tracer("bus")

#: What the next span is to be called, where an event's creation context is to be a real span. The SDK's generator of
#: ids (``bus.observability.tracing``) heeds it; with another one the span has ids of its own.
identity: ContextVar[SpanContext | None] = ContextVar("identity", default=None)


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
    operation: str, kind: str, template: str, *, count: int | None = None, consumer: str = "", message: str = ""
) -> dict[str, str | int]:
    """The attributes of a messaging span."""
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
    if message:
        values["messaging.message.id"] = message
    return values


@contextmanager
def send(template: str, events: Sequence[Event]) -> Iterator[str]:
    """The ``send`` span of a batch, and the ``tracestate`` of its events: a link to it."""
    if len(events) == 1 and recording():
        with sends([(events[0], template)]):
            yield ""
        return
    values = attributes("send", "send", template, count=len(events))
    with _span(f"send {template}", SpanKind.PRODUCER, values) as span:
        own = span.get_span_context()
        yield f"bus={own.trace_id:032x}-{own.span_id:016x}" if own.is_valid else ""


@contextmanager
def sends(events: Sequence[tuple[Event, str]]) -> Iterator[None]:
    """A ``send`` span for each event and its subject's template: the event's creation context itself."""
    if not recording():
        yield
        return
    started = [_creation(event, template) for event, template in events]
    try:
        yield
    except BusError as error:
        for span in started:
            mark(span, error.code)
        raise
    finally:
        for span in started:
            span.end()


@contextmanager
def received(stream: str, consumer: str, count: int, since_ns: int) -> Iterator[None]:
    """The ``receive`` span of a batch that was pulled since a moment (Unix ns); what is done with it is below it."""
    if not recording():
        yield
        return
    values = attributes("receive", "receive", stream, count=count, consumer=consumer)
    span = tracer.start_span(f"receive {stream}", kind=SpanKind.CLIENT, attributes=values, start_time=since_ns)
    span.end()
    with trace.use_span(span, record_exception=False, set_status_on_exception=False):
        yield


def process(event: Event, template: str, consumer: str) -> AbstractContextManager[Span]:
    """The ``process`` span of one event: a child of its creation, linked to the batch it was sent in."""
    values = attributes("process", "process", template, consumer=consumer, message=event.id)
    return _span(f"process {template}", SpanKind.CONSUMER, values, _within(event), _sent(event))


def process_batch(events: Sequence[Event], template: str, consumer: str) -> AbstractContextManager[Span]:
    """The ``process`` span of a batch that is applied as a whole, linked to the events in it."""
    if len(events) == 1:
        return process(events[0], template, consumer)
    values = attributes("process", "process", template, count=len(events), consumer=consumer)
    links = [Link(own) for event in events[:LINKED] if (own := context_of(event))] if recording() else []
    return _span(f"process {template}", SpanKind.CONSUMER, values, links=links)


def settle(word: str, stream: str, consumer: str, events: Sequence[Event]) -> AbstractContextManager[Span]:
    """The span of settling messages: a receipt, a dead letter, the word to the server. Of one event, in its trace."""
    if len(events) == 1:
        values = attributes(word, "settle", stream, consumer=consumer, message=events[0].id)
        return _span(f"{word} {stream}", SpanKind.CLIENT, values, _within(events[0]))
    values = attributes(word, "settle", stream, count=len(events) or 1, consumer=consumer)
    return _span(f"{word} {stream}", SpanKind.CLIENT, values)


def recording() -> bool:
    """Whether spans go anywhere."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)


def _creation(event: Event, template: str) -> Span:
    """Starts the span that an event names as its creation context: below its cause, where that is being processed."""
    own, current = context_of(event), trace.get_current_span()
    parent: Context | None = None
    links: list[Link] = []
    around = current.get_span_context()
    if own is not None and around.is_valid and around.trace_id == own.trace_id:
        parent = trace.set_span_in_context(current)
    elif own is not None:
        root = SpanContext(own.trace_id, own.trace_id >> 64, is_remote=True, trace_flags=own.trace_flags)
        parent = Context() if root.span_id == own.span_id else trace.set_span_in_context(NonRecordingSpan(root))
        links = [Link(around)] if around.is_valid else []
    token = identity.set(own)
    try:
        return tracer.start_span(
            f"send {template}",
            context=parent,
            kind=SpanKind.PRODUCER,
            attributes=attributes("send", "send", template, message=event.id),
            links=links,
        )
    finally:
        identity.reset(token)


def _within(event: Event) -> Context | None:
    """The context of an event's creation, as a parent."""
    parent = context_of(event)
    return trace.set_span_in_context(NonRecordingSpan(parent)) if parent else None


def _sent(event: Event) -> list[Link]:
    """The ``send`` span of the batch that an event came in, where its ``tracestate`` names one."""
    found = _SENT.search(event.tracestate) if event.tracestate else None
    return [Link(SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True))] if found else []


class _span:  # noqa: N801 - used as the function that it replaces
    """A span around a block. Where that fails, the error's code is marked, never its text: drivers' hold values.

    A class, since one per event is made: a generator for a context manager costs more than the span.
    """

    __slots__ = ("_span", "_token")

    def __init__(
        self,
        name: str,
        kind: SpanKind,
        values: dict[str, str | int],
        within: Context | None = None,
        links: Sequence[Link] = (),
    ) -> None:
        self._span = tracer.start_span(
            name, within, kind, values, links, record_exception=False, set_status_on_exception=False
        )

    def __enter__(self) -> Span:
        self._token = context.attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _frames: TracebackType | None
    ) -> None:
        context.detach(self._token)
        if error is not None:
            mark(self._span, error.code if isinstance(error, BusError) else type(error).__name__)
        self._span.end()


def mark(span: Span, code: str) -> None:
    """Marks a span of what failed: with the error's code, never with its text."""
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR))
