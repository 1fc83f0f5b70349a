"""Runs the flows of one adapter side by side: what an error of one means for it and for the others.

retry      the flow starts again after a while
stop       the flow ends, a person must act; the others go on
stand-by   all end: another instance is the active one
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import structlog

from bus.broker.consume import Subscription
from bus.delivery.applying import Applier
from bus.delivery.backoff import Backoff
from bus.delivery.health import Health
from bus.delivery.inflow import Inflow
from bus.errors import Action, BusError, ConfigError, Fenced, Unavailable, frames
from bus.subjects import AppName
from bus.tasks import first, heed_cancellation, to_the_end, together

GRACE = 10.0  #: seconds that a batch in hand gets to finish when the adapter stops
BEATS = 3  #: signs of life per ack_wait

CEILING = 30.0  #: seconds until a flow that fails again and again is tried once more

Flow = Callable[[], Coroutine[Any, Any, None]]

log = structlog.get_logger(__name__)


def _bug(error: Exception) -> BusError:
    """What nobody foresaw, by class and place: its text may hold values. The flow is tried again, the others go on."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    log.debug("unexpected", error=type(error).__name__, frames=frames(error))
    return Unavailable(f"unexpected {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}")


class Flows:
    """The flows of one adapter."""

    def __init__(self, app: AppName, health: Health) -> None:
        self._app, self._health = app, health
        self._flows: dict[str, Flow] = {}
        self._helping: set[str] = set()
        self._stopped: dict[str, BusError] = {}
        self._at_end: list[Callable[[], None]] = []

    def add(self, name: str, flow: Flow, *, helps: bool = False) -> None:
        """A flow to run. One that only ``helps`` others is no reason to go on without them."""
        self._flows[name] = flow
        if helps:
            self._helping.add(name)

    def at_end(self, close: Callable[[], None]) -> None:
        """Something to close when all flows have ended."""
        self._at_end.append(close)

    async def run(self, stopping: asyncio.Event) -> None:
        """Runs all until ``stopping`` is set. Returns also when another instance has become the active one.

        Raises the error of a flow where every one has stopped that does not merely help others: who started this then
        starts it again.
        """
        try:
            await first(stopping.wait(), together(*(self._guard(name, flow) for name, flow in self._flows.items())))
        except Fenced as error:
            log.warning("no longer the active instance", app=str(self._app), error=str(error))
        finally:
            for close in self._at_end:
                close()

    def works(self, name: str) -> None:
        """A flow that may have failed before works now."""
        if (place := self._health.places.get(name)) is not None:
            place.problem = ""

    async def _guard(self, name: str, flow: Flow) -> None:
        backoff = Backoff(ceiling=CEILING)
        while True:
            begun = monotonic()
            try:
                await flow()
            except Exception as unexpected:
                heed_cancellation()
                error = unexpected if isinstance(unexpected, BusError) else _bug(unexpected)
                if error.action is Action.STAND_BY:
                    raise
                self._health.place(name).failed(error)
                if error.action is not Action.RETRY:
                    log.error("stopped", app=str(self._app), place=name, error=str(error), code=error.code)  # noqa: TRY400
                    self._stopped[name] = error
                    if self._stopped.keys() >= self._flows.keys() - self._helping:
                        raise
                    return
                if monotonic() - begun > CEILING:
                    backoff.reset()  # what happened long ago has nothing to do with it
                log.warning("starts again", app=str(self._app), place=name, error=str(error))
                await asyncio.sleep(backoff.next())
            else:
                return


def consuming(
    make: Callable[[], Sequence[Subscription]], inflow: Inflow, applier: Applier, works: Callable[[], None]
) -> Flow:
    """The flow of a subscription: opens its target, pulls from each of its consumers, and drains at the end. ``works``
    is called whenever it has got as far as pulling.
    """

    async def flow() -> None:
        try:
            await applier.open()
            inflow.begin()
            await _pull(make(), inflow, works)
        finally:
            await to_the_end(applier.close())

    return flow


def pulling(make: Callable[[], Sequence[Subscription]], works: Callable[[], None]) -> Flow:
    """The flow of consumers whose handler needs no engine around it; ``works`` as in ``consuming``."""

    async def flow() -> None:
        await _pull(make(), None, works)

    return flow


async def _pull(subscriptions: Sequence[Subscription], inflow: Inflow | None, works: Callable[[], None]) -> None:
    if not subscriptions:
        raise ConfigError(
            "nothing is granted: no known application publishes this",
            hint="`bus check`, then `bus up` or `bus streams apply`",
        )
    try:
        for subscription in subscriptions:
            await subscription.start()
        works()
        waiting: list[Awaitable[None]] = [subscription.failed() for subscription in subscriptions]
        if inflow is not None:
            waiting.append(inflow.run(min(each.ack_wait for each in subscriptions) / BEATS))
        await together(*waiting)  # type: ignore[arg-type]
    finally:
        if inflow is not None:
            inflow.end()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*(subscription.stop(grace=GRACE) for subscription in subscriptions))
