"""Ways into JetStream, all with ``Nats-Msg-Id``: pipelined single messages, and atomic batches with a fenced cursor.

A publish that times out may have been stored: it is unknown, and sent again with the same id, which the server then
acknowledges as a duplicate. https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from nats.aio.msg import Msg
from nats.errors import Error

from bus.broker.connection import (
    DUPLICATE_IN_BATCH,
    REQUEST_TIMEOUT,
    WRONG_LAST_SEQUENCE,
    Connection,
    stream_full,
)
from bus.broker.direct import StoredMessage, last_message
from bus.errors import BusError, ContractError, Fenced, Unavailable

MSG_ID = "Nats-Msg-Id"
MAX_BATCH = 1000  #: messages in one atomic batch; the server refuses more
HEADER_ROOM = 4096  #: bytes kept for the headers of an event
PIPELINE = 500  #: single messages on their way at once

_NO_RESPONDERS = "503"


@dataclass(frozen=True, slots=True)
class Message:
    """A message on its way into a stream. ``id`` makes sending it twice harmless."""

    subject: str
    body: bytes
    id: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a message was stored."""

    stream: str
    sequence: int
    duplicate: bool = False


class Streams(Protocol):
    """What the engines need of the broker to store things; ``bus.testing`` has one in memory."""

    @property
    def room(self) -> int:
        """Bytes that an event's body may have."""

    async def last(self, stream: str, subject: str) -> StoredMessage | None:
        """The last message on a subject."""

    async def send(self, message: Message) -> Stored:
        """Stores one message."""

    async def send_all(self, messages: Sequence[Message]) -> list[Stored]:
        """Stores messages one by one."""

    async def send_batch(self, messages: Sequence[Message], cursor: Message, *, after: int) -> Stored:
        """Stores messages and their cursor together or not at all."""


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

    async def send(self, message: Message) -> Stored:
        """Stores one message. Raises ContractError (too large), AccessError, StreamFull, Unavailable."""
        return (await self.send_all([message]))[0]

    async def send_all(self, messages: Sequence[Message]) -> list[Stored]:
        """Stores messages in a pipeline, in their order; their acknowledgements are awaited together.

        Raises the first error met; then some may be stored, and sending all again is safe.
        """
        stored: list[Stored] = []
        for start in range(0, len(messages), PIPELINE):
            part = messages[start : start + PIPELINE]
            waiting = [await self._put(message) for message in part]
            stored += await self._await(part, waiting)
        return stored

    async def send_batch(self, messages: Sequence[Message], cursor: Message, *, after: int) -> Stored:
        """Stores messages and their cursor together or not at all; returns where the cursor is.

        ``after`` is the sequence of the cursor's predecessor (0: none). Raises Fenced where another reader has moved
        it. Where some of the messages are stored already, all are sent one by one, and the cursor last.
        """
        if not messages:
            return await self._send_cursor(cursor, after)
        reply = await self._put_batch(messages, cursor, after)
        answer = json.loads(reply.data) if reply.data else {}
        if error := answer.get("error"):
            if error.get("err_code") == DUPLICATE_IN_BATCH:
                await self.send_all(messages)
                return await self._send_cursor(cursor, after)
            raise self._refusal(error, cursor.subject)
        return Stored(answer["stream"], answer["seq"])

    async def _put_batch(self, messages: Sequence[Message], cursor: Message, after: int) -> Msg:
        if len(messages) >= MAX_BATCH:
            raise ContractError(f"a batch of {len(messages)} messages", hint=f"at most {MAX_BATCH - 1} and a cursor")
        batch = uuid4().hex
        publish = self._connection.client.publish
        subject, future = self._connection.replies.expect()
        try:
            for number, message in enumerate(messages, 1):
                headers = {
                    **message.headers,
                    MSG_ID: message.id,
                    "Nats-Batch-Id": batch,
                    "Nats-Batch-Sequence": str(number),
                }
                self._check_size(message, headers)
                # The first message asks for an answer: an error shows at once and not as a gap at the commit.
                await publish(message.subject, message.body, headers=headers)
            headers = {
                **cursor.headers,
                "Nats-Batch-Id": batch,
                "Nats-Batch-Sequence": str(len(messages) + 1),
                "Nats-Batch-Commit": "1",
                "Nats-Expected-Last-Subject-Sequence": str(after),
            }
            await publish(cursor.subject, cursor.body, reply=subject, headers=headers)
            return await asyncio.wait_for(future, self._timeout)
        except TimeoutError:
            for message in (*messages[:1], cursor):
                self._connection.raise_if_denied(message.subject)
            raise Unavailable(f"no acknowledgement within {self._timeout:g} s", where=cursor.subject) from None
        except Error as error:
            raise Unavailable(f"the connection failed ({type(error).__name__})", where=cursor.subject) from None
        finally:
            self._connection.replies.forget(subject)

    async def _send_cursor(self, cursor: Message, after: int) -> Stored:
        headers = {**cursor.headers, "Nats-Expected-Last-Subject-Sequence": str(after)}
        return await self._acknowledged(cursor, await self._put(cursor, headers))

    async def _put(self, message: Message, headers: dict[str, str] | None = None) -> tuple[str, asyncio.Future[Msg]]:
        """Sends one message and returns where its acknowledgement arrives."""
        headers = {**message.headers, MSG_ID: message.id} if headers is None else headers
        self._check_size(message, headers)
        subject, future = self._connection.replies.expect()
        try:
            await self._connection.client.publish(message.subject, message.body, reply=subject, headers=headers)
        except Error as error:
            self._connection.replies.forget(subject)
            raise Unavailable(f"the connection failed ({type(error).__name__})", where=message.subject) from None
        return subject, future

    async def _await(
        self, messages: Sequence[Message], waiting: Sequence[tuple[str, asyncio.Future[Msg]]]
    ) -> list[Stored]:
        try:
            return [await self._acknowledged(message, sent) for message, sent in zip(messages, waiting, strict=True)]
        finally:
            for subject, _ in waiting:
                self._connection.replies.forget(subject)

    async def _acknowledged(self, message: Message, sent: tuple[str, asyncio.Future[Msg]]) -> Stored:
        subject, future = sent
        if not future.done():
            try:
                await asyncio.wait_for(future, self._timeout)
            except TimeoutError:
                self._connection.replies.forget(subject)
                self._connection.raise_if_denied(message.subject)
                raise Unavailable(f"no acknowledgement within {self._timeout:g} s", where=message.subject) from None
        reply = future.result()
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

    def _check_size(self, message: Message, headers: dict[str, str]) -> None:
        size = len(message.body) + sum(len(name) + len(value) + 4 for name, value in headers.items()) + 12
        limit = self._connection.client.max_payload
        if size > limit:
            raise ContractError(
                f"the event has {size:,} bytes, the server takes {limit:,}",
                where=message.subject.rpartition(".")[0],
                hint="leave large fields out of the event, or raise max_payload",
            )

    def _refusal(self, error: dict[str, Any], subject: str) -> BusError:
        if error.get("err_code") in WRONG_LAST_SEQUENCE:
            return Fenced("another instance has moved this cursor", where=subject)
        return stream_full(error, subject) or Unavailable(
            f"{error.get('description', 'refused')} ({error.get('err_code')})", where=subject
        )
