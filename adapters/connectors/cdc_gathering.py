"""Gathers the changes of a log into batches: whole transactions, and parts of one that alone is larger than a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from sys import maxsize
from time import monotonic
from typing import Any

from adapters.connectors.cdc_feed import WAIT, Feed
from adapters.connectors.cdc_progress import Order, Progress
from adapters.connectors.cdc_tables import Operation, Row, Tracked, version_of
from bus.ports import Batch, Record

ROOM = 4 * 1024 * 1024  #: bytes of changes in a batch, about: rows may hold documents
FIRST = 50  #: rows of a snapshot's first page, which tells how wide they are
LINGER = 0.01  #: seconds between two batches of few changes: each costs the stream as much as one of many


@dataclass(frozen=True, slots=True)
class Gathered(Batch):
    """Changes of a log."""

    xids: frozenset[int] = frozenset()  #: PostgreSQL: the transactions that made them


def pages(fetch: Callable[[int], Sequence[Any]], batch: int) -> Iterator[Sequence[Any]]:
    """The rows of a snapshot, page by page: ``fetch`` gives up to so many. A page is as long as ROOM lets it be, by the
    rows of the one before.
    """
    count = min(FIRST, batch)
    while rows := fetch(count):
        yield rows
        size = sum(len(value) for row in rows for value in row if isinstance(value, str | bytes))
        count = max(1, min(batch, ROOM * len(rows) // max(size, 1)))


class Gathering:
    """What one stream has brought and the feed has not got yet.

    A transaction is named by its place in the log; the changes in it are counted, also those that nobody wants, so
    that a change has the same number whenever it is read.
    """

    def __init__(
        self, orders: Mapping[str, Order], feed: Feed, progress: Progress, batch: int, keep_alive: Callable[[], None]
    ) -> None:
        self._orders, self._feed, self._progress, self._batch = orders, feed, progress, batch
        self._keep_alive = keep_alive
        self._ready: list[Record] = []  #: of whole transactions
        self._part: list[Record] = []  #: of the transaction at hand
        self._ready_size = 0  #: bytes of what is ready
        self._part_size = 0  #: bytes of the transaction at hand
        self._done = progress.place - (progress.index is not None)  #: no whole transaction is behind it
        self._start = progress.start
        self._place, self._index = 0, 0
        self._again = True  #: some of the transaction at hand may have been read before
        self._at: datetime | None = None
        self._xid: int | None = None
        self._xids: set[int] = set()  #: of what is ready or in part
        self._handed = 0.0  #: when the last batch went
        self.within = False  #: a transaction has begun and not ended
        self.skipping = False  #: nobody wants the rest of it

    def begin(self, place: int, at: datetime, xid: int | None = None) -> None:
        """A transaction begins."""
        self._place, self._at, self._xid, self._index = place, at, xid, 0
        self._again = place <= self._progress.place
        self.within, self.skipping = True, self._progress.is_behind(place, maxsize)

    def leave_out(self) -> None:
        """The bus itself wrote this transaction."""
        self.skipping = True
        self._part.clear()
        self._part_size = 0

    def weigh(self, size: int) -> None:
        """So many bytes of the transaction at hand have come, of changes that are wanted."""
        self._part_size += size

    def pass_over(self) -> None:
        """A change of nothing that anybody wants: it is counted alone."""
        self._index += 1

    def add(self, tracked: Tracked, row: Row, operation: Operation, key: Callable[[], Sequence[str]]) -> None:
        """A change. ``key`` gives the texts of the row's key, as the snapshot orders by them."""
        self._index += 1
        progress = self._progress
        if not tracked.wanted(row) or (self._again and progress.is_behind(self._place, self._index)):
            return
        if progress.ranges and progress.was_read(
            tracked.name, self._orders[tracked.name], key(), self._place, self._xid
        ):
            return
        if self._xid is not None:
            self._xids.add(self._xid)
        self._part.append(tracked.record(row, operation, version_of(self._place, self._index), self._at))
        if len(self._part) >= self._batch or self._part_size >= ROOM:
            self._flush_part()

    def commit(self, start: int = 0) -> None:
        """The transaction ends; ``start`` is where a reading that has it begins."""
        if len(self._ready) + len(self._part) > self._batch or self._ready_size + self._part_size > ROOM:
            self.flush()
        self._ready += self._part
        self._ready_size += self._part_size
        self._part, self._part_size = [], 0
        self._done, self._start = max(self._done, self._place), start
        self.within = False
        if len(self._ready) >= self._batch:
            self.flush()

    def offer(self) -> float:
        """Nothing more has come: hands over what there is, unless a batch went a moment ago or still waits; returns
        the seconds until it should be offered again.
        """
        if self._ready and (self._feed.waiting or monotonic() < self._handed + LINGER):
            return LINGER
        self.flush()
        return WAIT

    def flush(self) -> None:
        """Hands over the whole transactions that have come so far."""
        if self._ready or (self._progress.index is not None and self._done >= self._progress.place):
            self._put(self._ready, self._done, None)
            self._ready, self._ready_size = [], 0

    def _flush_part(self) -> None:
        """Hands over what there is of a large transaction, behind those before it."""
        self.flush()
        self._put(self._part, self._place, self._index)
        self._part, self._part_size = [], 0

    def beat(self, place: int, start: int = 0) -> None:
        """Nothing has come for a while, and the log has been read up to ``place``: moves the position along."""
        if not self.within and not self._ready and self._progress.place < place >= self._done:
            self._done, self._start = place, start
            self._put([], place, None)

    def _put(self, records: Sequence[Record], place: int, index: int | None) -> None:
        self._progress.passed(place, index)
        self._progress.start = self._start
        position, xids = self._progress.dump(), frozenset(self._xids)
        self._feed.put(Gathered(list(records), position, more=True, ahead=True, xids=xids), self._keep_alive)
        self._xids.clear()
        self._handed = monotonic()
