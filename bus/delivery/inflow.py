"""Into an application: what was fetched is applied once, in order per key, whatever fails on the way.

    fetch -> Reader -> (held lane?) -> apply together, or lane by lane -> receipt -> ack
                 \\-> poison: dead letter -> term            \\-> transient: the lane is held and tried again

While a batch cannot be applied because the target is away, ``handle`` does not return, and so nothing more is fetched.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Sequence
from enum import Enum, auto
from itertools import groupby
from time import monotonic

import structlog

from bus.broker import spans
from bus.broker.consume import Incoming
from bus.delivery.applying import Applier
from bus.delivery.backoff import Backoff
from bus.delivery.deaths import Deaths
from bus.delivery.decisions import Decisions
from bus.delivery.health import PlaceHealth
from bus.delivery.lanes import Lane, Lanes
from bus.delivery.reading import Inbound, Reader, redriven
from bus.delivery.settled import Settled
from bus.delivery.settling import Outcome, Settler
from bus.errors import Action, BusError, ContractError, Rejected
from bus.tasks import heed_cancellation, heeding, together

WORKERS = 16  #: lanes that a handler works on at once
SETTLE = 0.25  #: seconds between two settlings within a batch whose items are applied one at a time
FORGET = 3_600.0  #: seconds between two times that the target forgets what it applied long ago
PATIENCE = 3  #: attempts with a whole batch before it is split to find the one that fails

log = structlog.get_logger(__name__)


class Progress(Enum):
    """What became of an attempt with one item."""

    DONE = auto()
    WAIT = auto()  #: a transient error: the same again later
    PARK = auto()  #: poison on a subscription with `on_poison = "hold"`: a person decides


class Inflow:
    """One subscription of one application."""

    def __init__(
        self,
        consumer: str,
        reader: Reader,
        applier: Applier,
        settler: Settler,
        deaths: Deaths,
        health: PlaceHealth,
        *,
        hold_poison: bool,
    ) -> None:
        self._consumer, self._reader, self._applier, self._settler = consumer, reader, applier, settler
        self._deaths, self._health, self._hold_poison = deaths, health, hold_poison
        self._template = f"opd.*.*.{reader.type.name}.{{key}}"
        self._lanes = Lanes()
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # by stream: its batches keep their order
        self._working = asyncio.Lock()  # one batch at a time, also where several streams feed this subscription
        self._ending = asyncio.Event()
        self._in_flight: dict[tuple[str, int], Inbound] = {}
        self._settled = Settled()
        self._decisions = self._no_decisions()

    def begin(self) -> None:
        """Forgets what a run that failed had in hand: its consumers go back to all that is unsettled."""
        self._in_flight.clear()
        self._lanes = Lanes()
        self._decisions = self._no_decisions()
        self._ending.clear()
        self._health.held = 0

    def _no_decisions(self) -> Decisions:
        return Decisions(self._lanes, self._in_flight, self._forgo, holding=self._hold_poison)

    def end(self) -> None:
        """Lets go of what waits for a peer: it comes again at the next start."""
        self._ending.set()

    async def handle(self, incomings: Sequence[Incoming]) -> None:
        """Settles a batch, or holds parts of it. Raises errors that stop, and Unavailable where the broker is away.

        The next may be given before this returns: it is read and validated while the target works on this one.
        """
        self._health.reading()
        deciding = any(map(redriven, incomings))  # decisions make the room that the others wait for
        async with self._turns[incomings[0].stream]:
            items = await self._receive(incomings)
            if not await self._begun(waiting=not deciding):
                return
        try:
            done = await self._work(items)
        finally:
            self._working.release()
        await self._settle(done)
        if self._lanes.crowded and not deciding:
            log.warning(
                "fetches no more: the target is away or too much is held",
                consumer=self._consumer,
                held=self._lanes.held,
            )
            await self._room()

    async def run(self, heartbeat: float) -> None:
        """Works on held lanes, keeps the server from delivering again what is in hand, and lets the target forget what
        is long past, until cancelled.
        """
        await together(self._beat(heartbeat), self._retry(), self._forget())

    # --- receiving

    async def _receive(self, incomings: Sequence[Incoming]) -> list[Inbound]:
        items: list[Inbound] = []
        again: list[Incoming] = []
        for incoming in incomings:
            if (known := self._in_flight.get((incoming.stream, incoming.sequence))) is not None:
                known.incoming = incoming  # delivered again while we work on it: settle the latest delivery
                continue
            try:
                item = self._reader.read(incoming)
            except ContractError as error:
                await self._settler.poisoned(incoming, None, error)
                self._health.finished(0, 1)
                continue
            if self._settled and item in self._settled:
                again.append(incoming)
                continue
            self._in_flight[item.place] = item
            if redriven(incoming):
                gone = await self._decisions.take(item)
            else:
                gone = bool(self._decisions) and await self._decisions.foregone(item)
            if not gone:
                items.append(item)
        if again:
            await incomings[0].ack_all(again)
        return items

    # --- working

    async def _begun(self, *, waiting: bool) -> bool:
        """Takes ``_working``; who is ``waiting`` for room when the batch before has left some. False where all ends."""
        await self._working.acquire()
        while waiting and self._lanes.crowded:
            self._working.release()
            if not await self._room():
                return False
            await self._working.acquire()
        return True

    async def _work(self, items: list[Inbound]) -> list[Inbound]:
        """Applies items in order; those with which a process died one at a time, so that the one that kills it is
        alone in hand. Returns those that are still to be settled.
        """
        done: list[Inbound] = []
        runs = groupby(items, key=lambda item: self._deaths.suspect(item.event.id))
        for suspects, run in [(suspects, list(run)) for suspects, run in runs]:
            for part in [[item] for item in run] if suspects else [run]:
                with self._deaths.in_hand([item.event.id for item in part]):
                    await (self._together(part, done) if self._applier.atomic else self._by_lane(part))
        return done

    async def _together(self, items: Sequence[Inbound], done: list[Inbound], patience: int = PATIENCE) -> None:
        """Applies all in one go; where that fails for good, halves them until the failing one is alone.

        What is applied and could be applied again without harm is ``done``: it is settled beside the next batch.
        """
        items = self._unheld(items)
        if len(items) <= 1:
            await self._work_lane(deque(items))
            return
        backoff = Backoff()
        while True:
            try:
                await self._apply(items)
            except BusError as error:
                heed_cancellation()
                if error.action is Action.RETRY and (backoff.attempts < patience or await self._away(items, backoff)):
                    await self._pause(error, backoff)
                    continue
                if error.action not in {Action.RETRY, Action.DEAD_LETTER}:
                    raise
                break
            if self._applier.idempotent:
                done += items
            else:
                await self._settle(items)
            return
        middle = len(items) // 2
        # What the whole batch had the patience for, its parts need not have again: other keys wait for them.
        await self._together(items[:middle], done, 0)
        await self._together(items[middle:], done, 0)

    async def _away(self, items: list[Inbound], backoff: Backoff) -> bool:
        """Whether the target takes nothing at all, or only something of this batch: one item is tried alone, the first
        of its key, with each attempt one of another key. What is applied so is no more among the items.
        """
        if not await self._applier.reachable():
            return True
        firsts = list({item.lane: item for item in reversed(items)}.values())
        alone = firsts[backoff.attempts % len(firsts)]
        try:
            await self._apply([alone])
        except BusError as error:
            heed_cancellation()
            if error.action not in {Action.RETRY, Action.DEAD_LETTER}:
                raise
            return error.action is Action.RETRY
        items.remove(alone)
        await self._settle([alone])
        return False

    async def _by_lane(self, items: Sequence[Inbound]) -> None:
        """Applies one at a time, different keys in parallel, and settles together what is applied: now and then while a
        slow target works, since a target without our inbox is told again of what a killed process had not settled.
        """
        lanes: dict[str, deque[Inbound]] = {}
        for item in self._unheld(items):
            lanes.setdefault(item.lane, deque()).append(item)
        waiting = iter(list(lanes.values()))
        done: list[Inbound] = []

        async def worker() -> None:
            for lane in waiting:
                await self._work_lane(lane, done)

        async def settling() -> None:
            while True:
                await asyncio.sleep(SETTLE)
                ready = list(done)
                await self._settle(ready)
                del done[: len(ready)]

        beside = asyncio.create_task(settling())
        try:
            if lanes:
                await together(*(worker() for _ in range(min(WORKERS, len(lanes)))))
        finally:
            beside.cancel()
            await asyncio.gather(beside, return_exceptions=True)  # what it failed with is met below again
            await self._settle(done)

    def _unheld(self, items: Sequence[Inbound]) -> list[Inbound]:
        """The items whose lanes are not held; the others wait there."""
        return [item for item in items if not self._lanes.take(item)]

    async def _work_lane(self, items: deque[Inbound], done: list[Inbound] | None = None) -> None:
        """Applies the items of one lane in order; holds the lane where the first cannot be applied now."""
        while items:
            progress = Progress.WAIT if self._lanes.open else await self._try(items[0], done)
            if progress is not Progress.DONE:
                lane = self._lanes.hold(items, parked=progress is Progress.PARK)
                self._health.held = self._lanes.held
                log.info(
                    "holding a key", consumer=self._consumer, event_id=lane.items[0].event.id, lanes=len(self._lanes)
                )
                return
            items.popleft()

    async def _try(self, item: Inbound, done: list[Inbound] | None = None) -> Progress:
        """Applies one item; a poisonous one becomes a dead letter."""
        if self._decisions and await self._decisions.discarded(item):
            return Progress.DONE
        item.attempts += 1
        try:
            if self._deaths.fatal(item.event.id):
                raise Rejected("the process died three times while applying it")
            await self._apply([item])
        except BusError as error:
            if error.action is Action.RETRY:
                self._lanes.failed()
                self._problem(error)
                return Progress.WAIT
            if error.action is not Action.DEAD_LETTER:
                raise
            self._lanes.succeeded()
            return await self._poisoned(item, error)
        self._lanes.succeeded()
        if done is None:
            await self._settle([item])
        else:
            done.append(item)
        return Progress.DONE

    async def _apply(self, items: Sequence[Inbound]) -> None:
        with spans.process_batch([item.event for item in items], self._template, self._settler.group):
            await self._applier.apply([item.delivery for item in items])

    async def _poisoned(self, item: Inbound, error: BusError) -> Progress:
        await self._settler.poisoned(
            item.incoming, item.event, error, attempts=item.attempts, term=not self._hold_poison
        )
        self._health.finished(0, 1)
        self._deaths.acquit([item.event.id])
        if self._hold_poison:
            return Progress.PARK
        self._in_flight.pop(item.place, None)
        return Progress.DONE

    async def _settle(self, items: Sequence[Inbound], outcome: Outcome = "applied") -> None:
        backoff = Backoff()
        while items:
            try:
                await self._settler.applied(items, outcome)
                break
            except BusError as error:
                if error.action is not Action.RETRY:
                    raise
                await self._pause(error, backoff)
        for item in items:
            self._in_flight.pop(item.place, None)
        if not self._applier.idempotent:
            self._settled.add(items)
        if items:
            self._deaths.acquit([item.event.id for item in items])
            if self._health.problem:
                log.info("subscription goes on", consumer=self._consumer)
            self._health.finished(len(items))
            self._health.held = self._lanes.held

    async def _forgo(self, items: Sequence[Inbound]) -> None:
        await self._settle(items, "discarded")

    # --- holding

    async def _retry(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            for lane in list(self._lanes.due(loop.time())):
                await self._advance(lane)
            due = self._lanes.next_due()
            self._lanes.changed.clear()
            try:
                async with asyncio.timeout(None if due is None else max(0.01, due - loop.time())):
                    await self._lanes.changed.wait()
            except TimeoutError:
                continue

    async def _advance(self, lane: Lane) -> None:
        """Works through one held lane until it is empty or fails again."""
        while lane.items:
            with self._deaths.in_hand([lane.items[0].event.id]):
                progress = await heeding(self._try(lane.items[0]))  # else the retrying goes on, with nothing held
            if progress is not Progress.DONE:
                lane.parked = progress is Progress.PARK
                self._lanes.postpone(lane)
                return
            lane.items.popleft()
            lane.backoff.reset()
        self._lanes.release(lane)
        self._health.held = self._lanes.held

    async def _room(self) -> bool:
        """Waits until more may be held; False where all ends before."""
        while self._lanes.crowded:
            if self._ending.is_set():
                return False
            await asyncio.sleep(0.05)  # several things decide together
        return True

    async def _beat(self, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            for item in list(self._in_flight.values()):
                if monotonic() - item.seen_at >= interval:
                    await item.incoming.in_progress()

    async def _forget(self) -> None:
        while True:
            try:
                await heeding(self._applier.forget())
            except BusError as error:  # what is still remembered does no harm
                log.warning("forgets nothing for now", consumer=self._consumer, error=str(error), code=error.code)
            await asyncio.sleep(FORGET)

    def _problem(self, error: BusError) -> None:
        if not self._health.problem:
            log.warning("subscription pauses", consumer=self._consumer, error=str(error), code=error.code)
        self._health.failed(error)

    async def _pause(self, error: BusError, backoff: Backoff) -> None:
        """Waits for the next attempt; raises the error where there will be none."""
        self._problem(error)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(backoff.next()):
                await self._ending.wait()
        if self._ending.is_set():
            raise error
