"""What an adapter says of itself: shown by ``bus status`` and carried by its lease."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from bus.errors import BusError
from bus.ports import SourceState


def now() -> str:
    """The present moment, RFC 3339 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(slots=True)
class PlaceHealth:
    """One source or one subscription."""

    last_read: str = ""  #: when the source was last read, or a message last received
    last_done: str = ""  #: when events were last stored, or last applied
    done: int = 0  #: events since the start
    rejected: int = 0  #: dead letters since the start
    held: int = 0  #: messages that wait behind a transient error
    problem: str = ""  #: the error that makes it pause now; empty: none
    last_problem: str = ""  #: the latest error, also when it is over
    last_problem_at: str = ""
    position: str = ""  #: how far a source was read
    waiting: int | None = None  #: records that wait to be read out of a source; None: it cannot tell
    or_more: bool = False  #: there may be more of them
    oldest: str = ""  #: when the oldest of them was recorded

    def reading(self) -> None:
        """Notes a read."""
        self.last_read = now()

    def failed(self, error: BusError) -> None:
        """Notes an error that makes it pause, or end."""
        self.problem = self.last_problem = str(error)
        self.last_problem_at = now()

    def stands(self, state: SourceState) -> None:
        """Notes how a source stands."""
        self.position, self.waiting, self.or_more = state.position, state.waiting, state.or_more
        self.oldest = state.oldest.astimezone(UTC).isoformat(timespec="milliseconds") if state.oldest else ""

    def finished(self, done: int, rejected: int = 0) -> None:
        """Notes what was stored or applied."""
        self.last_done = now()
        self.done += done
        self.rejected += rejected
        self.problem = ""


@dataclass(slots=True)
class Health:
    """The whole adapter."""

    places: dict[str, PlaceHealth] = field(default_factory=dict)

    def place(self, name: str) -> PlaceHealth:
        """The part of one source or subscription."""
        return self.places.setdefault(name, PlaceHealth())

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return {name: asdict(place) for name, place in self.places.items()}
