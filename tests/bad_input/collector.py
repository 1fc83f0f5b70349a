"""A collector of spans: takes OTLP over HTTP as a real one does, and keeps what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
ERROR = 2  #: status code of a span that failed


@dataclass(frozen=True)
class Link:
    """Another span that a span points to."""

    trace: str
    span: str


@dataclass(frozen=True)
class Span:
    """One span as it was received; ids in hexadecimal."""

    service: str
    name: str
    kind: str
    trace: str
    span: str
    parent: str
    attributes: Mapping[str, Any]
    links: tuple[Link, ...]
    failed: bool
    begun_ns: int
    ended_ns: int

    def of(self, operation: str) -> bool:
        """Whether it is a span of this messaging operation."""
        return self.attributes.get("messaging.operation.type") == operation


class Collector:
    """Listens on loopback. ``texts`` has every text in what was received, wherever it stood."""

    def __init__(self) -> None:
        self._requests: list[ExportTraceServiceRequest] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path != "/v1/traces":
                    self.send_error(404)
                    return
                collector._requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing on the test's output."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        """For BUS_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def spans(self) -> list[Span]:
        """All spans so far."""
        return [span for request in list(self._requests) for span in _spans(request)]

    @property
    def text(self) -> str:
        """All that was received, as text: names, attributes, events, status texts, resources."""
        return "\n".join(str(request) for request in list(self._requests))


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service,
                    span.name,
                    KINDS[span.kind],
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    _values(span.attributes),
                    tuple(Link(each.trace_id.hex(), each.span_id.hex()) for each in span.links),
                    span.status.code == ERROR,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
