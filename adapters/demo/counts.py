"""What the demo asks of the bus's index: for its picture, and for the dead letters. The audit takes no more of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar


class Totals(Protocol):
    """What one application has published and applied."""

    @property
    def app(self) -> str: ...
    @property
    def published(self) -> int: ...
    @property
    def follow_ups(self) -> int: ...
    @property
    def applied(self) -> int: ...


class Stored(Protocol):
    """An event in a stream."""

    @property
    def stored_ms(self) -> int: ...


class Consumer(Protocol):
    """A durable consumer of an application, which reads ``opd/app`` as text."""

    @property
    def app(self) -> object: ...


class Letter(Protocol):
    """A dead letter."""

    @property
    def app(self) -> str: ...
    @property
    def place(self) -> str: ...


class LetterState(Protocol):
    """A dead letter and what has become of it."""

    @property
    def state(self) -> str: ...
    @property
    def letter(self) -> Letter: ...


AConsumer = TypeVar("AConsumer", bound=Consumer)


class Index(Protocol[AConsumer]):
    """The bus's index (``bus.observability.index``), as far as the demo needs it."""

    def totals(self) -> Sequence[Totals]: ...
    def last_of_types(self, source: str) -> Sequence[tuple[str, int, int]]: ...
    def consumers(self) -> Sequence[AConsumer]: ...
    def oldest_waiting(self, consumer: AConsumer) -> Stored | None: ...
    def letters(self) -> Sequence[LetterState]: ...


class Counts:
    """What an index says, summed up. ``subscribed`` has the event types that each application consumes."""

    def __init__(self, index: Index[Any], subscribed: Mapping[str, Sequence[str]]) -> None:
        self._index, self._subscribed = index, subscribed

    def totals(self) -> dict[str, Totals]:
        """By application."""
        return {each.app: each for each in self._index.totals()}

    def waiting(self, totals: Mapping[str, Totals]) -> dict[str, int]:
        """By application: events that it is to get, less those that it has applied."""
        published: Counter[tuple[str, str]] = Counter()
        for source in totals:
            for name, events, _ in self._index.last_of_types(source):
                published[source, name] += events
        meant = {
            app: sum(events for (source, name), events in published.items() if name in types and source != app)
            for app, types in self._subscribed.items()
        }
        return {app: max(0, events - (totals[app].applied if app in totals else 0)) for app, events in meant.items()}

    def oldest(self, app: str) -> float:
        """Seconds that the oldest event has waited for an application; 0 where none waits."""
        waiting = [self._index.oldest_waiting(each) for each in self._index.consumers() if str(each.app) == app]
        stored = [event.stored_ms for event in waiting if event is not None]
        return max(0.0, time.time() - min(stored) / 1000) if stored else 0.0

    def dead_letters(self) -> Counter[tuple[str, str]]:
        """Open dead letters by application and place (``source-…`` or a subscription)."""
        letters = [each.letter for each in self._index.letters() if each.state == "open"]
        return Counter((letter.app, letter.place) for letter in letters)
