"""Reads single messages of a stream by direct get, without a consumer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from bus.broker.connection import Connection
from bus.errors import Unavailable

_NOT_FOUND = "404"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as a stream holds it."""

    subject: str
    body: bytes
    headers: Mapping[str, str]
    sequence: int
    time: str  #: when the stream stored it, RFC 3339


async def last_message(connection: Connection, stream: str, subject: str) -> StoredMessage | None:
    """The last message on a subject, or None. Raises Unavailable, AccessError."""
    return await _get(connection, f"$JS.API.DIRECT.GET.{stream}.{subject}", b"")


async def latest_message(connection: Connection, stream: str, subjects: str) -> StoredMessage | None:
    """The last message on any of the subjects that a wildcard names, or None. Raises Unavailable, AccessError."""
    return await _ask(connection, stream, {"last_by_subj": subjects})


async def next_message(connection: Connection, stream: str, subject: str, *, after: int) -> StoredMessage | None:
    """The first message on a subject behind a sequence, or None. Raises Unavailable, AccessError."""
    return await _ask(connection, stream, {"seq": after + 1, "next_by_subj": subject})


async def message_at(connection: Connection, stream: str, sequence: int) -> StoredMessage | None:
    """The message at a sequence, or None where it is gone. Raises Unavailable, AccessError."""
    return await _ask(connection, stream, {"seq": sequence})


async def _ask(connection: Connection, stream: str, wanted: Mapping[str, object]) -> StoredMessage | None:
    return await _get(connection, f"$JS.API.DIRECT.GET.{stream}", json.dumps(wanted).encode())


async def _get(connection: Connection, subject: str, body: bytes) -> StoredMessage | None:
    reply = await connection.request(subject, body)
    headers = reply.headers or {}
    if headers.get("Status") == _NOT_FOUND:
        return None
    if "Nats-Sequence" not in headers:
        raise Unavailable(headers.get("Description", "unexpected answer to a direct get"), where=subject)
    return StoredMessage(
        headers["Nats-Subject"], reply.data, headers, int(headers["Nats-Sequence"]), headers["Nats-Time-Stamp"]
    )
