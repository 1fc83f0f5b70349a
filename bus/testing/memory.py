"""Streams in memory: what the engines need of NATS, with the same rules, and with faults on demand.

Messages are stored once per id, batches whole or not at all, cursors are fenced. It proves a connector's logic in
milliseconds; guarantees of the whole are proven on a real server.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from bus.broker.direct import StoredMessage
from bus.broker.publish import FEW, Message, Outgoing, Stored
from bus.delivery.dead_letters import DeadLetter
from bus.errors import Fenced, StreamFull
from bus.subjects import EVENT_TOKENS


class Crash(BaseException):
    """The process dies here: nothing in the engine catches it."""


class MemoryStreams:
    """All streams in one list. ``keep`` False counts events and forgets their bodies, for tests of memory.

    A ``tracestate`` is left out: nothing here is traced.
    """

    room = 1024 * 1024

    def __init__(self, *, keep: bool = True) -> None:
        self._keep = keep
        self._ids: set[str] = set()
        self._last: dict[str, StoredMessage] = {}
        self._cursors: list[StoredMessage] = []
        self._sequence = 0
        self.events: list[Message] = []
        self.letters: list[DeadLetter] = []
        self.receipts: list[dict[str, Any]] = []
        self.count = 0  #: events stored
        self.full = False  #: refuses everything with StreamFull
        self.refused = 0
        self.crash_before_store = False
        self.crash_between = False  #: stores a few events, but not the cursor behind them
        self.crash_after_store = False
        self.lose_acknowledgement = False  #: stores the next batch and answers with a time-out

    async def last(self, stream: str, subject: str) -> StoredMessage | None:
        """The last message on a subject."""
        return self._last.get(subject)

    async def again(
        self, stream: str, subject: str, durable: str, *, first: int, last: int
    ) -> AsyncIterator[tuple[int, bytes]]:
        """What was stored on a cursor's subject."""
        for message in self._cursors:
            if message.subject == subject and first <= message.sequence <= last:
                yield message.sequence, message.body

    async def send(self, message: Message) -> Stored:
        """Stores one message."""
        return (await self.send_all([message]))[0]

    async def send_all(self, messages: Sequence[Message], *, tracestate: str = "") -> list[Stored]:
        """Stores messages one by one."""
        self._check()
        if not any(map(_is_event, messages)):
            return [self._store(message) for message in messages]
        self._die_before()
        stored = [self._store(message) for message in messages]
        if self.crash_between:
            raise Crash
        self._die_after(messages[-1].subject)
        return stored

    async def stage(self, outgoing: Outgoing) -> None:
        """Nothing is sent ahead: what is in memory needs no time to get there."""

    async def send_batch(self, outgoing: Outgoing, cursor: Message, *, after: int, together: bool = True) -> Stored:
        """Stores messages and their cursor together or not at all; a few that need not be, one by one."""
        self._check()
        self._die_before()
        last = self._last.get(cursor.subject)
        if (last.sequence if last else 0) != after:
            raise Fenced("another instance has moved this cursor", where=cursor.subject)
        apart = not together and len(outgoing.messages) <= FEW
        if self.crash_between and not apart:
            raise Crash
        for message in outgoing.messages:
            self._store(message)
        if self.crash_between:
            raise Crash
        stored = self._store(cursor)
        self._die_after(cursor.subject)
        return stored

    def _die_before(self) -> None:
        if self.crash_before_store:
            raise Crash

    def _die_after(self, subject: str) -> None:
        if self.crash_after_store:
            raise Crash
        if self.lose_acknowledgement:
            self.lose_acknowledgement = False
            raise StreamFull("no acknowledgement", where=subject)

    def _check(self) -> None:
        if self.full:
            self.refused += 1
            raise StreamFull("the stream is full", where="memory")

    def _store(self, message: Message) -> Stored:
        if message.id and message.id in self._ids:
            return Stored("memory", self._sequence, duplicate=True)
        self._sequence += 1
        kind = message.subject.partition(".")[0]
        if _is_event(message):
            self.count += 1
            if self._keep:
                self._ids.add(message.id)
                self.events.append(message)
            return Stored("memory", self._sequence)
        stored = StoredMessage(message.subject, message.body, message.headers, self._sequence, "")
        self._last[message.subject] = stored
        if self._keep and kind == "opd":
            self._cursors.append(stored)
        if kind == "dlq" and message.id not in self._ids:
            self._ids.add(message.id)
            self.letters.append(DeadLetter.parse(message.body))
        elif kind == "receipt" and self._keep:
            self.receipts.append(json.loads(message.body))
        return Stored("memory", self._sequence)


def _is_event(message: Message) -> bool:
    return message.subject.startswith("opd.") and message.subject.count(".") == EVENT_TOKENS - 1
