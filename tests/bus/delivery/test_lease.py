"""What a lease says when its instance ends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bus import subjects
from bus.broker.publish import EXPECTED_SEQUENCE, Message, Stored
from bus.delivery import lease as module
from bus.delivery.lease import Lease
from bus.errors import Fenced
from bus.testing.events import APP
from bus.testing.lines import PATIENCE, until
from bus.testing.memory import MemoryStreams


class Unanswered(MemoryStreams):
    """Streams that store what follows the last message of its subject, and answer when they are let."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.answers.set()
        self.stored = 0

    async def send(self, message: Message) -> Stored:
        last = await self.last(APP.stream, message.subject)
        if message.headers[EXPECTED_SEQUENCE] != str(last.sequence if last else 0):
            raise Fenced("moved", where=message.subject)
        stored = await super().send(message)
        self.stored += 1
        await self.answers.wait()
        return stored


async def test_an_interrupted_renewal_does_not_keep_the_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A standby would wait until it has run out."""
    monkeypatch.setattr(module, "RENEWAL", 0.0)
    streams = Unanswered()
    lease = Lease(streams, APP, tmp_path, dict)
    await lease.acquire()
    streams.answers.clear()
    keeping = asyncio.create_task(lease.keep())
    await until(lambda: streams.stored == 2)
    keeping.cancel()
    await asyncio.wait({keeping}, timeout=PATIENCE)
    streams.answers.set()

    await lease.release()

    last = await streams.last(APP.stream, subjects.lease(APP))
    assert last
    assert json.loads(last.body)["released"]
