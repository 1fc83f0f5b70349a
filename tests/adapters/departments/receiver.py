"""The subscriptions of a contract in the real engine: events arrive, its targets get what the contract lets through."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bus.broker.publish import Message
from bus.contracts import Subscribe, connectors, load
from bus.delivery.applying import DirectApplier
from bus.delivery.deaths import Deaths
from bus.delivery.drafting import Drafting
from bus.delivery.emitting import Emitter, EnvelopeWrapper
from bus.delivery.follow_ups import FollowUps
from bus.delivery.health import PlaceHealth
from bus.delivery.inflow import Inflow
from bus.delivery.reading import Reader
from bus.delivery.settling import Settler
from bus.envelope import rfc3339
from bus.events import Catalogue
from bus.events.registry import KeyTokens
from bus.ports import Context
from bus.subjects import AppName, EventName
from bus.testing.memory import MemoryStreams
from bus.testing.sources import until
from bus.testing.targets import MemoryMessage, working

LONG_AGO = datetime(2026, 3, 16, tzinfo=UTC)

_TOKENS = KeyTokens(b"a key for tests")


def local(folder: Path, into: Path, **changed: str) -> Path:
    """A contract as it is, but for an application on this machine, and options that are ``changed``."""
    contract = shutil.copytree(folder, into / folder.parent.name / folder.name) / "adapter.toml"
    text = re.sub(r"^(url +=)", r"allow_local = true\n\1", contract.read_text(), flags=re.MULTILINE)
    for option, value in changed.items():
        text = re.sub(rf"^{option} += .*$", f"{option} = {value}", text, flags=re.MULTILINE)
    contract.write_text(text)
    return contract.parent


class Arrived(MemoryMessage):
    """A message as a publisher's stream has it; ``settled`` says what became of it."""

    def __init__(self, sequence: int, message: Message) -> None:
        self.stream = f"OPD_{message.subject.split('.')[1].upper()}"
        self.sequence, self.settled = sequence, ""
        self.subject, self.body, self.headers, self.id = (
            message.subject,
            message.body,
            message.headers,
            message.id,
        )


class Receiver:
    """The subscriptions whose target is a connector without a transaction. Ledgers of deaths lie in ``home``."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._contract, self._home = load(folder / "adapter.toml"), home
        self._catalogue = Catalogue.load()
        self._numbers = count(1)
        self._places: dict[str, int] = {}  # in their streams: what comes again lies where it lay
        self.streams = MemoryStreams()

    def event(self, publisher: str, name: str, data: Mapping[str, Any], at: datetime = LONG_AGO) -> Message:
        """An event of another application, validated as its publisher would."""
        kind = self._catalogue[name]
        drafting, app = Drafting(_TOKENS), AppName.parse(publisher)
        draft = drafting.draft(kind, kind.model.model_validate(data, extra="forbid"))
        event = drafting.event(draft, app.ce_source, str(next(self._numbers)), "1", rfc3339(at))
        return EnvelopeWrapper(app).wrap(event)

    async def receive(self, messages: Sequence[Message]) -> list[Arrived]:
        """Delivers messages to the subscriptions of their types, in order; returns them as they were settled."""
        arrived = [Arrived(self._places.setdefault(each.id, next(self._numbers)), each) for each in messages]
        for entry in self._contract.subscribe:
            mine = [each for each in arrived if EventName.parse(each.headers["ce-type"]) == entry.event]
            if mine:
                async with self._running(entry) as inflow:
                    await inflow.handle(mine)  # type: ignore[arg-type]
                    await until(lambda mine=mine: all(each.settled for each in mine))  # type: ignore[misc]
        return arrived

    def reasons(self) -> list[str]:
        """Why events were rejected so far."""
        return [letter.reason for letter in self.streams.letters]

    @asynccontextmanager
    async def _running(self, entry: Subscribe) -> AsyncIterator[Inflow]:
        name, zone = self._contract.name, ZoneInfo(self._contract.timezone)
        assert entry.to is not None
        sink = connectors.build(entry.to, Context(name, entry.consumer, self._contract.folder, zone), where="test")
        drafting = Drafting(_TOKENS)
        follow_ups = FollowUps(name, entry.consumer, frozenset(), self._catalogue, drafting, zone)
        applier = DirectApplier(sink, follow_ups, Emitter(name, self.streams))
        settler = Settler(name, entry.consumer, self.streams, wait=True)
        deaths = Deaths(self._home / f"{entry.consumer}.hand")
        reader = Reader(entry, self._catalogue, "test")
        inflow = Inflow(entry.consumer, reader, applier, settler, deaths, PlaceHealth(), hold_poison=False)
        async with working(inflow, applier, deaths):
            yield inflow
