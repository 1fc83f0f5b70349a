"""An application, its sink and the engine over messages in memory: what the conformance suite of sinks runs.

Processes are started, killed at a step and started again; what they have in hand and what was stored outlives them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from bus.contracts import Subscribe
from bus.delivery.applying import Applier, DirectApplier, TransactionalApplier
from bus.delivery.deaths import Deaths
from bus.delivery.drafting import Drafting
from bus.delivery.emitting import Emitter
from bus.delivery.follow_ups import FollowUps
from bus.delivery.handlers import Handler, HandlerSink
from bus.delivery.health import PlaceHealth
from bus.delivery.inflow import Inflow
from bus.delivery.reading import ORIGIN, Reader
from bus.delivery.settling import Settler
from bus.events.registry import KeyTokens
from bus.ports import Sink
from bus.subjects import REDRIVE_STREAM, AppName
from bus.testing.events import APP, CATALOGUE, NAME, TYPE, BarisBerubah
from bus.testing.lines import until
from bus.testing.memory import Crash, MemoryStreams

CONSUMER_APP = AppName("uji", "penerima")
BATCH = 500


class SinkApplication(Protocol):
    """An application under test. Its target has the columns ``kunci`` (its key), ``nilai`` and, where it can, the
    event's id.
    """

    def sink(self) -> Sink:
        """A new connector over the application, as after a restart."""

    async def rows(self) -> Mapping[str, str]:
        """Value by key, as the application sees it now."""

    async def writes(self) -> Sequence[str]:
        """The event id of every write that the application has noticed (by a trigger, a log), in order."""

    async def heard(self) -> Sequence[str]:
        """The event id of every event that the application was told, also where it had it and left it. Where it keeps
        no ids of events by which it could leave any, these are its writes.
        """

    async def refuse(self, value: str | None) -> None:
        """From now on the application refuses rows with this value (None: none)."""

    def stranger(self) -> Sink | None:
        """A connector whose credentials are wrong; None where the application asks for none."""

    async def away(self) -> None:
        """The application stops answering."""

    async def back(self) -> None:
        """It answers again."""

    async def extend(self) -> None:
        """Its owner adds something of which the bus knows nothing: a column with a default, a field in its answers."""

    async def withdraw(self) -> None:
        """What every event needs is gone: a column, a procedure, an address, a folder."""

    async def restore(self) -> None:
        """It is there again, as it was."""

    async def kill(self) -> bool:
        """The process that it runs in is killed. False where that is none (a folder), or nobody can tell from here."""

    async def start(self) -> None:
        """It is started again, with all that it had."""

    async def disturb(self) -> bool:
        """From now on answers come late and connections are cut now and then. False where there is no connection."""

    async def calm(self) -> None:
        """The line is good again."""

    def suffered(self) -> int:
        """How many connections were cut so far, after something on them had come late."""


class MemoryMessage:
    """A delivered message that notes how it was settled."""

    def __init__(self, sequence: int, key: str, value: str, *, event_id: str = "", origin: str = "") -> None:
        self.stream, self.sequence, self.settled = REDRIVE_STREAM if origin else APP.stream, sequence, ""
        self.id = event_id or f"{sequence:032x}"
        drafting = Drafting(KeyTokens(b"uji"))
        draft = drafting.draft(TYPE, BarisBerubah.model_construct(kunci=key, nilai=value))
        event = drafting.identified(draft, self.id, APP.ce_source, "2026-01-31T08:00:00+07:00", "")
        self.subject = f"opd.{APP.prefix}.{NAME}.{event.subject}"
        self.headers, self.body = event.headers(), event.data
        if origin:
            self.headers[ORIGIN] = origin

    @staticmethod
    async def ack_all(messages: Sequence[MemoryMessage]) -> None:
        """Settled together."""
        for message in messages:
            message.settled = "ack"

    async def ack_sync(self) -> None:
        """Settled."""
        self.settled = "ack"

    async def term(self) -> None:
        """Ended."""
        self.settled = "term"

    async def in_progress(self) -> None:
        """Still in hand."""


def handler_sink(function: Handler, database: str | None) -> Sink:
    """A handler as the sink that a contract's ``handler`` and ``database`` make of it."""
    return HandlerSink(function, database, where=function.__name__)


@dataclass
class Process:
    """A process with one sink in it."""

    sink: Sink
    applier: Applier
    settler: Settler
    deaths: Deaths

    def dies(self, place: Any, step: str, *, at: int = 1, after: bool = False) -> None:
        """It will die before or after a step's call number ``at``, with everything in hand that is in hand then."""
        proper, calls = getattr(place, step), 0

        async def call(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > at:
                await asyncio.Event().wait()  # its death is on the way
            if calls < at or after:
                result = await proper(*arguments, **named)
            if calls < at:
                return result
            setattr(self.settler, "applied", _dead)  # noqa: B010 - nothing is settled any more,
            setattr(self.deaths, "_write", _dead)  # noqa: B010 - and what was in hand stays written down
            raise Crash

        setattr(place, step, call)


def _dead(*_: Any) -> None:
    raise Crash


MIDDLE = 20  #: events that are applied before a process dies that applies one at a time


def _dies_before_asking(process: Process) -> None:
    process.dies(process.applier, "apply", at=1 if process.applier.atomic else MIDDLE)


def _dies_before_the_effect(process: Process) -> None:
    process.dies(process.sink, "apply", at=1 if process.applier.atomic else MIDDLE)


def _dies_after_the_effect(process: Process) -> None:
    process.dies(process.sink, "apply", at=1 if process.applier.atomic else MIDDLE, after=True)


def _dies_before_the_receipt(process: Process) -> None:
    process.dies(process.settler, "applied")


def _dies_before_acknowledging(process: Process) -> None:
    process.dies(process.settler, "_receipt", after=True)


def _dies_after_acknowledging(process: Process) -> None:
    process.dies(process.settler, "applied", after=True)


DEATHS = {
    "before asking": _dies_before_asking,
    "between inbox and effect": _dies_before_the_effect,  # without an inbox: before asking
    "between effect and commit": _dies_after_the_effect,  # without a transaction: the target has taken it
    "before the receipt": _dies_before_the_receipt,
    "before the acknowledgement": _dies_before_acknowledging,
    "after the acknowledgement": _dies_after_acknowledging,
}


class Target:
    """An application, its sink and the engine, over streams that outlive their crashes."""

    def __init__(self, application: SinkApplication, folder: Path) -> None:
        self._application, self._folder = application, folder
        self.streams, self.health = MemoryStreams(), PlaceHealth()

    @property
    def receipted(self) -> set[str]:
        """Ids of the events with a receipt."""
        return {event_id for receipt in self.streams.receipts for event_id in receipt["ids"]}

    @asynccontextmanager
    async def running(
        self, dying: Callable[[Process], None] = lambda process: None, sink: Sink | None = None
    ) -> AsyncIterator[Inflow]:
        """A process with the engine in it; it is killed at the end."""
        subscribe = Subscribe.model_validate(
            {"event": str(NAME), "purpose": "uji saja", "basis": "uji saja", "fields": ["kunci", "nilai"]}
        )
        sink = sink or self._application.sink()
        follow_ups = FollowUps(
            CONSUMER_APP,
            subscribe.consumer,
            frozenset(),
            CATALOGUE,
            Drafting(KeyTokens(b"uji")),
            ZoneInfo("Asia/Jakarta"),
        )
        emitter = Emitter(CONSUMER_APP, self.streams)
        applier: Applier = (
            DirectApplier(sink, follow_ups, emitter)
            if sink.database is None
            else TransactionalApplier(
                sink, follow_ups, emitter, CONSUMER_APP, subscribe.consumer, keep=timedelta(days=1)
            )
        )
        settler = Settler(CONSUMER_APP, subscribe.consumer, self.streams, wait=not applier.idempotent)
        deaths = Deaths(self._folder / "hand")
        reader = Reader(subscribe, CATALOGUE, "uji")
        inflow = Inflow(subscribe.consumer, reader, applier, settler, deaths, self.health, hold_poison=False)
        dying(Process(sink, applier, settler, deaths))
        async with working(inflow, applier, deaths):
            yield inflow

    async def deliver(self, messages: Sequence[MemoryMessage]) -> None:
        """Delivers messages to a process of their own, in batches."""
        async with self.running() as inflow:
            await deliver(inflow, messages)


@asynccontextmanager
async def working(inflow: Inflow, applier: Applier, deaths: Deaths) -> AsyncIterator[None]:
    """What has been put together is open and works on what it holds; it is killed at the end."""
    try:
        await applier.open()
        beating = asyncio.create_task(inflow.run(1.0))
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
    finally:
        await applier.close()
        deaths.close()


async def deliver(inflow: Inflow, messages: Sequence[MemoryMessage]) -> None:
    """Hands messages to a process in batches, and waits until all are settled."""
    for start in range(0, len(messages), BATCH):
        await inflow.handle(messages[start : start + BATCH])  # type: ignore[arg-type]
    await until(lambda: all(message.settled for message in messages))


def numbered(pairs: Sequence[tuple[str, str]], first: int = 1) -> list[MemoryMessage]:
    """Messages in the order of a stream."""
    return [MemoryMessage(number, key, value) for number, (key, value) in enumerate(pairs, first)]
