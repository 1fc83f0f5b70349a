"""Lanes hold messages of one key in order behind one that cannot be applied yet, while other keys go on.

Nothing held is ever nak'ed: a nak reorders.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from bus.delivery.backoff import Backoff
from bus.delivery.reading import Inbound

MAX_HELD = 2_000  #: messages; well under max_ack_pending, or the server would stop delivering to the other keys
MAX_LANES = 200
TRIPS = 5  #: lanes in a row that fail before the target counts as away


@dataclass(slots=True, eq=False)
class Lane:
    """The held messages of one key. ``parked``: a person must decide about the first."""

    token: str
    items: deque[Inbound] = field(default_factory=deque)
    backoff: Backoff = field(default_factory=Backoff)
    due: float = 0.0
    parked: bool = False


class Lanes:
    """All held lanes of one subscription, and the circuit breaker that they trip together."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._failures = 0
        self.changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._lanes)

    @property
    def held(self) -> int:
        """Messages held."""
        return sum(len(lane.items) for lane in self._lanes.values())

    @property
    def open(self) -> bool:
        """Whether the circuit is open: the target seems to be away, and only probes go out."""
        return self._failures >= TRIPS

    @property
    def crowded(self) -> bool:
        """Whether no more should be fetched."""
        return self.open or self.held >= MAX_HELD or len(self._lanes) >= MAX_LANES

    def take(self, item: Inbound) -> bool:
        """Whether the item's lane is held; then it waits there."""
        lane = self._lanes.get(item.lane)
        if lane is None:
            return False
        lane.items.append(item)
        return True

    def hold(self, items: deque[Inbound], *, parked: bool = False) -> Lane:
        """Holds these items of one lane, the first of which cannot be applied now."""
        token = items[0].lane
        lane = self._lanes.setdefault(token, Lane(token))
        if lane.items is not items:
            lane.items.extend(items)
        lane.parked = parked
        self.postpone(lane)
        return lane

    def postpone(self, lane: Lane) -> None:
        """Tries this lane again later."""
        lane.due = asyncio.get_running_loop().time() + lane.backoff.next()
        self.changed.set()

    def release(self, lane: Lane) -> None:
        """Nothing is held in this lane any more."""
        if self._lanes.get(lane.token) is lane:
            del self._lanes[lane.token]
        self.changed.set()

    def parked_on(self, token: str, event_id: str) -> Lane | None:
        """The lane that waits for a person's decision about this event, or None."""
        lane = self._lanes.get(token)
        return lane if lane is not None and lane.parked and lane.items[0].event.id == event_id else None

    def due(self, now: float) -> Iterator[Lane]:
        """The lanes to try now: all that are due, or a single probe while the circuit is open."""
        ready = sorted(
            (lane for lane in self._lanes.values() if not lane.parked and lane.due <= now), key=lambda lane: lane.due
        )
        yield from ready[:1] if self.open else ready

    def next_due(self) -> float | None:
        """When the next lane is to be tried, or None."""
        return min((lane.due for lane in self._lanes.values() if not lane.parked), default=None)

    def failed(self) -> None:
        """A transient failure."""
        self._failures += 1

    def succeeded(self) -> None:
        """Something was applied: the target is there."""
        self._failures = 0
        self.changed.set()
