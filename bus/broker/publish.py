"""Ways into JetStream, all with ``Nats-Msg-Id``: messages in groups, and atomic batches with a fenced cursor.

Backlogs go in atomic batches too: of a fast-ingest batch the server syncs each message to disk by itself, which makes
it several times slower (the benchmark ``backlog-ingest``).

A publish that times out may have been stored: it is unknown, and sent again with the same id, which the server then
acknowledges as a duplicate. https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, NamedTuple, Protocol, Self

from nats.aio.msg import Msg
from nats.errors import Error

from bus.broker import wire
from bus.broker.connection import (
    GIVEN_UP,
    NOT_TOGETHER,
    REQUEST_TIMEOUT,
    WRONG_LAST_SEQUENCE,
    Connection,
    stream_full,
)
from bus.broker.direct import StoredMessage, last_message
from bus.broker.history import read_again
from bus.errors import BusError, ContractError, Fenced, Unavailable
from bus.headers import Headers

MSG_ID = "Nats-Msg-Id"
EXPECTED_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
MAX_BATCH = 1000  #: messages in one atomic batch; the server refuses more
HEADER_ROOM = 4096  #: bytes kept for the headers of an event
GROUP = 500  #: messages that are committed together, where no cursor needs them to be
FEW = 8  #: messages of different keys that go one by one: staging an atomic batch costs the server more than they do

_NO_RESPONDERS = "503"


Waiting = tuple[str, "asyncio.Future[Msg | None]"]  #: a reply subject, and what will arrive on it


@dataclass(slots=True)
class Message:
    """A message on its way into a stream. ``id`` makes sending it twice harmless.

    ``lines`` are its headers as lines, the id among them: written when it is made, not when it is sent, while the
    server stores the batch before.
    """

    subject: str
    body: bytes
    id: str
    lines: str = field(repr=False)

    @classmethod
    def of(cls, subject: str, body: bytes, identity: str, headers: Mapping[str, str] | None = None) -> Self:
        """A message with these headers and, where there is one, its id. Raises ContractError for a line break."""
        named = {**(headers or {}), **({MSG_ID: identity} if identity else {})}
        return cls(subject, body, identity, wire.header_lines(named, subject))

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers as those who read the stream get them, but for what its way there adds."""
        return Headers(self.lines)


class Stored(NamedTuple):
    """Where a message was stored."""

    stream: str
    sequence: int
    duplicate: bool = False


@dataclass(slots=True)
class Outgoing:
    """Messages that are to be stored with a cursor behind them.

    ``staged`` names the atomic batch in which they were sent ahead, until its end is sent: whatever becomes of that,
    they are sent again as a whole. All get the header ``tracestate``, where there is one.
    """

    messages: Sequence[Message]
    tracestate: str = ""
    staged: str = ""


class _NotTogether(Unavailable):
    """Some messages of an atomic batch are stored already, or the stream takes none: one by one it works."""


class _GivenUp(Unavailable):
    """The server has not all messages of an atomic batch, or waited too long for its end: nothing of it is stored."""


class Streams(Protocol):
    """What the engines need of the broker to store things; ``bus.testing`` has one in memory."""

    @property
    def room(self) -> int:
        """Bytes that an event's body may have."""

    async def last(self, stream: str, subject: str) -> StoredMessage | None:
        """The last message on a subject."""

    def again(
        self, stream: str, subject: str, durable: str, *, first: int, last: int
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Sequence and body of what was stored on a subject from one sequence to another, in order. ``durable`` names
        the consumer that is provisioned for it.
        """

    async def send(self, message: Message) -> Stored:
        """Stores one message."""

    async def send_all(self, messages: Sequence[Message], *, tracestate: str = "") -> list[Stored]:
        """Stores messages one by one."""

    async def stage(self, outgoing: Outgoing) -> None:
        """Sends messages ahead of their ``send_batch``, where that is possible now."""

    async def send_batch(self, outgoing: Outgoing, cursor: Message, *, after: int, together: bool = True) -> Stored:
        """Stores messages and their cursor together or not at all; or the cursor behind them."""


class Publisher:
    """Publishes on one connection: ``Streams`` over NATS."""

    def __init__(self, connection: Connection, *, timeout: float = REQUEST_TIMEOUT) -> None:
        self._connection = connection
        self._timeout = timeout

    @property
    def room(self) -> int:
        """Bytes that an event's body may have, with room for its headers."""
        return self._connection.client.max_payload - HEADER_ROOM

    async def last(self, stream: str, subject: str) -> StoredMessage | None:
        """The last message on a subject, or None. Raises Unavailable, AccessError."""
        return await last_message(self._connection, stream, subject)

    async def again(
        self, stream: str, subject: str, durable: str, *, first: int, last: int
    ) -> AsyncIterator[tuple[int, bytes]]:
        """What was stored on a subject from one sequence to another, in order. Raises ConfigError, Unavailable,
        AccessError.
        """
        async for message in read_again(self._connection, stream, durable, first=first, last=last):
            if message.subject == subject:  # whatever filter somebody gave the consumer
                yield message.sequence, message.body

    async def send(self, message: Message) -> Stored:
        """Stores one message. Raises ContractError (too large), AccessError, StreamFull, Unavailable."""
        return (await self.send_all([message]))[0]

    async def send_all(self, messages: Sequence[Message], *, tracestate: str = "") -> list[Stored]:
        """Stores messages of one stream in their order, as if one by one, and returns where each is.

        They go in groups that the server commits together: with a disk that syncs at every commit, a message by itself
        costs as much as a group, and what comes behind a failed one is not stored before it. A group of which some are
        stored already is sent one by one: the server then acknowledges these as duplicates. So are a few messages of
        different keys, between which there is no order. All get the header ``tracestate``, where there is one. Raises
        the first error met; then some messages may be stored, and sending all again is safe.
        """
        await self._connection.ready(self._timeout)
        stored: list[Stored] = []
        for start in range(0, len(messages), GROUP):
            stored += await self._send_group(messages[start : start + GROUP], _line("tracestate", tracestate))
        return stored

    async def stage(self, outgoing: Outgoing) -> None:
        """Sends the messages of a batch ahead, while its cursor waits for the one before; not where they are few.

        The server stores none of them before the cursor that ends the batch, and forgets them after ten seconds
        without it. Raises ContractError.
        """
        messages = outgoing.messages
        if FEW < len(messages) < MAX_BATCH and self._connection.connected:
            outgoing.staged = _new_batch()
            commands = self._numbered(messages, _line("tracestate", outgoing.tracestate), outgoing.staged)
            with contextlib.suppress(Unavailable):  # then the whole of it is sent again
                await self._write(commands, messages[0].subject)

    async def send_batch(self, outgoing: Outgoing, cursor: Message, *, after: int, together: bool = True) -> Stored:
        """Stores messages and their cursor together or not at all; returns where the cursor is.

        The cursor has no headers of its own. ``after`` is the sequence of its predecessor (0: none). Raises Fenced
        where another reader has moved it. Where some of the messages are stored already, all are sent one by one, and
        the cursor last. So are a few of different keys that need not be ``together`` with it, since sending them again
        is safe: in a third of the time.
        Of messages that were ``staged`` only the cursor is sent, unless the server has given them up.
        """
        messages, shared = outgoing.messages, _line("tracestate", outgoing.tracestate)
        if len(messages) >= MAX_BATCH:
            raise ContractError(f"a batch of {len(messages)} messages", hint=f"at most {MAX_BATCH - 1} and a cursor")
        await self._connection.ready(self._timeout)
        fenced = Message.of(cursor.subject, cursor.body, "", {EXPECTED_SEQUENCE: str(after)})
        with contextlib.suppress(_NotTogether):
            if staged := outgoing.staged:
                outgoing.staged = ""
                with contextlib.suppress(_GivenUp):
                    return await self._commit([*messages, fenced], shared, staged=staged)
            if together or len(messages) > FEW or not _apart(messages):
                return await self._commit([*messages, fenced], shared)
        await self._one_by_one(messages, shared)
        return (await self._one_by_one([fenced], ""))[0]

    async def _send_group(self, messages: Sequence[Message], shared: str) -> list[Stored]:
        if len(messages) > FEW or not _apart(messages):
            with contextlib.suppress(_NotTogether):
                last = await self._commit(messages, shared)
                first = last.sequence - len(messages) + 1
                return [Stored(last.stream, first + number) for number in range(len(messages))]
        return await self._one_by_one(messages, shared)

    async def _commit(self, messages: Sequence[Message], shared: str, *, staged: str = "") -> Stored:
        """Stores messages as one atomic batch, of which all but the last may have been ``staged``; returns where the
        last is. Raises _NotTogether, _GivenUp.
        """
        if len(messages) == 1:
            return (await self._one_by_one(messages, shared))[0]
        batch, last = staged or _new_batch(), messages[-1]
        commands = [] if staged else self._numbered(messages[:-1], shared, batch)
        reply_to, future = self._connection.replies.expect()
        ending = f"{_of_batch(shared, batch)}{len(messages)}\r\n{_line('Nats-Batch-Commit', '1')}"
        try:
            commands.append(self._encode(last, reply_to, ending))
            await self._write(commands, last.subject)
            return await self._acknowledged(last, (reply_to, future))
        except Unavailable:
            for message in messages:  # one that is not permitted leaves a gap in the batch, or no commit
                self._connection.raise_if_denied(message.subject)
            raise
        finally:
            self._connection.replies.forget(reply_to)

    def _numbered(self, messages: Sequence[Message], shared: str, batch: str) -> list[tuple[bytes, int]]:
        """Messages of an atomic batch, from its first on."""
        added = _of_batch(shared, batch)
        return [self._encode(message, "", f"{added}{number}\r\n") for number, message in enumerate(messages, 1)]

    async def _one_by_one(self, messages: Sequence[Message], shared: str) -> list[Stored]:
        """Stores messages each for itself, in one write; their acknowledgements are awaited together."""
        waiting = [self._connection.replies.expect() for _ in messages]
        try:
            pairs = zip(messages, waiting, strict=True)
            commands = [self._encode(message, reply, shared) for message, (reply, _) in pairs]
            if commands:
                await self._write(commands, messages[0].subject)
            return [await self._acknowledged(message, sent) for message, sent in zip(messages, waiting, strict=True)]
        finally:
            for reply, _ in waiting:
                self._connection.replies.forget(reply)

    def _encode(self, message: Message, reply: str, added: str) -> tuple[bytes, int]:
        """A message with the header lines of its delivery. Raises ContractError where it is too large."""
        command, size = wire.encode(message.subject, reply, message.lines + added, message.body)
        if size > (limit := self._connection.client.max_payload):
            # Over the sum the server closes the connection, and with it what others have on their way.
            raise ContractError(
                f"the event has {size:,} bytes, the server takes {limit:,}",
                where=wire.place_of(message.subject),
                hint="leave large fields out of the event, or raise max_payload",
            )
        return command, size

    async def _write(self, commands: Sequence[tuple[bytes, int]], where: str) -> None:
        try:
            blob = b"".join([command for command, _ in commands])
            await wire.write(self._connection.client, blob, len(commands), sum(size for _, size in commands))
        except Error as error:
            raise Unavailable(f"the connection failed ({type(error).__name__})", where=where) from None

    async def _acknowledged(self, message: Message, sent: Waiting) -> Stored:
        _, future = sent
        if not future.done():
            try:
                async with asyncio.timeout(self._timeout):
                    await future
            except TimeoutError:
                self._connection.raise_if_denied(message.subject)
                raise Unavailable(f"no acknowledgement within {self._timeout:g} s", where=message.subject) from None
        reply = self._received(future.result(), message.subject)
        if not reply.data and (reply.headers or {}).get("Status") == _NO_RESPONDERS:
            raise Unavailable(
                "no stream stores this subject",
                where=message.subject,
                hint="run `bus streams apply`, or wait until the server is up",
            )
        answer = json.loads(reply.data)
        if error := answer.get("error"):
            raise self._refusal(error, message.subject)
        return Stored(answer["stream"], answer["seq"], answer.get("duplicate", False))

    def _received(self, reply: Msg | None, subject: str) -> Msg:
        if reply is None:
            raise Unavailable("the connection was lost before the acknowledgement", where=subject)
        return reply

    def _refusal(self, error: dict[str, Any], subject: str) -> BusError:
        if error.get("err_code") in NOT_TOGETHER:
            return _NotTogether("these cannot be stored together", where=subject)
        if error.get("err_code") == GIVEN_UP:
            return _GivenUp("the server has not the whole batch", where=subject)
        if error.get("err_code") in WRONG_LAST_SEQUENCE:
            return Fenced("another instance has moved this cursor", where=subject)
        return stream_full(error, subject) or Unavailable(
            f"{error.get('description', 'refused')} ({error.get('err_code')})", where=subject
        )


def _line(name: str, value: str) -> str:
    """A header as a line; none where there is no value."""
    return f"{name}: {value}\r\n" if value else ""


def _new_batch() -> str:
    """A name for an atomic batch. It tells apart those that are open at once, and is stored with each message."""
    return token_hex(8)


def _of_batch(shared: str, batch: str) -> str:
    """The header lines of a message in an atomic batch, up to its number."""
    return f"{shared}{_line('Nats-Batch-Id', batch)}Nats-Batch-Sequence: "


def _apart(messages: Sequence[Message]) -> bool:
    """Whether each is about another key: the last token of a subject."""
    return len({message.subject.rpartition(".")[2] for message in messages}) == len(messages)
