"""An application's sources in the real engine, over streams in memory: its clerks write, and the events follow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bus.contracts import connectors, load
from bus.delivery.cursor import Cursor
from bus.delivery.health import PlaceHealth
from bus.delivery.ledger import Ledger
from bus.delivery.mapping import Drafting, Mapper
from bus.delivery.outflow import Outflow
from bus.events import Catalogue
from bus.events.registry import KeyTokens
from bus.ports import Context, Installable, Source
from bus.subjects import EventName
from bus.testing.memory import MemoryStreams

PATIENCE = 30.0  #: seconds until something that should happen has not


@dataclass(frozen=True)
class Told:
    """An event that was published."""

    id: str
    event: str  #: its type, domain.entity.event.v1
    data: dict[str, Any]


class Office:
    """The sources of a contract. They can be stopped and started again: streams and ledgers stay."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._contract, self._home = load(folder / "adapter.toml"), home
        self._catalogue = Catalogue.load()
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
        context = Context(contract.name, name, contract.folder, ZoneInfo(contract.timezone))
        source = connectors.build(contract.source[name], context, where="test")
        assert isinstance(source, Source)
        if isinstance(source, Installable):
            await source.install()
        mapper = Mapper(contract, name, self._catalogue, Drafting(KeyTokens(b"a key for tests")))
        cursor = Cursor(self.streams, contract.name, name)
        return Outflow(contract.name, name, source, mapper, ledger, cursor, self.streams, PlaceHealth())

    def _check(self) -> None:
        for task in self._tasks:
            if task.done():
                task.result()

    def told(self, *events: str) -> list[Told]:
        """What was published so far, of these types or of all, in order."""
        found = [
            Told(message.headers["ce-id"], str(EventName.parse(message.headers["ce-type"])), json.loads(message.body))
            for message in self.streams.events
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
