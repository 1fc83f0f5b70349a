"""Applies deliveries, once: inbox, effect and follow-ups in one transaction of the application's database.

A target without a database gets the event's id as idempotency key, and its follow-ups are published before the input
is settled.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog
from pydantic import ValidationError

from bus.delivery.emitting import Emitter
from bus.delivery.follow_ups import FollowUps
from bus.errors import AccessError, BusError, Rejected, Unavailable, frames
from bus.events import reason
from bus.ports import Delivery, FollowUp, Sink
from bus.subjects import AppName

log = structlog.get_logger(__name__)


class Applier(Protocol):
    """What applies the deliveries of one subscription."""

    atomic: bool  #: many at once, all or none
    idempotent: bool  #: applying again does no harm, so that an acknowledgement need not be waited for

    async def open(self) -> None:
        """Connects, and finishes what a former process left. Raises ConfigError, AccessError, Unavailable."""

    async def apply(self, deliveries: Sequence[Delivery]) -> int:
        """Applies all or none (one, where not atomic), and returns how many follow-ups are stored. Raises BusError
        alone.
        """

    async def forget(self) -> None:
        """Forgets which events were applied so long ago that none of them can come again. Raises BusError alone."""

    async def reachable(self) -> bool:
        """Whether the target answers at all: tells a target that is away from a delivery that it cannot take."""

    async def close(self) -> None:
        """Lets go of everything, also where ``open`` came to no end."""


class DirectApplier:
    """For a target without a database of ours."""

    def __init__(self, sink: Sink, follow_ups: FollowUps, emitter: Emitter) -> None:
        self.atomic, self.idempotent = sink.atomic, False
        self._sink, self._follow_ups, self._emitter = sink, follow_ups, emitter

    async def open(self) -> None:
        await self._sink.open()

    async def apply(self, deliveries: Sequence[Delivery]) -> int:
        try:
            emitted = await self._sink.apply(deliveries, None)
        except Exception as error:
            raise _of_no_database(error) from None
        if emitted:
            await self._emitter.send(self._follow_ups.events(emitted))
        return len(emitted)

    async def forget(self) -> None:
        pass

    async def reachable(self) -> bool:
        return True

    async def close(self) -> None:
        await self._sink.close()


class TransactionalApplier:
    """For a sink or handler whose effect is a transaction in a SQL database.

    ``keep`` is how long the inbox remembers an event: longer than any stream keeps it, or it could be applied again.
    """

    def __init__(
        self, sink: Sink, follow_ups: FollowUps, emitter: Emitter, app: AppName, consumer: str, *, keep: timedelta
    ) -> None:
        # Imported here: an office without SQL has no SQLAlchemy.
        from bus import database, own_tables
        from bus.delivery import inbox, outbox

        self.atomic, self.idempotent = sink.atomic, True
        self._database, self._own_tables, self._inbox, self._outbox = database, own_tables, inbox, outbox
        self._sink, self._follow_ups, self._emitter = sink, follow_ups, emitter
        self._consumer, self._where = f"{app}/{consumer}", f"{app} database"
        assert sink.database is not None  # noqa: S101 - decides which applier is made
        self._engine = database.engine(sink.database, where=str(app), create=False)
        self._keep = keep
        self._relay = outbox.Relay(self._engine, emitter, app, self._consumer)

    async def open(self) -> None:
        await self._own_tables.make(self._engine, self._inbox.metadata, where=self._where)
        await self._sink.open()
        await self._relay.flush()

    async def apply(self, deliveries: Sequence[Delivery]) -> int:
        emitted = 0
        with self._database.errors(self._where):
            async with self._engine.begin() as transaction:
                await self._database.mark_as_bus(transaction)
                once = {each.event.id: each for each in deliveries}  # should a stream hold an event twice
                claimed = await self._inbox.claim(transaction, self._consumer, list(once))
                fresh = [each for event_id, each in once.items() if event_id in claimed]
                if fresh:
                    follow_ups = self._follow_ups.events(await self._effect(fresh, transaction))
                    self._emitter.check(follow_ups)
                    await self._outbox.enqueue(transaction, self._consumer, follow_ups)
                    emitted = len(follow_ups)
        if emitted or len(fresh) < len(deliveries):
            # Also for what was seen: a former process may have died between its commit and this.
            await self._relay.flush()
        return emitted

    async def _effect(self, fresh: Sequence[Delivery], transaction: Any) -> Sequence[FollowUp]:
        try:
            return await self._sink.apply(fresh, transaction)
        except Exception as error:
            raise translated(error) from None

    async def forget(self) -> None:
        with self._database.errors(self._where):
            await self._inbox.prune(self._engine, self._consumer, datetime.now(UTC) - self._keep)

    async def reachable(self) -> bool:
        with contextlib.suppress(BusError), self._database.errors(self._where):
            async with self._engine.connect():
                return True
        return False

    async def close(self) -> None:
        await self._sink.close()
        await self._engine.dispose()


def _of_no_database(error: Exception) -> Exception:
    """What an exception means where no transaction of ours is around: SQLAlchemy's is of a handler's own database."""
    known = translated(error)
    if not isinstance(known, BusError):
        from bus import database  # whoever raised this has SQLAlchemy

        try:
            with database.errors("the handler's database"):
                raise known
        except BusError as meant:
            return meant
    return known


def translated(error: Exception) -> Exception:
    """What a handler's or sink's exception means: a lost connection is worth a retry, anything else is refused.

    The text of a handler's exception may hold values, and is left out.
    """
    name = type(error).__name__
    if isinstance(error, BusError) or type(error).__module__.startswith("sqlalchemy"):
        return error  # `database.errors` knows the latter
    if isinstance(error, PermissionError):
        return AccessError(f"the target refuses ({name})")
    if isinstance(error, OSError):  # TimeoutError is one
        return Unavailable(f"the target does not answer ({name})")
    if isinstance(error, ValidationError):
        return Rejected(f"the handler makes no valid {error.title}: {reason(error)}")
    log.debug("handler failed", error=name, frames=frames(error))
    return Rejected(f"the handler failed ({name})", hint="see its frames with BUS_LOG_LEVEL=DEBUG")
