"""Dead letters: what could not be mapped, and what an application refused, kept whole until a person has decided.

A ``record`` never became an event: its source, its key and the columns that the contract names. An ``event`` keeps
its original bytes and headers; over the size limit its hash, size and key token remain. A dead letter is stored
before its input is settled.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from typing import Any, Literal

from bus import subjects
from bus.broker.publish import Message, Streams
from bus.delivery.health import now
from bus.delivery.reading import DEAD_LETTER
from bus.envelope import Event
from bus.errors import BusError
from bus.subjects import AppName

LONGEST_KEY = 500  #: characters of a record's key in a dead letter that is too large


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter. ``reason`` has no values; ``columns`` and ``body`` do, and are shown only on demand."""

    id: str
    kind: Literal["record", "event"]
    app: str
    place: str  #: ``source-<name>`` or the consumer
    code: str
    reason: str
    attempts: int
    at: str
    trace: str = ""
    key: str = ""  #: of a record, within its source
    where: str = ""  #: of a record: what a clerk looks for ("baris 12")
    columns: Mapping[str, Any] = field(default_factory=dict)
    event_id: str = ""
    event_type: str = ""
    key_token: str = ""
    stream: str = ""
    sequence: int = 0
    subject: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""  #: base64; empty where it was too large
    size: int = 0
    hash: str = ""
    again: str = ""  #: of what came back from a redrive: the dead letter that was sent again

    @property
    def data(self) -> bytes:
        """The original body of an event."""
        return b64decode(self.body)

    def message(self) -> Message:
        """As it is stored."""
        body = json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False, default=str).encode(errors="replace")
        opd_app = AppName.parse(self.app)
        return Message.of(subjects.dead_letter(opd_app, self.kind, self.place, self.id), body, self.id)

    def within(self, limit: int) -> DeadLetter:
        """This dead letter, or, where its body has more than ``limit`` bytes, one that keeps size and hash alone.

        A key that is too long goes too: such a record can only be emitted again by its application.
        """
        if (size := len(self.message().body)) <= limit:
            return self
        key = self.key if len(self.key) <= LONGEST_KEY else ""
        return replace(self, columns={}, key=key, headers={}, body="", size=self.size or size)

    @classmethod
    def parse(cls, body: bytes) -> DeadLetter:
        """The inverse of ``message``."""
        return cls(**json.loads(body))


def of_record(
    app: AppName,
    place: str,
    *,
    key: str,
    content: bytes,
    reason: str,
    where: str,
    columns: Mapping[str, Any],
    limit: int,
    code: str = "contract",
    again: str = "",
) -> DeadLetter:
    """The dead letter of a record. The same content of the same record is the same dead letter."""
    return DeadLetter(
        _digest("record", str(app), place, key, content.hex()),
        "record",
        str(app),
        place,
        code,
        reason,
        1,
        now(),
        key=key,
        where=where,
        columns=columns,
        hash=content.hex(),
        again=again,
    ).within(limit)


def of_event(
    app: AppName,
    consumer: str,
    error: BusError,
    *,
    event: Event | None,
    stream: str,
    sequence: int,
    subject: str,
    headers: Mapping[str, str],
    body: bytes,
    attempts: int,
    limit: int,
) -> DeadLetter:
    """The dead letter of an event, or of a message that is none (``event`` None)."""
    return DeadLetter(
        _digest("event", str(app), consumer, stream, str(sequence)),
        "event",
        str(app),
        consumer,
        error.code,
        error.reason,
        attempts,
        now(),
        trace=event.traceparent.split("-")[1] if event and event.traceparent else "",
        event_id=event.id if event else "",
        event_type=event.type if event else "",
        key_token=event.subject if event else "",
        stream=stream,
        sequence=sequence,
        subject=subject,
        headers=dict(headers),
        body=b64encode(body).decode(),
        size=len(body),
        hash=blake2b(body, digest_size=16).hexdigest(),
        again=headers.get(DEAD_LETTER, ""),
    ).within(limit)


async def store(streams: Streams, letters: Sequence[DeadLetter]) -> None:
    """Stores dead letters; returns when all are safe. Raises Unavailable, AccessError."""
    if letters:
        await streams.send_all([letter.message() for letter in letters])


def _digest(*parts: str) -> str:
    return blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()
