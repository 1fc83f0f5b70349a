"""The peers: FastStream with its telemetry middleware, and bare nats-py, as their documentation shows them.

They get what costs them nothing: subjects that are numbered, not computed, and no message ids.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.opentelemetry import NatsTelemetryMiddleware
from faststream.nats.security import NatsCredentials

from bus import subjects
from bus.broker import streams
from bus.security import credentials
from bus.security.credentials import Role
from schemas.kependudukan import PendudukMeninggal
from tests.bench.contest import PATIENCE, Lap
from tests.bench.rig import OURS_STORED, PEERS, PEERS_STORED, Rig
from tests.bench.rows import EVENT, rows

AT_ONCE = 200
FETCH = 500
START, APPEND, COMMIT = 0, 1, 2  # what a message of a fast-ingest batch does


async def publish(rig: Rig, size: int) -> Lap:
    """FastStream ``broker.publish`` to JetStream, 200 at a time."""
    data = rows(size)
    async with _broker(rig) as broker:
        with Lap.timed(rig, size) as lap:
            await _publish(broker, PEERS, data)
    return lap


async def ingest(rig: Rig, size: int) -> Lap:
    """Bare nats-py: one fast-ingest batch of ready-made bodies, to its last acknowledgement.

    https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md
    """
    prefix, bodies = f"opd.{subjects.token(PEERS)}.bench.{EVENT}", [json.dumps(row).encode() for row in rows(size)]
    ended: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def answered(message: Any) -> None:
        answer = json.loads(message.data)
        if {"stream", "error"} & answer.keys():  # else it tells how far it is
            ended.set_result(answer)

    async with _broker(rig) as broker:
        client = _client(broker)
        inbox = client.new_inbox()
        await client.subscribe(f"{inbox}.>", cb=answered)
        with Lap.timed(rig, size) as lap:
            for number, body in enumerate(bodies, 1):
                operation = START if number == 1 else COMMIT if number == size else APPEND
                reply = f"{inbox}.{FETCH}.fail.{number}.{operation}.$FI"
                await client.publish(f"{prefix}.{rig.number()}", body, reply=reply)
            answer = await asyncio.wait_for(ended, PATIENCE)
    if answer.get("count") != size:
        raise RuntimeError(f"the batch was not stored: {answer}")
    return lap


async def store(rig: Rig, size: int) -> None:
    """Stores what ``consume`` consumes."""
    async with _broker(rig) as broker:
        await _publish(broker, PEERS_STORED, rows(size))


async def consume(rig: Rig, size: int) -> Lap:
    """FastStream ``PullSub(200)`` with a handler that is typed by the model, acknowledged by FastStream."""
    stream = subjects.stream(PEERS_STORED)
    durable = await _declare(rig, stream)
    seen, done = 0, asyncio.Event()
    async with _broker(rig, start=False) as broker:

        @broker.subscriber(
            subjects.stream_subjects(PEERS_STORED),
            stream=JStream(stream, declare=False),
            durable=durable,
            pull_sub=PullSub(AT_ONCE),
        )
        async def handle(_data: PendudukMeninggal) -> None:
            nonlocal seen
            seen += 1
            if seen == size:
                done.set()

        with Lap.timed(rig, size) as lap:
            await broker.start()
            await asyncio.wait_for(done.wait(), PATIENCE)
    return lap


async def fetch(rig: Rig, size: int) -> Lap:
    """Bare nats-py: ``fetch(500)`` and ``ack``, the bodies unread. Fetches what our own sides consume."""
    stream = subjects.stream(OURS_STORED)
    durable = await _declare(rig, stream)
    async with _broker(rig) as broker:
        subscription = await _client(broker).jetstream().pull_subscribe_bind(durable=durable, stream=stream)
        seen = 0
        with Lap.timed(rig, size) as lap:
            while seen < size:
                messages = await subscription.fetch(FETCH, timeout=5)
                for message in messages:
                    await message.ack()
                seen += len(messages)
    return lap


async def _publish(broker: NatsBroker, opd: str, data: Sequence[Mapping[str, Any]]) -> None:
    stream, prefix = subjects.stream(opd), f"opd.{subjects.token(opd)}.bench.{EVENT}"
    validate = PendudukMeninggal.model_validate
    for start in range(0, len(data), AT_ONCE):
        await asyncio.gather(
            *(
                broker.publish(validate(row, extra="forbid"), f"{prefix}.{number}", stream=stream, timeout=30)
                for number, row in enumerate(data[start : start + AT_ONCE], start)
            )
        )


async def _declare(rig: Rig, stream: str) -> str:
    """A durable consumer of the stream's events with the settings of ours."""
    _, grant = rig.consuming()
    durable = f"peer-{rig.number()}"
    event = f"opd.*.*.{EVENT}.*"  # a stream of ours has cursors too
    config = streams.declared_consumer(grant) | {"name": durable, "durable_name": durable, "filter_subjects": [event]}
    await rig.declare(config, stream)
    return durable


@asynccontextmanager
async def _broker(rig: Rig, *, start: bool = True) -> AsyncIterator[NatsBroker]:
    broker = NatsBroker(
        rig.url,
        security=NatsCredentials.from_file(rig.credential),
        inbox_prefix=credentials.inbox(Role.ADMIN).encode(),
        middlewares=[NatsTelemetryMiddleware(tracer_provider=rig.tracing.provider)],
        logger=None,
    )
    await broker.connect()
    if start:
        await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


def _client(broker: NatsBroker) -> Any:
    """nats-py's client, which FastStream has connected."""
    return broker._connection
