"""Sets up the OpenTelemetry SDK: spans go out by OTLP over HTTP, in batches, where an endpoint is set; else nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bus.config import Settings


@contextmanager
def tracing(settings: Settings, service: str) -> Iterator[None]:
    """Spans of this process go to ``settings.otlp_endpoint`` under a service name; the last ones are sent at the
    end.
    """
    if settings.otlp_endpoint is None:
        yield
        return
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        resource=Resource.create({"service.name": service, "service.namespace": "kediri"}), shutdown_on_exit=False
    )
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"))
    )
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()
