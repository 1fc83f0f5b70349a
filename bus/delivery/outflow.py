"""Out of an application: read a batch, map and validate it, store its events and the cursor together, tell the source.

    source.read -> Preparer (mapped? new?) -> dead letters -> Cursor.store (events + cursor, atomic) -> Ledger
    -> source.commit

Where a source lets itself be read ahead, the next batches are read, prepared and sent while the server stores those
before; only the cursor that ends each waits. What needs no cursor waits for nothing but earlier events of its keys.
Stopped at any point and started again, it goes on where the stored cursor says; what is read twice has the same ids.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import structlog

from bus import subjects
from bus.broker import spans
from bus.broker.publish import Outgoing, Streams
from bus.contracts.grants import source_place
from bus.delivery import dead_letters
from bus.delivery.backoff import Backoff
from bus.delivery.cursor import Cursor
from bus.delivery.health import PlaceHealth, now
from bus.delivery.ledger import Ledger
from bus.delivery.mapping import Mapper
from bus.delivery.preparing import Part, Prepared, Preparer
from bus.envelope import Event
from bus.errors import Action, BusError, ContractError, Unavailable
from bus.ports import Batch, Position, Record, Source
from bus.subjects import AppName
from bus.tasks import heed_cancellation, to_the_end

AHEAD = 2  #: batches on their way into the streams while the next is prepared: neither side waits for the other
SLICE = 25  #: records that are prepared before others have their turn
TURNS = 5  #: of the event loop that these get: as many as it takes to read an answer and to send what waited for it
REWRITE = 86_400.0  #: seconds after which an unchanged cursor is written again, so that max_age spares it
LOOK = 5.0  #: seconds between two questions how the source stands

Reread = Callable[[str], Awaitable[Event | None]]  #: reads a record again, by its key

log = structlog.get_logger(__name__)


class _UnderWay(NamedTuple):
    """A batch on its way into the streams."""

    storing: asyncio.Task[None]
    prepared: Prepared


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
        self._source, self._ledger, self._cursor = source, ledger, cursor
        self._streams, self._health = streams, health
        self._preparer = Preparer(app, name, mapper, ledger, streams)
        self._written = self._looked = 0.0
        self._opened = False  # the source is
        self._at_source = False  # a read is under way
        self._turn = asyncio.Lock()  # a redrive reads and stores on the same cursor
        self._under_way: deque[_UnderWay] = deque()

    async def run(self) -> None:
        """Reads and publishes until cancelled. Raises Fenced where another instance reads, and errors that stop."""
        backoff = Backoff()
        while True:
            try:
                await self._open()
                while True:
                    heed_cancellation()
                    await self._step()
                    if backoff.attempts:
                        log.info("source goes on", source=self._name, after_attempts=backoff.attempts)
                        backoff.reset()
            except BusError as error:
                self._opened = False  # for a redrive too, as long as it pauses
                heed_cancellation()
                if error.action is not Action.RETRY:
                    self._health.failed(error)
                    raise
                await self._pause(error, backoff)
            finally:
                self._opened = False
                await to_the_end(self._let_go())

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[Reread]:
        """Nothing else is read meanwhile, for the redrive of dead records. Raises Unavailable: the source is away."""
        async with self._turn:
            await self._rested()
            if not self._opened:
                raise Unavailable("the source is not open at the moment", where=self._place)
            yield self._reread

    async def _reread(self, key: str) -> Event | None:
        """Reads one record again and publishes what it becomes now.

        Returns its event, or None where nothing new came of it. Raises ContractError where it still does not fit, and
        Unavailable while the source is away.
        """
        record = await self._source.reread(key)
        if record is None:
            raise ContractError("the record is gone from its source", where=self._place)
        prepared = await self._prepare([record])
        if prepared.rejections:
            raise ContractError(prepared.rejections[0].reason, where=self._place)
        with self._sending(prepared.events) as tracestate:
            await self._store(prepared.parts(tracestate), self._position())
        return prepared.events[-1] if prepared.events else None

    async def _open(self) -> None:
        state = await self._cursor.read()
        if state is not None and not self._ledger.follows(state, self._cursor.sequence):
            await self._recall(state)
        position = self._ledger.resume(state, self._cursor.sequence, self._name)
        if state is not None and state["epoch"] != self._ledger.epoch:  # else the next opening would recall it again
            await self._store(Prepared().parts(), position)
        self._written = asyncio.get_running_loop().time() - _age(state)
        await self._source.open(position)
        self._opened = True

    async def _recall(self, state: Mapping[str, Any]) -> None:
        """Remembers what the stored cursors carry: another instance, with a ledger of its own, has moved them, or this
        one's ledger was lost.
        """
        start = whole = state.get("whole", 0)
        if state["epoch"] == self._ledger.epoch:
            start = max(whole, self._ledger.sequence)
        first, complete, count = 0, False, 0
        async for sequence, earlier in self._cursor.earlier(start):
            if not first:
                first, complete = sequence, sequence == start or (start == 0 and earlier["after"] == 0)
            self._ledger.roll_forward(earlier, sequence)
            count += 1
        log.info("remembers what other instances have told", source=self._name, cursors=count)
        if complete:
            self._ledger.adopt(state["epoch"], whole)
        else:
            self._ledger.adopt("", first)
            warning = "some of what was told is kept no more: rows without a watermark are emitted once more"
            log.warning(warning, source=self._name)

    async def _step(self) -> None:
        """Reads and prepares a batch and begins to store it; waits until few enough are on their way."""
        async with self._turn:
            batch = await self._read()
            if batch is None:
                await self._stored()
                self._health.problem = ""
                await self._keep_cursor()
            else:
                prepared = await self._prepare(batch.records)
                storing = asyncio.create_task(self._transfer(batch, prepared, tuple(self._under_way)))
                self._under_way.append(_UnderWay(storing, prepared))
                await asyncio.sleep(0)  # it is sent before the next is prepared
                if batch.more and batch.ahead and not self._due:
                    await self._stored(AHEAD)
                else:
                    await self._stored()
                    await self._keep_cursor()
        if batch is None or not batch.more:
            await asyncio.sleep(self._source.idle)

    async def _read(self) -> Batch | None:
        self._at_source = True
        try:
            batch = await self._source.read()
            await self._look()
        except BusError:
            await self._stored()  # what was read before is not this error's concern
            raise
        finally:
            self._at_source = False
        self._health.reading()
        return batch

    async def _look(self) -> None:
        """Asks the source now and then how it stands."""
        clock = asyncio.get_running_loop().time()
        if clock - self._looked > LOOK:
            self._looked = clock
            self._health.stands(await self._source.state())

    async def _prepare(self, records: Sequence[Record]) -> Prepared:
        prepared, unstored = Prepared(), [each.prepared.latest for each in self._under_way]
        for start in range(0, len(records), SLICE):
            if start:
                for _ in range(TURNS):
                    await asyncio.sleep(0)
            self._preparer.add(records[start : start + SLICE], prepared, unstored)
        return prepared

    async def _stored(self, left: int = 0) -> None:
        """Waits until so many batches at most are on their way, and raises what prevented one from being stored."""
        while self._under_way and (len(self._under_way) > left or self._under_way[0].storing.done()):
            storing = self._under_way[0].storing
            try:
                await storing
            finally:
                if storing.done():
                    self._under_way.popleft()

    async def _rested(self) -> None:
        """For another than the run: waits until what is on its way is stored, and neither ends it nor takes its error,
        which is the run's. Raises Unavailable where it is not stored.
        """
        if self._under_way:
            storing = [each.storing for each in self._under_way]
            await asyncio.wait(storing)
            if any(each.cancelled() or each.exception() is not None for each in storing):
                raise Unavailable("the source begins anew", where=self._place)
            self._under_way.clear()

    async def _let_go(self) -> None:
        """Of the source, and of what is on its way: whether that is stored, the cursor tells."""
        self._opened = False
        storing = [each.storing for each in self._under_way]
        for each in storing:
            each.cancel()
        await asyncio.gather(*storing, return_exceptions=True)
        self._under_way.clear()
        await self._source.close()

    async def _transfer(self, batch: Batch, prepared: Prepared, before: Sequence[_UnderWay]) -> None:
        """Stores a batch when those before are stored; its messages are on their way meanwhile."""
        with self._sending(prepared.events) as tracestate:
            parts, stored = prepared.parts(tracestate), False
            if before:
                if not before[-1].storing.done():
                    stored = await self._send_ahead(batch, prepared, parts, before)
                await before[-1].storing  # also where it is done: what failed before this batch prevents it
            if prepared.letters:
                await self._insist(lambda: dead_letters.store(self._streams, prepared.letters))
            moved = batch.position != self._position() and not batch.passing
            if not stored and (prepared.entries or prepared.events or moved):
                await self._store(parts, batch.position)
        await self._source.commit(batch, prepared.rejections)
        if prepared.events or prepared.letters:
            self._health.finished(len(prepared.events), len(prepared.letters))
            log.debug("stored", source=self._name, events=len(prepared.events), rejected=len(prepared.letters))

    async def _send_ahead(
        self, batch: Batch, prepared: Prepared, parts: Sequence[Part], before: Sequence[_UnderWay]
    ) -> bool:
        """Sends what need not wait for the batches before; returns whether all of it is stored by that."""
        if batch.position != self._position():
            if len(parts) == 1:
                await self._streams.stage(parts[0].outgoing)
            return False
        if prepared.entries or prepared.letters or not prepared.apart([each.prepared for each in before]):
            return False
        try:
            for part in parts:
                await self._send(part.outgoing)
        except BusError:
            return False  # sent again in its turn, which meets the error again
        return True

    async def _store(self, parts: Sequence[Part], position: Position | None) -> None:
        last = parts[-1]
        if last.outgoing.messages and not last.entries and position == self._position():
            # Nothing to remember but the events, whose ids depend on nothing that is remembered.
            for part in parts:
                await self._insist(partial(self._send, part.outgoing))
            self._ledger.commit([], self._cursor.sequence)
            return
        for number, part in enumerate(parts, 1):
            state = {
                "position": position if part is last else self._position(),
                "epoch": self._ledger.epoch,
                "whole": self._ledger.whole_from(self._cursor.sequence),
                "ledger": [entry.dump() for entry in part.entries],
                "at": now(),
                "part": f"{number}/{len(parts)}",
            }
            # Ids that depend on what the ledger remembers need its entries, which the cursor carries, at once.
            together = bool(last.entries)
            sequence = await self._insist(partial(self._cursor.store, part.outgoing, state, together=together))
            self._ledger.commit(part.entries, sequence, state)
        self._written = asyncio.get_running_loop().time()

    async def _send(self, outgoing: Outgoing) -> None:
        await self._streams.send_all(outgoing.messages, tracestate=outgoing.tracestate)

    def _sending(self, events: Sequence[Event]) -> AbstractContextManager[str]:
        """The span of a batch, from its sending, through what it waits for and tries again, until it is stored; and the
        ``tracestate`` of its events.
        """
        if not events:
            return nullcontext("")
        names = [each.removeprefix(subjects.TYPE_PREFIX) for each in {event.type for event in events}]
        several = len(names) > 1
        template = subjects.event_template(self._app) if several else subjects.event_template(self._app, names[0])
        return spans.send(template, events)

    def _position(self) -> Position | None:
        return self._cursor.state["position"] if self._cursor.state else None

    @property
    def _due(self) -> bool:
        """Whether some of the ledger is to be told again."""
        return self._cursor.state is not None and self._ledger.due

    async def _keep_cursor(self) -> None:
        if self._cursor.state is not None and asyncio.get_running_loop().time() - self._written > REWRITE:
            await self._store(Prepared().parts(), self._position())
        if self._due:
            part, before = self._ledger.part(), self._cursor.sequence
            await self._store(Prepared(entries=part).parts(), self._position())
            self._ledger.told_again(part, before)

    async def _insist(self, attempt: Any) -> Any:
        """Repeats one storing until the server has taken it; what it stores has the same ids each time."""
        backoff = Backoff()
        while True:
            try:
                result = await attempt()
            except BusError as error:
                if error.action is not Action.RETRY:
                    raise
                if not self._at_source:  # nothing is read while a stream is full, and more and more waits
                    with suppress(BusError):  # the next read meets it
                        await self._look()
                await self._pause(error, backoff)
            else:
                if backoff.attempts:
                    log.info("source goes on", source=self._name, after_attempts=backoff.attempts)
                    self._health.problem = ""
                return result

    async def _pause(self, error: BusError, backoff: Backoff) -> None:
        if not backoff.attempts:
            log.warning("source pauses", source=self._name, error=str(error), code=error.code)
        self._health.failed(error)
        await asyncio.sleep(backoff.next())


def _age(state: Mapping[str, Any] | None) -> float:
    """Seconds since a cursor was written, by whichever process: one that runs by day alone keeps it alive too."""
    if state is None:
        return 0.0
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(state["at"])).total_seconds())
