"""Coroutines side by side: errors come as they are, and an end is an end."""

from __future__ import annotations

import asyncio

import pytest

from bus.errors import Unavailable
from bus.tasks import first, heed_cancellation, heeding, to_the_end, together


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


@pytest.mark.parametrize("fails_too", [False, True])
async def test_a_cancellation_that_is_lost_with_an_answer_is_raised_behind_it(*, fails_too: bool) -> None:
    begun, answered = asyncio.Event(), []

    async def request() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            answered.append("yes")
        if fails_too:
            raise Unavailable("away")
        return "yes"

    async def flow() -> None:
        while True:
            try:
                await heeding(request())
            except Unavailable:
                await forever()

    task = asyncio.create_task(flow())
    await begun.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert answered == ["yes"], "told to end once"
    assert await heeding(asyncio.sleep(0, "an answer")) == "an answer"


@pytest.mark.parametrize("fails_too", [False, True])
async def test_letting_go_is_not_cut_short(*, fails_too: bool) -> None:
    begun, told, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def close() -> None:
        begun.set()
        await told.wait()
        closed.set()
        if fails_too:
            raise Unavailable("away")

    task = asyncio.create_task(to_the_end(close()))
    await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    told.set()

    with pytest.raises(asyncio.CancelledError) as cancelled:
        await asyncio.wait_for(task, 5)
    assert closed.is_set()
    assert isinstance(cancelled.value.__cause__, Unavailable) == fails_too


async def test_an_error_of_letting_go_is_raised() -> None:
    with pytest.raises(Unavailable):
        await to_the_end(fails())
