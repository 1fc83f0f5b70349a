"""Coroutines side by side: errors come as they are, and an end is an end."""

from __future__ import annotations

import asyncio

import pytest

from bus.delivery.tasks import first, heed_cancellation, together
from bus.errors import Unavailable


async def forever() -> None:
    await asyncio.Event().wait()


async def fails() -> None:
    raise Unavailable("away")


async def test_an_error_ends_the_others_and_is_raised_as_it_is() -> None:
    with pytest.raises(Unavailable):
        await together(forever(), fails())


async def test_the_first_to_end_ends_the_others() -> None:
    await first(forever(), asyncio.sleep(0))


async def test_a_swallowed_cancellation_is_heeded() -> None:
    begun = asyncio.Event()

    async def driver() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Unavailable("the statement was cancelled") from None

    async def flow() -> None:
        while True:
            try:
                await driver()
            except Unavailable:
                heed_cancellation()

    task = asyncio.create_task(flow())
    await begun.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
