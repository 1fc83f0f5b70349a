"""Tracing: spans go to the endpoint that is set, the last ones too, and nowhere without one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.util._once import Once

from bus.config import Settings
from bus.observability.tracing import tracing


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """An endpoint that keeps what it is sent."""
    received: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            received.append(ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def own_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider is set once per process; this test's is forgotten after it."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())


def test_the_last_spans_are_sent_at_the_end(collector: tuple[str, list[ExportTraceServiceRequest]]) -> None:
    endpoint, received = collector
    with tracing(Settings(otlp_endpoint=f"{endpoint}/"), "dukcapil/siak"):
        with trace.get_tracer("test").start_as_current_span("send opd.dukcapil.siak"):
            pass
        assert received == []
    (request,) = received
    attributes = {each.key: each.value.string_value for each in request.resource_spans[0].resource.attributes}
    assert (attributes["service.name"], attributes["service.namespace"]) == ("dukcapil/siak", "kediri")
    assert [span.name for scope in request.resource_spans[0].scope_spans for span in scope.spans] == [
        "send opd.dukcapil.siak"
    ]


def test_without_an_endpoint_nothing_is_set_up() -> None:
    with tracing(Settings(), "dukcapil/siak"), trace.get_tracer("test").start_as_current_span("x") as span:
        assert not span.is_recording()
