"""Our ways into an application: through the Subscription and the Inflow, as `bus run` puts them together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from bus.broker import streams
from bus.broker.consume import Incoming, Subscription
from bus.delivery.applying import DirectApplier
from bus.delivery.deaths import Deaths
from bus.delivery.emitting import Emitter
from bus.delivery.flows import consuming
from bus.delivery.follow_ups import FollowUps
from bus.delivery.handlers import HandlerSink
from bus.delivery.health import PlaceHealth
from bus.delivery.inflow import Inflow
from bus.delivery.reading import Reader
from bus.delivery.settling import Settler
from bus.ports import Delivery, FollowUp, Sink
from schemas.kependudukan import PendudukMeninggal
from tests.bench.contest import Lap, ended, finished
from tests.bench.rig import Rig


async def handler(rig: Rig, size: int) -> Lap:
    """A handler without a database: a span for each event."""
    applied = 0

    async def handle(_event: PendudukMeninggal) -> None:
        nonlocal applied
        applied += 1

    lap = await _consume(rig, HandlerSink(handle, None, where="bench"), size)
    if applied != size:
        raise AssertionError(f"{applied} of {size} events were applied")
    return lap


async def bulk(rig: Rig, size: int) -> Lap:
    """A sink that takes whole batches and does nothing with them: a span for each batch."""
    sink = _Nowhere()
    lap = await _consume(rig, sink, size)
    if sink.applied != size:
        raise AssertionError(f"{sink.applied} of {size} events were applied")
    return lap


class _Nowhere:
    """Takes deliveries and forgets them."""

    database: str | None = None
    atomic = True

    def __init__(self) -> None:
        self.applied = 0

    async def open(self) -> None:
        """Nothing to connect to."""

    async def apply(self, deliveries: Sequence[Delivery], transaction: object) -> Sequence[FollowUp]:
        """Counts them."""
        self.applied += len(deliveries)
        return ()

    async def close(self) -> None:
        """Nothing to let go of."""


async def _consume(rig: Rig, sink: Sink, size: int) -> Lap:
    contract, grant = rig.consuming()
    await rig.declare(streams.declared_consumer(grant), grant.stream)
    place, publisher = grant.place, rig.publisher
    follow_ups = FollowUps(
        contract.name, place, contract.emits, rig.catalogue, rig.drafting, ZoneInfo(contract.timezone)
    )
    applier = DirectApplier(sink, follow_ups, Emitter(contract.name, publisher))
    deaths = Deaths(rig.settings.home / "state" / f"{place}.hand")
    inflow = Inflow(
        place,
        Reader(contract.subscribe[0], rig.catalogue, "bench"),
        applier,
        Settler(contract.name, place, publisher, wait=not applier.idempotent),
        deaths,
        PlaceHealth(),
        hold_poison=False,
    )
    settled, done = 0, asyncio.Event()

    async def handle(incomings: Sequence[Incoming]) -> None:
        nonlocal settled
        await inflow.handle(incomings)
        settled += len(incomings)
        if settled >= size:
            done.set()

    def subscribe() -> list[Subscription]:
        batch = rig.settings.batch
        return [Subscription(rig.connection, grant.stream, grant.durable, handle, batch=batch, overlap=True)]

    with Lap.timed(rig, size) as lap:
        running = asyncio.create_task(consuming(subscribe, inflow, applier, lambda: None)())
        await finished(done, running)
    await ended(running)
    deaths.close()
    return lap
