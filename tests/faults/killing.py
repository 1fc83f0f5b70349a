"""Kills at moments drawn at random, within the work on rows that come slice by slice."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from tests.faults.applications import Row, rows
from tests.faults.city import City

KILLS = 10
ROWS = 20_000
SLICE = ROWS // KILLS
SEED = int(os.environ.get("BUS_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)


class Writable(Protocol):
    """An application that rows are written into."""

    def write(self, written: Iterable[Row]) -> None:
        """Writes rows, in one transaction."""


def moments() -> random.Random:
    """Draws the moments; the seed is shown with a failure, BUS_TEST_SEED repeats it."""
    print(f"BUS_TEST_SEED={SEED}")
    return random.Random(SEED)


async def kill_often(
    city: City,
    source: Writable,
    draw: random.Random,
    progress: Callable[[], Awaitable[int]],
    kill: Callable[[], Awaitable[None]],
    *,
    kills: int = KILLS,
    portion: int = SLICE,
) -> list[Row]:
    """Feeds the source slice by slice, and kills within each: after a number of rows, and a moment later."""
    written: list[Row] = []
    for number in range(kills):
        fed = rows(1 + number * portion, portion, seed=SEED)
        await asyncio.to_thread(source.write, fed)
        written += fed
        goal = number * portion + draw.randrange(portion)

        async def reached(goal: int = goal) -> bool:
            return await progress() > goal

        await city.until(reached, f"kill {number + 1}: progress beyond {goal}")
        await asyncio.sleep(draw.uniform(0, 0.15))  # anywhere within the work on a batch
        await kill()
    return written
