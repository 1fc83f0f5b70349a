"""What was settled a moment ago, for targets that would not notice themselves that an event comes again.

The server delivers again what was not settled within its ``ack_wait``. On a machine that stood still for so long, the
word that it is settled and the second delivery pass each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from bus.broker.streams import MAX_ACK_PENDING
from bus.delivery.reading import Inbound


class Settled:
    """The events that one process settled last, by their places: as many as can be on their way a second time."""

    def __init__(self, size: int = MAX_ACK_PENDING) -> None:
        self._size = size
        self._ids: dict[tuple[str, int], str] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, item: Inbound) -> bool:
        # With the id: a stream that is made anew counts its places from the beginning.
        return self._ids.get(item.place) == item.event.id

    def add(self, items: Iterable[Inbound]) -> None:
        """These are settled."""
        self._ids.update((item.place, item.event.id) for item in items)
        for place in list(islice(self._ids, max(0, len(self._ids) - self._size))):
            del self._ids[place]
