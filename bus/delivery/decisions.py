"""What persons decide about events that could not be applied: to send them again, or to discard them.

A decision comes as a message of its own, for one event. Where that event's lane waits for it, the lane is freed; where
the event itself is still to come, as after a restart, the decision waits for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from bus.delivery.lanes import Lanes
from bus.delivery.reading import DISCARD, Inbound

Place = tuple[str, int]  #: stream and sequence
Discarding = Callable[[Sequence[Inbound]], Awaitable[None]]  #: settles items as discarded


class Decisions:
    """The decisions of one subscription. ``holding``: its lanes wait for them."""

    def __init__(self, lanes: Lanes, in_flight: Mapping[Place, Inbound], discard: Discarding, *, holding: bool) -> None:
        self._lanes, self._in_flight, self._discard, self._holding = lanes, in_flight, discard, holding
        self._early: dict[Place, Inbound] = {}  # to discard, by the place of the event to come

    def __bool__(self) -> bool:
        """Whether any waits for its event."""
        return bool(self._early)

    async def take(self, item: Inbound) -> bool:
        """A decision has come. True where the event that it carries is not to be applied."""
        discard = DISCARD in item.incoming.headers
        lane = self._lanes.parked_on(item.lane, item.event.id)
        if lane is not None:
            await self._discard([lane.items.popleft()])
            if not discard:
                lane.items.appendleft(item)
            lane.parked, lane.due = False, 0.0
            if not lane.items:
                self._lanes.release(lane)
            self._lanes.changed.set()
        elif discard and self._holding:
            self._early[item.origin] = item
            return True
        if discard:
            await self._discard([item])
        return discard or lane is not None

    async def foregone(self, item: Inbound) -> bool:
        """Whether an event that comes was decided before. Decisions about events that lie before it and are not in
        hand wait for nothing: these are settled.
        """
        stream, sequence = item.place
        passed = [each for each in self._early if each[0] == stream and each[1] < sequence]
        await self._discard([self._early.pop(each) for each in passed if each not in self._in_flight])
        return await self.discarded(item)

    async def discarded(self, item: Inbound) -> bool:
        """Settles an event together with the decision to discard it, where there is one."""
        decision = self._early.pop(item.origin, None)
        if decision is not None:
            await self._discard([item, decision])
        return decision is not None
