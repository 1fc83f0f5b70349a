"""What the index holds, row by row. No event's body, no value of a row, no name of a person: ids, tokens, times,
reasons.
"""

from __future__ import annotations

from dataclasses import dataclass

from bus.subjects import AppName, EventSubject

UNDECIDED = ("open", "redriven")  #: states of a dead letter in which a person may still have to act
DURABLE_PARTS = 3  #: ``<opd>_<app>_<place>``


@dataclass(frozen=True, slots=True)
class IndexedEvent:
    """What the index knows of an event."""

    stream: str
    sequence: int
    id: str
    source: str  #: ``opd/app``
    type: str  #: the short form, ``kependudukan.penduduk.meninggal.v1``
    token: str
    time: str
    stored_ms: int  #: Unix milliseconds
    trace: str
    hop: int
    subject: str


@dataclass(frozen=True, slots=True)
class IndexedReceipt:
    """What one application made of an event."""

    event_id: str
    app: str
    consumer: str
    outcome: str
    at: str


@dataclass(frozen=True, slots=True)
class IndexedLetter:
    """What the index knows of a dead letter: everything but the values that it carries."""

    id: str
    app: str
    kind: str  #: ``record`` or ``event``
    place: str
    sequence: int  #: in the stream of dead letters
    stored_ms: int
    code: str
    reason: str
    where: str  #: of a record: what a clerk looks for ("baris 12")
    attempts: int
    event_id: str
    event_type: str
    trace: str
    again: str  #: the dead letter that this one came back from


@dataclass(frozen=True, slots=True)
class IndexedRedrive:
    """A dead letter sent again."""

    letter: str
    sequence: int  #: in the stream of redrives
    stored_ms: int
    author: str
    reason: str
    discard: bool


@dataclass(frozen=True, slots=True)
class IndexedConsumer:
    """A provisioned durable consumer, as it was a few seconds ago."""

    stream: str
    durable: str
    filters: tuple[str, ...]
    start: str = "all"  #: its deliver policy
    begins_ms: int = 0  #: Unix milliseconds: what was stored before is not for it (0: everything is)
    created_ms: int = 0
    floor: int = 0  #: everything up to this sequence is settled
    pending: int = 0  #: messages that are not settled yet

    @property
    def app(self) -> AppName | None:
        """The application that a durable name belongs to; None where it is no adapter's."""
        parts = self.durable.split("_")
        if len(parts) != DURABLE_PARTS:
            return None
        return AppName.of_tokens(parts[0], parts[1])

    @property
    def place(self) -> str:
        """The subscription (or source) that a durable name belongs to."""
        return self.durable.rpartition("_")[2]

    def wants(self, event: IndexedEvent) -> bool:
        """Whether its filters match an event."""
        return event.stream == self.stream and any(matches(each, event.subject) for each in self.filters)

    def selects(self) -> list[tuple[str | None, str]]:
        """Its filters as (publisher or None for all, event type): how the index finds what they match."""
        parsed = [EventSubject.parse(each) for each in self.filters]
        return [(None if "*" in each.app else str(each.app), str(each.name)) for each in parsed if each is not None]


@dataclass(frozen=True, slots=True)
class AppTotals:
    """What one application has published and applied."""

    app: str
    published: int
    follow_ups: int
    last_published_ms: int | None
    applied: int
    dead_letters: int  #: open ones


@dataclass(frozen=True, slots=True)
class LetterState:
    """A dead letter and what has become of it.

    ``state`` is ``open``; ``redriven`` (sent again, nothing known yet); ``applied`` (an event: there is a receipt),
    ``read-again`` (a record: its source was read again, without a new dead letter); ``discarded``; or ``back``:
    ``came_back`` is the new dead letter.
    """

    letter: IndexedLetter
    state: str
    redrive: IndexedRedrive | None = None
    came_back: str = ""


def matches(pattern: str, subject: str) -> bool:
    """Whether a subject matches a filter of NATS (``*`` one token, ``>`` the rest)."""
    wanted, given = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted = wanted[:-1]
        if len(given) <= len(wanted):
            return False
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(w in ("*", g) for w, g in zip(wanted, given, strict=True))
