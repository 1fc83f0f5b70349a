"""The way of one event through the city: who has applied it, who refused it, who has not had it yet, what followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bus.observability.index import Index
from bus.observability.rows import IndexedConsumer, IndexedEvent, IndexedReceipt, LetterState

Standing = Literal["applied", "dead-letter", "discarded", "not yet", "not for it"]


@dataclass(frozen=True, slots=True)
class Station:
    """One subscription that an event concerns.

    ``not yet``: it is provisioned, its filter matches, and there is no receipt. ``not for it``: it begins behind the
    event, by its contract's ``start``.
    """

    app: str
    consumer: str
    standing: str
    at: str = ""  #: of the receipt, RFC 3339


@dataclass(frozen=True, slots=True)
class Journey:
    """What is known of an event."""

    event: IndexedEvent
    stations: Sequence[Station]
    letters: Sequence[LetterState]
    follow_ups: Sequence[IndexedEvent]  #: events that came of it, and of these again


def of(index: Index, event: IndexedEvent) -> Journey:
    """The journey of an event, from the index alone."""
    receipts = index.receipts(event.id)
    return Journey(
        event,
        [*map(_settled, receipts), *_unsettled(index, event, receipts)],
        index.letters(event=event.id),
        [each for each in index.events_of_trace(event.trace) if each.hop > event.hop and each.id != event.id],
    )


def _settled(receipt: IndexedReceipt) -> Station:
    return Station(receipt.app, receipt.consumer, receipt.outcome, receipt.at)


def _unsettled(index: Index, event: IndexedEvent, receipts: Sequence[IndexedReceipt]) -> list[Station]:
    """The consumers that match the event and have said nothing of it."""
    told = {(receipt.app, receipt.consumer) for receipt in receipts}
    found = []
    for consumer in index.consumers(event.stream):
        if consumer.app is None or (str(consumer.app), consumer.place) in told or not consumer.wants(event):
            continue
        standing: Standing = "not for it" if _before(index, consumer, event) else "not yet"
        found.append(Station(str(consumer.app), consumer.place, standing))
    return found


def _before(index: Index, consumer: IndexedConsumer, event: IndexedEvent) -> bool:
    """Whether a consumer starts behind an event. Where in doubt it does not: "not yet" makes a person look."""
    if consumer.start == "last_per_subject":
        return event.stored_ms <= consumer.created_ms and index.replaced(event, consumer.created_ms)
    return event.stored_ms < consumer.begins_ms and event.sequence <= consumer.floor
