"""Pulled batches on their way to the engine."""

from __future__ import annotations

import asyncio
import gc
import itertools
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bus.broker import consume
from bus.broker.connection import Connection
from bus.broker.consume import Handle, Incoming, Subscription
from bus.broker.publish import Publisher
from bus.broker.pull import Pull
from bus.errors import Unavailable
from tests.bus.broker.conftest import STREAM, event

DURABLE = "uji_baca"
BATCH = 3
PATIENCE = 20.0


@asynccontextmanager
async def subscribed(connection: Connection, handle: Handle) -> AsyncIterator[Subscription]:
    """A subscription with ``overlap`` that is made, and begins when it is started."""
    config = {"durable_name": DURABLE, "ack_policy": "explicit", "deliver_policy": "all"}
    await connection.api(f"CONSUMER.CREATE.{STREAM}.{DURABLE}", {"stream_name": STREAM, "config": config})
    subscription = Subscription(connection, STREAM, DURABLE, handle, batch=BATCH, overlap=True)
    try:
        yield subscription
    finally:
        await subscription.stop(grace=1.0)


async def test_one_batch_more_is_handed_over_while_one_is_handled(connection: Connection, publisher: Publisher) -> None:
    await publisher.send_all([event(number) for number in range(3 * BATCH)])
    come: list[int] = []
    another, done = asyncio.Event(), asyncio.Event()

    async def handle(incomings: Sequence[Incoming]) -> None:
        come.append(incomings[0].sequence)
        if len(come) == 1:
            await another.wait()
            assert come == [1, 1 + BATCH]
        else:
            another.set()
        await Incoming.ack_all(incomings)
        if len(come) == 3:
            done.set()

    async with asyncio.timeout(PATIENCE), subscribed(connection, handle) as subscription:
        await subscription.start()
        await done.wait()
    assert come == [1, 1 + BATCH, 1 + 2 * BATCH]


@pytest.mark.parametrize("slow", [1, 2])
async def test_a_batch_that_is_long_on_its_way_is_not_overtaken(
    connection: Connection, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, slow: int
) -> None:
    """Also where the batch before is done meanwhile."""
    await publisher.send_all([event(number) for number in range(3 * BATCH)])
    come: list[int] = []
    on_its_way, done = asyncio.Event(), asyncio.Event()

    async def handle(incomings: Sequence[Incoming]) -> None:
        await on_its_way.wait()
        come.extend(each.sequence for each in incomings)
        await Incoming.ack_all(incomings)
        if len(come) == 3 * BATCH:
            done.set()

    async with asyncio.timeout(PATIENCE), subscribed(connection, handle) as subscription:
        consume, calls = subscription._subscriber.consume, itertools.count(1)

        async def slow_once(messages: Any) -> None:
            if next(calls) == slow:
                on_its_way.set()
                await asyncio.sleep(0.3)  # more than the next batch needs to be pulled
            await consume(messages)

        monkeypatch.setattr(subscription._subscriber, "consume", slow_once)
        await subscription.start()
        await done.wait()
    assert come == list(range(1, 3 * BATCH + 1))


async def test_what_another_instance_was_given_is_not_overtaken(connection: Connection, publisher: Publisher) -> None:
    """One that was frozen wakes and pulls: behind what it was given all begins again at what is unsettled."""
    await publisher.send_all([event(number) for number in range(4 * BATCH)])
    come: list[int] = []
    taken, done = asyncio.Event(), asyncio.Event()

    async def handle(incomings: Sequence[Incoming]) -> None:
        come.extend(each.sequence for each in incomings)
        if not taken.is_set():
            other = await Pull.open(connection, STREAM, DURABLE)
            assert not await other.batch(BATCH)
            assert other.lost, "it comes behind the first"
            await other.unsubscribe()
            taken.set()
        await Incoming.ack_all(incomings)
        if come[-1] == 4 * BATCH:
            done.set()

    async with asyncio.timeout(PATIENCE), subscribed(connection, handle) as subscription:
        await subscription.start()
        await done.wait()
    assert list(dict.fromkeys(come)) == list(range(1, 4 * BATCH + 1))


async def test_what_cannot_go_on_pulling_leaves_no_subscription_behind(
    connection: Connection, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While JetStream is away and the connection is not, it tries again and again."""
    monkeypatch.setattr(consume, "AGAIN", 0.01)
    proper, refused = connection.api, 0

    async def api(subject: str, body: Any = None) -> Any:
        nonlocal refused
        if subject.startswith("CONSUMER.RESET") and begun.is_set() and refused < 5:
            refused += 1
            raise Unavailable("JetStream has no leader")
        return await proper(subject, body)

    async def handle(incomings: Sequence[Incoming]) -> None:
        await Incoming.ack_all(incomings)
        if incomings[-1].sequence == 2:
            done.set()

    begun, done = asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(connection, "api", api)
    async with asyncio.timeout(PATIENCE), subscribed(connection, handle) as subscription:
        await subscription.start()
        before = len(connection.client._subs), len(connection.when_lost)
        await publisher.send_all([event(1)])
        begun.set()
        for lost in list(connection.when_lost):
            lost()
        await publisher.send_all([event(2)])
        await done.wait()
        assert refused == 5
        assert (len(connection.client._subs), len(connection.when_lost)) == before


async def test_one_that_has_ended_is_kept_by_nobody(connection: Connection) -> None:
    """Each restart of a flow makes another."""

    async def ended() -> weakref.ref[Subscription]:
        async with subscribed(connection, Incoming.ack_all) as subscription:
            await subscription.start()
            return weakref.ref(subscription)

    before = len(connection.broker.subscribers)
    gone = await ended()
    gc.collect()
    assert gone() is None
    assert len(connection.broker.subscribers) == before
