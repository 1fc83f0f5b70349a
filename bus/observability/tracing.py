"""Sets up the OpenTelemetry SDK: spans go out by OTLP over HTTP, in batches, where an endpoint is set; else nowhere.

Nothing depends on who takes them: a collector that is away costs one warning and the spans.
"""

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
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from bus.observability.otlp import Exporter, Ids

    exporter = Exporter(settings.otlp_endpoint)
    resource = Resource.create({"service.name": service, "service.namespace": "kediri"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False, id_generator=Ids())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        exporter.end()
        provider.shutdown()
