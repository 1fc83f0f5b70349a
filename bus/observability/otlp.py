"""What the OpenTelemetry SDK is given: the ids of spans, and an exporter that does not complain without end.

Imported by ``tracing`` where an endpoint is set, and only then: the SDK takes its time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from urllib.parse import urlsplit

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from bus.broker import spans

PATIENCE = 5.0  #: seconds that one batch of spans may take to be delivered, its repetitions included

log = structlog.get_logger(__name__)


class Ids(RandomIdGenerator):
    """Names a span as ``spans.identity`` says, else at random."""

    def generate_trace_id(self) -> int:
        """The id of a trace that begins."""
        wanted = spans.identity.get()
        return wanted.trace_id if wanted else super().generate_trace_id()

    def generate_span_id(self) -> int:
        """The id of a span."""
        wanted = spans.identity.get()
        return wanted.span_id if wanted else super().generate_span_id()


class Exporter(SpanExporter):
    """OTLP over HTTP. Says once that nobody takes the spans, and once that somebody does again."""

    def __init__(self, endpoint: str) -> None:
        self._inner = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=PATIENCE)
        parts = urlsplit(endpoint)
        self._shown = f"{parts.scheme}://{parts.hostname}:{parts.port}" if parts.port else parts.hostname or "?"
        self._failing = self._ending = self._closed = False
        # Their complaints come with every batch: ours is enough.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        logging.getLogger("opentelemetry.sdk._shared_internal").setLevel(logging.ERROR)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Delivers a batch, or drops it."""
        if self._ending and self._failing:
            return SpanExportResult.FAILURE
        result = self._inner.export(spans)
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self._failing:
            log.warning("spans are dropped: the collector takes none", endpoint=self._shown, hint="see `bus doctor`")
        elif self._failing and not failing:
            log.info("the collector takes spans again", endpoint=self._shown)
        self._failing = failing
        return result

    def end(self) -> None:
        """What is left is sent once more, but not waited for where nobody takes it."""
        self._ending = True
        if self._failing:
            self.shutdown()

    def shutdown(self) -> None:
        """Ends also what is being repeated."""
        if not self._closed:
            self._closed = True
            self._inner.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is kept here."""
        return True
