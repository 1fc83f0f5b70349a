"""A batch that a target does not take: the target may be away, or something of the batch be what it cannot take."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bus.errors import Unavailable
from bus.ports import Delivery, FollowUp
from bus.testing.lines import until
from bus.testing.targets import MemoryMessage, Target, deliver, numbered


class Lists:
    """An application that takes lists, and the sink over it."""

    database: str | None = None
    atomic = True

    def __init__(self) -> None:
        self.away = False
        self.busy_with = ""  #: the value of events with which it is busy
        self.asked: list[int] = []  #: how many events each time
        self.taken: list[tuple[str, str]] = []

    def sink(self) -> Lists:
        return self

    async def open(self) -> None:
        """Nothing to connect to."""

    async def apply(self, deliveries: Sequence[Delivery], transaction: Any) -> Sequence[FollowUp]:
        rows = [(each.data.kunci, each.data.nilai) for each in deliveries]  # type: ignore[attr-defined]
        self.asked.append(len(rows))
        if self.away or self.busy_with in {value for _, value in rows}:
            raise Unavailable("busy", where="uji")
        self.taken += rows
        return ()

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_target_that_is_away_for_a_while_gets_the_batch_whole(tmp_path: Path) -> None:
    lists = Lists()
    lists.away = True
    target = Target(lists, tmp_path)  # type: ignore[arg-type]
    pairs = [(f"k{number % 30}", f"isi {number}") for number in range(200)]
    async with target.running() as inflow:
        delivering = asyncio.create_task(deliver(inflow, numbered(pairs)))
        await until(lambda: lists.asked.count(1) >= 2)
        lists.away = False
        await delivering
    assert set(lists.asked) == {1, 200}
    assert len(lists.asked) < 15, "it is left alone for ever longer"
    assert sorted(lists.taken) == sorted(pairs)
    assert not target.streams.letters


async def test_what_a_target_is_busy_with_alone_holds_nothing_else(tmp_path: Path) -> None:
    lists = Lists()
    lists.busy_with = "isi 70"
    target = Target(lists, tmp_path)  # type: ignore[arg-type]
    pairs = [(f"k{number % 30}", f"isi {number}") for number in range(200)]
    messages = numbered(pairs)
    async with target.running() as inflow:
        delivering = asyncio.create_task(deliver(inflow, messages))
        held = [message for message in messages[70:] if "k10" in _key(message)]
        await until(lambda: all(message.settled for message in messages if message not in held))
        assert not any(message.settled for message in held), "its key waits, in its order"
        lists.busy_with = ""
        await delivering
    assert [pair for pair in lists.taken if pair[0] == "k10"] == [pair for pair in pairs if pair[0] == "k10"]
    assert sorted(lists.taken) == sorted(pairs)
    assert not target.streams.letters


def _key(message: MemoryMessage) -> str:
    return message.body.decode()
