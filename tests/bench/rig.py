"""One server for both sides: the embedded one as `bus up` runs it, with the administrator's credential."""

from __future__ import annotations

import cProfile
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from bus import config, platform
from bus.broker import streams
from bus.broker.connection import Connection
from bus.broker.publish import Publisher
from bus.config import Settings
from bus.contracts import Contract
from bus.contracts.grants import ConsumerGrant, consumers
from bus.delivery.drafting import Drafting
from bus.events import Catalogue
from bus.events.registry import KeyTokens
from bus.observability import logging
from bus.security import credentials, keys, trust
from bus.security.credentials import Role
from bus.server import EmbeddedServer
from tests.bench import system
from tests.bench.rows import EVENT, FIELDS

QUEUE = 1_000_000  #: spans that wait for the exporter: none is dropped, on either side

# Each has a stream of its own, all of the same settings: what one contestant stores, no other one meets.
OURS, OURS_STORED = "tulis", "baca"
PEERS, PEERS_STORED = "banding", "banding_baca"


class Counting(SpanExporter):
    """Counts spans and forgets them."""

    def __init__(self) -> None:
        self.spans = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Counts them."""
        self.spans += len(spans)
        return SpanExportResult.SUCCESS


class Tracing:
    """The tracer provider that both sides use."""

    def __init__(self) -> None:
        self._counting = Counting()
        self.provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
        self.provider.add_span_processor(BatchSpanProcessor(self._counting, max_queue_size=QUEUE))
        trace.set_tracer_provider(self.provider)

    def spans(self) -> int:
        """Spans exported so far, including all that have ended."""
        self.provider.force_flush()
        return self._counting.spans


@dataclass(slots=True)
class Rig:
    """What the contestants share."""

    settings: Settings
    url: str
    server_pid: int
    credential: Path
    connection: Connection
    tracing: Tracing
    catalogue: Catalogue
    drafting: Drafting

    profile: cProfile.Profile | None = None  #: what is timed is profiled, where there is one
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def publisher(self) -> Publisher:
        """A publisher on the rig's connection."""
        return Publisher(self.connection)

    def number(self) -> int:
        """A number that no call has returned before: names of cursors and consumers."""
        return next(self._numbers)

    def consuming(self) -> tuple[Contract, ConsumerGrant]:
        """A contract that consumes what OURS_STORED has published, from the first, and its consumer."""
        reader = consumer_contract(self.number())
        grants = consumers([publisher_contract(OURS_STORED, "isi"), reader])
        return reader, next(grant for grant in grants if grant.subscribe and not grant.redrive)

    def server_cpu(self) -> float:
        """Seconds of CPU that nats-server has used."""
        return system.cpu(self.server_pid)

    async def declare(self, config: dict[str, Any], stream: str) -> None:
        """Makes a durable consumer."""
        body = {"stream_name": stream, "config": config, "action": "create"}
        await self.connection.api(f"CONSUMER.CREATE.{stream}.{config['durable_name']}", body)


@asynccontextmanager
async def open_rig(tracing: Tracing) -> AsyncIterator[Rig]:
    """Starts the server in a folder that goes away with it, and makes the streams."""
    with tempfile.TemporaryDirectory(prefix="bus-bench-") as folder:
        settings = config.load(home=Path(folder), log_level="WARNING")
        logging.setup(settings)
        trust.establish(settings.home)
        keys.make_entity_key(settings.entity_key_path)
        credentials.issue(settings.home, [])
        server = EmbeddedServer(settings.home)
        await server.start()
        try:
            connection = await platform.connect(settings, server.url, Role.ADMIN)
            try:
                await streams.apply(connection, settings, [OURS, OURS_STORED, PEERS, PEERS_STORED], [])
                yield Rig(
                    settings,
                    server.url,
                    server.pid or 0,
                    credentials.path(settings.home, Role.ADMIN),
                    connection,
                    tracing,
                    Catalogue.load(),
                    Drafting(KeyTokens(keys.load_entity_key(settings.entity_key_path))),
                )
            finally:
                await connection.close()
        finally:
            await server.stop()


def publisher_contract(opd: str, source: str) -> Contract:
    """A contract that publishes the rows of one source."""
    publish = {"event": EVENT, "from": source, "basis": "pengukuran", "map": {name: name for name in FIELDS}}
    return _contract(opd, source={source: {"connector": "memory"}}, publish=[publish])


def consumer_contract(generation: int) -> Contract:
    """A contract that consumes them with the fields that they have, from the first on."""
    subscribe = {
        "event": EVENT,
        "purpose": "pengukuran",
        "basis": "pengukuran",
        "fields": FIELDS,
        "start": "all",
        "generation": generation,
    }
    return _contract("pembaca", subscribe=[subscribe])


def _contract(opd: str, **tables: Any) -> Contract:
    head = {"app": "bench", "opd": opd, "title": "Bench", "owner": "Bench", "contact": "bench", "stage": "pilot"}
    return Contract.model_validate({**head, **tables})
