"""Settles messages: a receipt says what became of them, a dead letter keeps what could not be applied, then they are
acknowledged.

In this order, so that nothing is lost and `bus where` never says "not yet" of what is done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal

import structlog

from bus import subjects
from bus.broker import spans
from bus.broker.consume import Incoming
from bus.broker.publish import Message, Streams
from bus.delivery import dead_letters
from bus.delivery.health import now
from bus.delivery.reading import Inbound
from bus.envelope import Event
from bus.errors import BusError
from bus.subjects import AppName

Outcome = Literal["applied", "dead-letter", "discarded"]

log = structlog.get_logger(__name__)


class Settler:
    """Settles the messages of one subscription."""

    def __init__(self, app: AppName, consumer: str, streams: Streams, *, wait: bool) -> None:
        self._app, self._consumer, self._streams, self._wait = app, consumer, streams, wait
        self._subject = subjects.receipt(app, consumer)
        self.group = subjects.durable(app, consumer)  #: the durable consumers' name, as spans show it

    async def applied(self, items: Sequence[Inbound], outcome: Outcome = "applied") -> None:
        """These are done. Raises Unavailable; doing it again is safe."""
        if not items:
            return
        last = items[-1].incoming
        with spans.settle("ack", last.stream, self.group, [item.event for item in items]):
            await self._receipt([item.event.id for item in items], outcome)
            await last.ack_all([item.incoming for item in (items[:-1] if self._wait else items)])
            if self._wait:
                await last.ack_sync()

    async def poisoned(
        self, incoming: Incoming, event: Event | None, error: BusError, *, attempts: int = 1, term: bool = True
    ) -> None:
        """This one cannot be applied: stores its dead letter, then ends its delivery (unless its lane is to be
        held).
        """
        with spans.settle("term" if term else "hold", incoming.stream, self.group, [event] if event else []) as span:
            if event is None:  # no span of processing tells of it
                spans.mark(span, error.code)
            await self._bury(incoming, event, error, attempts)
            if term:
                await incoming.term()

    async def _bury(self, incoming: Incoming, event: Event | None, error: BusError, attempts: int) -> None:
        """Stores the dead letter, and says so."""
        letter = dead_letters.of_event(
            self._app,
            self._consumer,
            error,
            event=event,
            stream=incoming.stream,
            sequence=incoming.sequence,
            subject=incoming.subject,
            headers=incoming.headers,
            body=incoming.body,
            attempts=attempts,
            limit=self._streams.room,
        )
        await dead_letters.store(self._streams, [letter])
        if event is not None:
            await self._receipt([event.id], "dead-letter")
        log.error(
            "dead letter",
            consumer=self._consumer,
            letter=letter.id,
            event_id=letter.event_id,
            code=error.code,
            reason=letter.reason,
            **({"trace_id": letter.trace} if letter.trace else {}),
        )

    async def _receipt(self, event_ids: Sequence[str], outcome: Outcome) -> None:
        body = {
            "app": str(self._app),
            "consumer": self._consumer,
            "outcome": outcome,
            "at": now(),
            "ids": list(event_ids),
        }
        identity = blake2b(f"{self._subject}{outcome}{event_ids}".encode(), digest_size=16).hexdigest()
        await self._streams.send(Message.of(self._subject, json.dumps(body, separators=(",", ":")).encode(), identity))
