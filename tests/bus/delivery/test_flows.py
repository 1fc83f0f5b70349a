"""Flows side by side: what operations are told of one that fails, and of one that works again."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from bus.delivery.flows import Flows, pulling
from bus.delivery.health import Health
from bus.errors import AccessError, Unavailable
from bus.subjects import AppName
from bus.testing.lines import until


class Waiting:
    """A subscription to which nothing comes."""

    async def start(self) -> None:
        pass

    async def failed(self) -> None:
        await asyncio.Event().wait()

    async def stop(self, *, grace: float) -> None:
        pass


class Refusing(Waiting):
    """One whose server is away at first."""

    async def start(self) -> None:
        raise Unavailable("no NATS server answers")


def started(health: Health) -> Flows:
    """With the two that every adapter has."""
    flows = Flows(AppName("uji", "a"), health)
    for keeper in ("lease", "connection"):
        flows.add(keeper, Waiting().failed, helps=True)
    return flows


async def test_a_problem_is_over_as_soon_as_it_pulls_again() -> None:
    """Also where nothing comes that could be done."""
    health, stopping = Health(), asyncio.Event()
    flows = started(health)
    subscriptions: list[list[Any]] = [[Waiting()], [Refusing()]]
    flows.add("tempat", pulling(subscriptions.pop, partial(flows.works, "tempat")))
    running = asyncio.create_task(flows.run(stopping))
    await until(lambda: "tempat" in health.places)
    assert "no NATS server answers" in health.place("tempat").problem
    await until(lambda: not health.place("tempat").problem)
    assert "no NATS server answers" in health.place("tempat").last_problem
    stopping.set()
    await running


async def test_one_that_stops_is_told_and_the_others_go_on() -> None:
    health, stopping = Health(), asyncio.Event()
    flows = started(health)

    async def refused() -> None:
        raise AccessError("the database refuses", hint="check the user")

    flows.add("a", refused)
    flows.add("b", pulling(lambda: [Waiting()], partial(flows.works, "b")))  # type: ignore[list-item]
    running = asyncio.create_task(flows.run(stopping))
    await until(lambda: "a" in health.places)
    assert health.place("a").problem == health.place("a").last_problem == "the database refuses (check the user)"
    assert not running.done()
    stopping.set()
    await running


async def test_all_that_stop_end_it() -> None:
    flows = started(Health())

    async def refused() -> None:
        raise AccessError("the database refuses")

    flows.add("source-a", refused)
    flows.add("redrive source-a", Waiting().failed, helps=True)  # which works on, for nobody
    with pytest.raises(AccessError):
        await flows.run(asyncio.Event())
