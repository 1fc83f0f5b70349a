"""How far a log-based capture is: its place in the log, and which rows a snapshot has read and when.

A snapshot reads each table in the order of its key, in one transaction as long as nothing interrupts it. What the log
tells afterwards of a change that such a transaction saw already is skipped, so there is neither gap nor repetition. An
interrupted snapshot goes on behind the last stored row in a new transaction: each range of keys remembers its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from bus.errors import ConfigError
from bus.ports import Position

Order = Callable[[Sequence[str]], Any]  #: a key's texts as something that compares as the snapshot's ORDER BY does
HALF, FULL = 2**31, 2**32


@dataclass(slots=True)
class Range:
    """The rows of a table up to a key, and what of the log the transaction that read them had seen."""

    table: str
    until: int  #: nothing behind this place in the log was seen
    seen: list[int] = field(default_factory=list)  #: PostgreSQL: xmin, xmax and the transactions open between them
    to: list[str] | None = None  #: the last key, as texts; None: to the end of the table


@dataclass(slots=True)
class Progress:
    """A position, as the capture works with it."""

    log: str  #: which log: places of another one mean nothing
    resnapshot: int
    place: int = 0  #: of the last transaction
    index: int | None = None  #: the last change of it; None: it is complete
    start: int = 0  #: where to begin to read, where the server does not remember that
    done: list[str] = field(default_factory=list)  #: tables that need no snapshot any more
    at: int = 0  #: the place where the snapshot that is under way began
    table: str = ""  #: the table that is being read
    after: list[str] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)

    @classmethod
    def load(cls, position: Position, where: str) -> Progress:
        """Out of a stored position. Raises ConfigError for one that is not of this connector."""
        try:
            ranges = [Range(**each) for each in position.get("ranges", ())]
            return cls(**{**position, "ranges": ranges})
        except TypeError:
            raise ConfigError(
                "the stored position is not one of this source", where=where, hint="remove the source's cursor"
            ) from None

    def dump(self) -> Position:
        """As a position, without what is empty."""
        values = {name: value for name, value in asdict(self).items() if name in {"log", "resnapshot"} or value}
        if self.index is not None:
            values["index"] = self.index
        return values

    def pending(self, tables: Iterable[str]) -> list[str]:
        """The tables that a snapshot has to read, the interrupted one first."""
        left = [name for name in tables if name not in self.done]
        return sorted(left, key=lambda name: name != self.table)

    def begin(self, table: str, until: int, seen: list[int]) -> list[str]:
        """Begins to read a table, or goes on with it: returns the key behind which."""
        if table != self.table:
            self.table, self.after = table, []
        unfinished = [each for each in self.ranges if each.table == table and each.to is None]
        for each in unfinished:
            if self.after and (each.until, each.seen) == (until, seen):
                return self.after  # the same state still
            if self.after:
                each.to = list(self.after)
            else:
                self.ranges.remove(each)
        self.ranges.append(Range(table, until, seen))
        return self.after

    def finish(self, table: str) -> None:
        """A table has been read to its end."""
        self.done.append(table)
        self.table, self.after = "", []

    def was_read(self, table: str, order: Order, key: Sequence[str], place: int, xid: int | None = None) -> bool:
        """Whether the snapshot's row of that key has this change in it already."""
        for each in self.ranges:
            if each.table == table and (each.to is None or order(key) <= order(each.to)):
                return place <= each.until and (xid is None or visible_in(xid, each.seen))
        return False

    def passed(self, place: int, index: int | None = None) -> None:
        """The log has been read up to there; ranges that lie behind are forgotten."""
        self.place, self.index = place, index
        if self.ranges and place > max(each.until for each in self.ranges):
            self.ranges = []

    def is_behind(self, place: int, index: int) -> bool:
        """Whether that change has been read."""
        return place < self.place or (place == self.place and (self.index is None or index <= self.index))


def visible_in(xid: int, seen: Sequence[int]) -> bool:
    """Whether a snapshot saw a transaction, of whose number the log has the lower 32 bits."""
    xmax = seen[1]
    whole = xmax - xmax % FULL + xid
    if whole > xmax + HALF:
        whole -= FULL
    elif whole < xmax - HALF:
        whole += FULL
    return whole < xmax and whole not in seen[2:]


def numbers_of(snapshot: str) -> list[int]:
    """PostgreSQL's text of a snapshot, ``xmin:xmax:xip,…``, as numbers."""
    xmin, xmax, between = snapshot.split(":")
    return [int(xmin), int(xmax), *(int(each) for each in between.split(",") if each)]


def ordering(numeric: Sequence[bool]) -> Order:
    """How keys compare: columns of numbers as numbers, others as texts by code points."""

    def order(texts: Sequence[str]) -> Any:
        return tuple(Decimal(text) if number else text.rstrip(" ") for text, number in zip(texts, numeric, strict=True))

    return order
