"""What comes again although it is settled: the server's second delivery and the word to it have passed each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bus.delivery.settled import Settled
from bus.ports import Delivery, FollowUp
from bus.testing.targets import MemoryMessage, SinkApplication, Target, deliver, numbered

PAIRS = [("satu", "a"), ("dua", "b"), ("satu", "c")]


class Noting:
    """A target without a database, which notes what it is told."""

    database: str | None = None
    atomic = False

    def __init__(self) -> None:
        self.told: list[str] = []

    async def open(self) -> None:
        pass

    async def apply(self, deliveries: Sequence[Delivery], transaction: Any) -> Sequence[FollowUp]:
        self.told += [delivery.event.id for delivery in deliveries]
        return []

    async def close(self) -> None:
        pass


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(cast(SinkApplication, None), tmp_path)


async def test_a_second_delivery_is_settled_and_not_applied(target: Target) -> None:
    noting, first, second = Noting(), numbered(PAIRS), numbered(PAIRS)
    async with target.running(sink=noting) as inflow:
        await deliver(inflow, first)
        await deliver(inflow, second)

    assert sorted(noting.told) == [message.id for message in first]
    assert [message.settled for message in second] == ["ack"] * len(PAIRS)


async def test_another_event_at_the_same_place_is_applied(target: Target) -> None:
    """The stream was made anew, and counts from the beginning."""
    noting, old = Noting(), numbered(PAIRS)
    new = [MemoryMessage(each.sequence, "tiga", "d", event_id=f"{each.sequence + 7:032x}") for each in old]
    async with target.running(sink=noting) as inflow:
        await deliver(inflow, old)
        await deliver(inflow, new)

    assert sorted(noting.told) == sorted(message.id for message in [*old, *new])


def test_the_oldest_are_forgotten_first() -> None:
    items = [
        cast(Any, SimpleNamespace(place=("OPD_UJI", number), event=SimpleNamespace(id=str(number))))
        for number in range(5)
    ]
    some = Settled(3)
    some.add(items[:2])
    some.add(items[2:])

    assert [item in some for item in items] == [False, False, True, True, True]
