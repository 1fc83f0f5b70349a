"""Redrive: dead letters sent again, to the one subscription or source that could not take them.

bus dlq redrive -> redrive.<opd>.<app>.<place> -> the application's own durable consumer -> the same lanes and guards
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from time import time_ns

import structlog

from bus import subjects
from bus.broker.consume import Incoming
from bus.broker.publish import Message, Streams
from bus.broker.wire import UNTRACED
from bus.delivery import dead_letters
from bus.delivery.dead_letters import DeadLetter
from bus.delivery.health import PlaceHealth
from bus.delivery.outflow import Outflow, Reread
from bus.delivery.reading import DEAD_LETTER, DISCARD, ORIGIN
from bus.errors import Action, BusError, ContractError
from bus.subjects import AppName

AUTHOR = "Bus-Author"
REASON = "Bus-Reason"

log = structlog.get_logger(__name__)


def message_of(letter: DeadLetter, *, author: str, reason: str, discard: bool = False) -> Message:
    """A dead letter on its way back. Raises ContractError where its body was too large to be kept."""
    app = AppName.parse(letter.app)
    headers = {DEAD_LETTER: letter.id, AUTHOR: author, REASON: reason}
    if letter.kind == "record":
        body = json.dumps({"key": letter.key}).encode()
    else:
        if not letter.body and letter.size:
            raise ContractError(
                f"the dead letter {letter.id} was too large to keep its body", hint="emit it again from its source"
            )
        kept = {name: value for name, value in letter.headers.items() if not name.startswith(("Nats-", "Bus-"))}
        origin = f"{letter.stream}:{letter.sequence}"
        if letter.stream == subjects.REDRIVE_STREAM:  # in another stream whoever published could have written it
            origin = letter.headers.get(ORIGIN, origin)
        headers = {**UNTRACED, **kept, **headers, ORIGIN: origin}
        body = letter.data
    if discard:
        headers[DISCARD] = "true"
    identity = blake2b(f"{letter.id}{time_ns()}".encode(), digest_size=12).hexdigest()
    return Message.of(subjects.redrive(app, letter.place), body, identity, headers)


class SourceRedrive:
    """Reads rejected records again, by their keys, through their source."""

    def __init__(self, app: AppName, place: str, outflow: Outflow, streams: Streams, health: PlaceHealth) -> None:
        self._app, self._place, self._outflow, self._streams, self._health = app, place, outflow, streams, health

    async def handle(self, incomings: Sequence[Incoming]) -> None:
        """Settles requests to read a record again. One that still does not fit becomes a dead letter again."""
        for incoming in incomings:
            if DISCARD in incoming.headers:
                await incoming.ack_sync()
        if asked := [each for each in incomings if DISCARD not in each.headers]:
            async with self._outflow.resting() as reread:  # for all of them: each turn waits for one of its reads
                for incoming in asked:
                    await self._reread(incoming, reread)
                    await incoming.ack_sync()

    async def _reread(self, incoming: Incoming, reread: Reread) -> None:
        key = json.loads(incoming.body)["key"]
        try:
            event = await reread(key)
        except BusError as error:
            if error.action is not Action.DEAD_LETTER:
                raise
            again = dead_letters.of_record(
                self._app,
                self._place,
                key=key,
                content=str(incoming.sequence).encode(),
                reason=error.what,
                where="",
                columns={},
                limit=self._streams.room,
                code=error.code,
                again=incoming.headers.get(DEAD_LETTER, ""),
            )
            await dead_letters.store(self._streams, [again])
            self._health.finished(0, 1)
            log.warning("redriven record is rejected again", place=self._place, letter=again.id, reason=error.what)
        else:
            log.info(
                "redriven record",
                place=self._place,
                letter=incoming.headers.get(DEAD_LETTER, ""),
                event_id=event.id if event else "",
            )
