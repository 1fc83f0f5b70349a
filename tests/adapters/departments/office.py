"""An application in the real engine, over streams in memory: its clerks write, events follow, and others take them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bus.contracts import Subscribe, connectors, load
from bus.contracts.mapping_module import load_function
from bus.delivery.applying import TransactionalApplier
from bus.delivery.cursor import Cursor
from bus.delivery.drafting import Drafting
from bus.delivery.emitting import Emitter
from bus.delivery.follow_ups import FollowUps
from bus.delivery.handlers import HandlerSink
from bus.delivery.health import PlaceHealth
from bus.delivery.ledger import Ledger
from bus.delivery.mapping import Mapper
from bus.delivery.outflow import Outflow
from bus.delivery.reading import Reader
from bus.events import Catalogue
from bus.events.registry import KeyTokens
from bus.ports import Context, Installable, Sink, Source
from bus.subjects import EventName
from bus.testing.memory import MemoryStreams

PATIENCE = 30.0  #: seconds until something that should happen has not


@dataclass(frozen=True)
class Told:
    """An event that was published."""

    id: str
    event: str  #: its type, domain.entity.event.v1
    data: dict[str, Any]


@dataclass(frozen=True)
class Received:
    """A message as a consumer gets it."""

    stream: str
    sequence: int
    subject: str
    headers: Mapping[str, str]
    body: bytes


class Office:
    """The application of a contract. Its sources can be stopped and started again: streams and ledgers stay."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._contract, self._home = load(folder / "adapter.toml"), home
        self._catalogue, self._drafting = Catalogue.load(), Drafting(KeyTokens(b"a key for tests"))
        self._zone = ZoneInfo(self._contract.timezone)
        self.streams = MemoryStreams()
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All sources, what they need installed; they are killed at the end. Raises what a source ended with."""
        ledgers = []
        self._tasks = []
        for name in self._contract.source:
            ledger = Ledger(self._home / f"{name}.ledger")
            ledgers.append(ledger)
            outflow = await self._outflow(name, ledger)
            self._tasks.append(asyncio.create_task(outflow.run(), name=name))
        try:
            yield
            self._check()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for ledger in ledgers:
                ledger.close()

    async def _outflow(self, name: str, ledger: Ledger) -> Outflow:
        contract = self._contract
        source = connectors.build(contract.source[name], self._context(name), where="test")
        assert isinstance(source, Source)
        if isinstance(source, Installable):
            await source.install()
        mapper = Mapper(contract, name, self._catalogue, self._drafting)
        cursor = Cursor(self.streams, contract.name, name)
        return Outflow(contract.name, name, source, mapper, ledger, cursor, self.streams, PlaceHealth())

    async def take(self, publisher: Office) -> None:
        """Applies what another has published, each event once: inbox, effect and follow-ups in one transaction."""
        for subscribe in self._contract.subscribe:
            given = [
                Received("OPD", sequence, message.subject, headers, message.body)
                for sequence, message in enumerate(publisher.streams.events, 1)
                if (headers := message.headers)["ce-type"] == subscribe.event.ce_type
            ]
            if given:
                await self._apply(subscribe, given)

    async def _apply(self, subscribe: Subscribe, given: Sequence[Received]) -> None:
        contract, place = self._contract, subscribe.consumer
        reader = Reader(subscribe, self._catalogue, "test")
        follow_ups = FollowUps(contract.name, place, contract.emits, self._catalogue, self._drafting, self._zone)
        emitter, keep = Emitter(contract.name, self.streams), timedelta(days=1)
        applier = TransactionalApplier(self._sink(subscribe), follow_ups, emitter, contract.name, place, keep=keep)
        await applier.open()
        try:
            await applier.apply([reader.read(each).delivery for each in given])  # type: ignore[arg-type]
        finally:
            await applier.close()

    def _sink(self, subscribe: Subscribe) -> Sink:
        if subscribe.handler is not None:
            return HandlerSink(load_function(self._contract, subscribe.handler), subscribe.database, where="test")
        assert subscribe.to is not None
        sink = connectors.build(subscribe.to, self._context(subscribe.consumer), where="test")
        assert isinstance(sink, Sink)
        return sink

    def _context(self, name: str) -> Context:
        return Context(self._contract.name, name, self._contract.folder, self._zone)

    def _check(self) -> None:
        for task in self._tasks:
            if task.done():
                task.result()

    def told(self, *events: str) -> list[Told]:
        """What was published so far, of these types or of all, in order."""
        found = [
            Told(headers["ce-id"], str(EventName.parse(headers["ce-type"])), json.loads(message.body))
            for message in self.streams.events
            for headers in [message.headers]
        ]
        return [each for each in found if not events or each.event in events]

    def reasons(self) -> list[str]:
        """Why records were rejected so far."""
        return [letter.reason for letter in self.streams.letters]

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits until a condition holds. Raises TimeoutError, and what a source ended with."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._check()
                await asyncio.sleep(0.01)

    async def until_told(self, event: str, count: int) -> list[Told]:
        """Waits until so many events of a type were published, and returns them."""
        await self.until(lambda: len(self.told(event)) >= count)
        return self.told(event)
