"""Runs coroutines side by side: an error of one ends the others, and is raised as it is, not in a group of errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


async def together(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Runs until all are done or the first fails; the others are then cancelled, and its error is raised as it is."""
    await _run(coroutines, asyncio.FIRST_EXCEPTION)


async def first(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Runs until the first is done, cancels the others, and raises its error where it has failed."""
    await _run(coroutines, asyncio.FIRST_COMPLETED)


async def _run(coroutines: Sequence[Coroutine[Any, Any, Any]], until: str) -> None:
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=until)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Lets go of things to the end: where this task is cancelled meanwhile, that is raised when the work is done.

    What runs in a thread would otherwise not even begin (a file stays open), and a driver would be stopped half-way.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError as cancelled:
        await asyncio.wait([task])
        raise cancelled from (None if task.cancelled() else task.exception())


async def heeding(work: Awaitable[T]) -> T:
    """Awaits what may lose a cancellation of this task, which is raised behind it: see ``heed_cancellation``."""
    try:
        return await work
    finally:
        heed_cancellation()


def heed_cancellation() -> None:
    """Raises CancelledError where this task was told to end and something on the way has swallowed it.

    A driver that is cancelled in the middle of a statement (asyncmy) may end it with an error of its own, or none, and
    asyncio's ``wait_for`` before Python 3.12 loses a cancellation that comes with what it waits for: whoever goes on
    after an error asks here each time, or it would go on for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
