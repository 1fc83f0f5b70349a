"""Out of an application: read a batch, map and validate it, store its events and the cursor together, tell the source.

    source.read -> Mapper -> Ledger (is it new?) -> dead letters -> Cursor.store (events + cursor, atomic) -> Ledger
    -> source.commit

Stopped at any point and started again, it goes on where the stored cursor says; what is read twice has the same ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from bus import subjects
from bus.broker import spans
from bus.broker.publish import MAX_BATCH, Streams
from bus.contracts.grants import source_place
from bus.delivery import dead_letters
from bus.delivery.backoff import Backoff
from bus.delivery.cursor import Cursor
from bus.delivery.dead_letters import DeadLetter
from bus.delivery.emitting import message_of
from bus.delivery.health import PlaceHealth, now
from bus.delivery.ledger import Entry, Ledger, key_of, mark_of
from bus.delivery.mapping import Draft, Mapper, content_of, content_of_columns
from bus.delivery.tasks import heed_cancellation
from bus.envelope import Event
from bus.errors import Action, BusError, ContractError, Unavailable
from bus.ports import Batch, Record, Rejection, Source
from bus.subjects import AppName

LARGEST = MAX_BATCH - 100  #: events in one atomic batch
REWRITE = 86_400.0  #: seconds after which an unchanged cursor is written again, so that max_age spares it

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Prepared:
    """What a batch of records became."""

    events: list[Event] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)

    def parts(self) -> Iterator[tuple[list[Event], list[Entry]]]:
        """Split so that each part is one atomic batch; the ledger's entries go with the last, which completes them."""
        for start in range(0, max(len(self.events), 1), LARGEST):
            last = start + LARGEST >= len(self.events)
            yield self.events[start : start + LARGEST], self.entries if last else []


class Outflow:
    """One source of one application."""

    def __init__(
        self,
        app: AppName,
        name: str,
        source: Source,
        mapper: Mapper,
        ledger: Ledger,
        cursor: Cursor,
        streams: Streams,
        health: PlaceHealth,
    ) -> None:
        self._app, self._name, self._place = app, name, source_place(name)
        self._source, self._mapper, self._ledger, self._cursor = source, mapper, ledger, cursor
        self._streams, self._health = streams, health
        self._written = 0.0
        self._storing = asyncio.Lock()  # a redrive stores on the same cursor

    async def run(self) -> None:
        """Reads and publishes until cancelled. Raises Fenced where another instance reads, and errors that stop."""
        backoff = Backoff()
        while True:
            try:
                await self._open()
                while True:
                    heed_cancellation()
                    await self._step()
                    backoff.reset()
            except BusError as error:
                heed_cancellation()
                if error.action is not Action.RETRY:
                    raise
                await self._pause(error, backoff)
            finally:
                await self._source.close()

    async def reread(self, key: str) -> Event | None:
        """Reads one record again and publishes what it becomes now: the redrive of a dead record.

        Returns its event, or None where nothing new came of it. Raises ContractError where it still does not fit.
        """
        record = await self._source.reread(key)
        if record is None:
            raise ContractError("the record is gone from its source", where=self._place)
        async with self._storing:
            prepared = self._prepare([record])
            if prepared.rejections:
                raise ContractError(prepared.rejections[0].reason, where=self._place)
            await self._store(prepared, self._position())
        return prepared.events[-1] if prepared.events else None

    async def _open(self) -> None:
        state = await self._cursor.read()
        self._ledger.resume(state, self._cursor.sequence, self._name)
        await self._source.open(state["position"] if state else None)

    async def _step(self) -> None:
        batch = await self._source.read()
        self._health.reading()
        if batch is None:
            if self._health.problem:
                self._health.problem = ""
            await self._keep_cursor()
            await asyncio.sleep(self._source.idle)
            return
        async with self._storing:
            await self._transfer(batch)
        if not batch.more:
            await asyncio.sleep(self._source.idle)

    async def _transfer(self, batch: Batch) -> None:
        prepared = self._prepare(batch.records)
        await self._insist(lambda: dead_letters.store(self._streams, prepared.letters))
        if prepared.entries or prepared.events or batch.position != self._position():
            await self._store(prepared, batch.position)
        await self._source.commit(batch, prepared.rejections)
        if prepared.events or prepared.letters:
            self._health.finished(len(prepared.events), len(prepared.letters))
            log.debug("stored", source=self._name, events=len(prepared.events), rejected=len(prepared.letters))

    async def _store(self, prepared: Prepared, position: dict[str, Any] | None) -> None:
        parts = list(prepared.parts())
        for number, (events, entries) in enumerate(parts, 1):
            last = number == len(parts)
            state = {
                "position": position if last else self._position(),
                "epoch": self._ledger.epoch,
                "ledger": [entry.dump() for entry in entries],
                "at": now(),
                "part": f"{number}/{len(parts)}",
            }
            sequence = await self._insist(lambda events=events, state=state: self._send(events, state))
            self._ledger.commit(entries, sequence)
        self._written = asyncio.get_running_loop().time()

    async def _send(self, events: Sequence[Event], state: dict[str, Any]) -> int:
        if not events:
            return await self._cursor.store([], state)
        with spans.send(self._template(events), events) as tracestate:
            return await self._cursor.store([message_of(self._app, event, tracestate) for event in events], state)

    def _template(self, events: Sequence[Event]) -> str:
        types = {event.type for event in events}
        if len(types) > 1:
            return subjects.event_template(self._app)
        return subjects.event_template(self._app, types.pop().removeprefix(subjects.TYPE_PREFIX))

    def _prepare(self, records: Sequence[Record]) -> Prepared:
        prepared = Prepared()
        keys = [key_of(record) for record in records]
        known = self._ledger.look(dict.fromkeys(keys))
        for record, key in zip(records, keys, strict=True):
            entry = self._take(record, key, known.get(key), prepared)
            if entry is not None:
                known[key] = entry
                prepared.entries.append(entry)
        return prepared

    def _take(self, record: Record, key: bytes, before: Entry | None, prepared: Prepared) -> Entry | None:
        """Adds what one record became; returns its new entry in the ledger, or None where nothing changed."""
        ids = dict(before.ids) if before else {}
        try:
            drafts, reason = self._mapper.map(record, ids), ""
            self._check_size(drafts)
            content = content_of(drafts)
        except ContractError as error:
            drafts, reason = [], error.what
            content = content_of_columns(self._mapper.columns(record))
        if not drafts and not reason:
            return None
        if record.version is None and before is not None and before.content == content:
            if reason:  # no second dead letter; but a file's report and a redrive ask for every record
                prepared.rejections.append(Rejection(record, reason))
            return None
        version = self._ledger.version(record, before)
        if reason:
            self._reject(record, reason, content, prepared)
        for draft in drafts:
            event = draft.event(self._app.ce_source, record.key, version.text, record.at or datetime.now(UTC))
            prepared.events.append(event)
            if self._mapper.corrects:
                ids[str(draft.type.name)] = event.id
        if record.version is not None and not self._mapper.corrects:
            return None
        return Entry(key, content, mark_of(record), version.counter, ids)

    def _check_size(self, drafts: Sequence[Draft]) -> None:
        if any(len(draft.data) > self._streams.room for draft in drafts):
            raise ContractError("datanya terlalu besar untuk dikirim")

    def _reject(self, record: Record, reason: str, content: bytes, prepared: Prepared) -> None:
        letter = dead_letters.of_record(
            self._app,
            self._place,
            key=record.key,
            content=content,
            reason=reason,
            where=record.place,
            columns=self._mapper.columns(record),
            limit=self._streams.room,
        )
        prepared.rejections.append(Rejection(record, reason))
        prepared.letters.append(letter)
        log.warning("rejected a record", source=self._name, place=record.place, letter=letter.id, reason=reason)

    def _position(self) -> dict[str, Any] | None:
        return self._cursor.state["position"] if self._cursor.state else None

    async def _keep_cursor(self) -> None:
        clock = asyncio.get_running_loop().time()
        self._written = self._written or clock
        if self._cursor.state is not None and clock - self._written > REWRITE:
            await self._store(Prepared(), self._position())

    async def _insist(self, attempt: Any) -> Any:
        """Repeats one storing until the server has taken it; what it stores has the same ids each time."""
        backoff = Backoff()
        while True:
            try:
                result = await attempt()
            except Unavailable as error:
                await self._pause(error, backoff)
            else:
                if backoff.attempts:
                    log.info("source goes on", source=self._name, after_attempts=backoff.attempts)
                    self._health.problem = ""
                return result

    async def _pause(self, error: BusError, backoff: Backoff) -> None:
        if not backoff.attempts:
            log.warning("source pauses", source=self._name, error=str(error), code=error.code)
        self._health.problem = str(error)
        await asyncio.sleep(backoff.next())
