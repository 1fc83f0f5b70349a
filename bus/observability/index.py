"""The index: which event lies where, and which application has applied it. SQLite, fed from headers and receipts.

It holds no event's body, is made from the streams and can be deleted at any time: the indexer reads them again. One
process writes, any number read.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any, Self

from bus.observability import tables
from bus.observability.rows import (
    UNDECIDED,
    AppTotals,
    IndexedConsumer,
    IndexedEvent,
    IndexedLetter,
    IndexedReceipt,
    IndexedRedrive,
    LetterState,
)
from bus.subjects import REDRIVE_STREAM

__all__ = ["AppTotals", "Index", "IndexedEvent", "IndexedReceipt"]

_OPEN = "NOT EXISTS (SELECT 1 FROM redrive r WHERE r.letter = d.id AND r.stored_ms >= d.stored_ms)"
_LETTERS = """
SELECT d.*, r.letter, r.sequence, r.stored_ms, r.author, r.reason, r.discard,
       (SELECT max(c.id) FROM dead_letter c WHERE c.again = d.id AND c.again != '' AND c.stored_ms >= r.stored_ms),
       (SELECT outcome FROM receipt WHERE event_id = d.event_id AND app = d.app AND consumer = d.place),
       (SELECT floor FROM consumer
        WHERE stream = ? AND durable = replace(replace(d.app, '_', '-'), '/', '_') || '_' || d.place)
FROM dead_letter d
LEFT JOIN redrive r ON r.letter = d.id AND r.stored_ms >= d.stored_ms
                   AND r.sequence = (SELECT max(sequence) FROM redrive WHERE letter = d.id)
WHERE (? IS NULL OR d.app = ?) AND (? IS NULL OR d.place = ?) AND (? IS NULL OR d.event_id = ?)
  AND (? IS NULL OR (d.id >= ? AND d.id < ? || 'g')) AND (? IS NULL OR r.stored_ms < ?)
ORDER BY d.stored_ms, d.sequence
"""
PRUNED = 1_000  #: events dropped at once

Statement = tuple[str, Sequence[tuple[object, ...]]]


class Index:
    """The index over one file."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._lock: int | None = None
        if read_only:
            self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
            return
        self._db = tables.make(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file, and lets another process write."""
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @staticmethod
    def fed(path: Path) -> bool:
        """Whether a process feeds the index at ``path`` now."""
        if not path.exists():
            return False
        lock = _lock(path)
        if lock is not None:
            os.close(lock)
        return lock is None

    # --- writing, by the indexer alone

    def claim(self) -> bool:
        """Takes the right to write, until ``close``; False where another process has it."""
        if self._lock is None:
            self._lock = _lock(self._path)
        return self._lock is not None

    def resume(self, stream: str, made: str, *tables: str) -> int:
        """The last sequence of a stream that is in the index: 0 where the stream is new, or was made anew since.

        ``made`` is when the server made the stream. What the index has of a former one is dropped: its events, and
        the rows of these tables.
        """
        row = self._db.execute("SELECT sequence, made FROM position WHERE stream = ?", (stream,)).fetchone()
        if row is not None and row[1] == made:
            return int(row[0])
        with self._transaction():
            for table in tables:
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - the names are the indexer's own
            for table in ("event", "published", "position"):
                self._db.execute(f"DELETE FROM {table} WHERE stream = ?", (stream,))  # noqa: S608
            self._db.execute("INSERT INTO position VALUES (?, 0, ?)", (stream, made))
        return 0

    def prune(self, stream: str, first: int) -> int:
        """Drops some of the events before ``first``, which the stream no longer has, and returns how many: ``PRUNED``
        as long as there may be more.
        """
        with self._transaction():
            rows = self._db.execute(
                "SELECT sequence, id FROM event WHERE stream = ? AND sequence < ? LIMIT ?", (stream, first, PRUNED)
            ).fetchall()
            ids = [(row[1],) for row in rows]
            self._db.executemany("DELETE FROM receipt WHERE event_id = ?", ids)
            self._db.executemany("DELETE FROM party WHERE event_id = ?", ids)
            self._db.executemany(
                "DELETE FROM event WHERE stream = ? AND sequence = ?", [(stream, row[0]) for row in rows]
            )
        return len(rows)

    def add_events(
        self, stream: str, sequence: int, events: Iterable[IndexedEvent], parties: Iterable[tuple[str, str]]
    ) -> None:
        """Adds events of a stream, which was read up to ``sequence``; their parties as token and event id."""
        events = list(events)
        rows = [
            (e.stream, e.sequence, e.id, e.source, e.type, e.token, e.time, e.stored_ms, e.trace, e.hop, e.subject)
            for e in events
        ]
        counted = [(e.stream, e.source, e.type, int(e.hop > 0), e.stored_ms) for e in events]
        self._write(
            stream,
            sequence,
            ("INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows),
            ("INSERT OR IGNORE INTO party VALUES (?, ?)", list(parties)),
            (
                "INSERT INTO published VALUES (?, ?, ?, 1, ?, ?) ON CONFLICT DO UPDATE SET events = events + 1, "
                "follow_ups = follow_ups + excluded.follow_ups, last_ms = max(last_ms, excluded.last_ms)",
                counted,
            ),
        )

    def add_receipts(self, stream: str, sequence: int, receipts: Iterable[IndexedReceipt]) -> None:
        """Adds receipts; a later one of the same application replaces an earlier."""
        rows = [(r.event_id, r.app, r.consumer, r.outcome, r.at) for r in receipts]
        self._write(stream, sequence, ("INSERT OR REPLACE INTO receipt VALUES (?, ?, ?, ?, ?)", rows))

    def add_dead_letters(self, stream: str, sequence: int, letters: Iterable[IndexedLetter]) -> None:
        """Adds dead letters. One met again takes the place of the former, and is open again."""
        rows = [astuple(each) for each in letters]
        marks = ", ".join("?" * len(fields(IndexedLetter)))
        self._write(stream, sequence, (f"INSERT OR REPLACE INTO dead_letter VALUES ({marks})", rows))  # noqa: S608

    def add_redrives(self, stream: str, sequence: int, redrives: Iterable[IndexedRedrive]) -> None:
        """Notes that dead letters were sent again."""
        rows = [(r.letter, r.sequence, r.stored_ms, r.author, r.reason, r.discard) for r in redrives]
        self._write(stream, sequence, ("INSERT OR REPLACE INTO redrive VALUES (?, ?, ?, ?, ?, ?)", rows))

    def forget(self, letter: IndexedLetter) -> None:
        """Drops a dead letter that its stream no longer has, unless it was met again."""
        with self._transaction():
            self._db.execute("DELETE FROM dead_letter WHERE id = ? AND sequence = ?", (letter.id, letter.sequence))

    def set_consumers(self, stream: str, consumers: Iterable[IndexedConsumer]) -> None:
        """Replaces the provisioned consumers of a stream."""
        rows = [
            (stream, c.durable, json.dumps(c.filters), c.start, c.begins_ms, c.created_ms, c.floor, c.pending)
            for c in consumers
        ]
        with self._transaction():
            self._db.execute("DELETE FROM consumer WHERE stream = ?", (stream,))
            self._db.executemany("INSERT INTO consumer VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _write(self, stream: str, sequence: int, *statements: Statement) -> None:
        """The rows and the position of a stream, together or not at all."""
        with self._transaction():
            for statement, rows in statements:
                self._db.executemany(statement, rows)
            self._db.execute("UPDATE position SET sequence = ? WHERE stream = ?", (sequence, stream))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # --- asking: events

    def ids(self, beginning: str, limit: int = 10) -> list[str]:
        """The ids of events that begin so; the one alone where it is an id itself."""
        if self._db.execute("SELECT 1 FROM event WHERE id = ? LIMIT 1", (beginning,)).fetchone():
            return [beginning]
        query = "SELECT DISTINCT id FROM event WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
        return [row[0] for row in self._db.execute(query, (beginning, beginning + "\U0010ffff", limit))]

    def event(self, event_id: str) -> IndexedEvent | None:
        """An event by its id, or by the beginning of it where that is unique."""
        found = self.ids(event_id, 2)
        return self._events("id = ?", found[0])[0] if len(found) == 1 else None

    def events_of_key(self, token: str) -> list[IndexedEvent]:
        """Every event about a key, or in which it is a party, in the order in which they were stored."""
        return self._events("token = ? OR id IN (SELECT event_id FROM party WHERE token = ?)", token, token)

    def events_of_trace(self, trace: str) -> list[IndexedEvent]:
        """An event and all that followed from it, in the order in which they were stored."""
        return self._events("trace = ?", trace) if trace else []

    def oldest_waiting(self, consumer: IndexedConsumer) -> IndexedEvent | None:
        """The oldest event that a consumer has not settled; None where there is none."""
        app = str(consumer.app) if consumer.app else ""
        found = []
        for publisher, name in consumer.selects():
            query = (
                "stream = ? AND type = ? AND sequence > ? AND (? IS NULL OR source = ?) AND NOT EXISTS "
                "(SELECT 1 FROM receipt WHERE event_id = event.id AND app = ? AND consumer = ?)"
            )
            given = (consumer.stream, name, consumer.floor, publisher, publisher, app, consumer.place)
            found += self._events(query, *given, order="sequence", limit=1)
        return min(found, key=lambda each: each.sequence, default=None)

    def replaced(self, event: IndexedEvent, before_ms: int) -> bool:
        """Whether a later event of the same subject was stored before a moment (Unix ms)."""
        query = (
            "SELECT 1 FROM event "
            "WHERE token = ? AND subject = ? AND stream = ? AND sequence > ? AND stored_ms <= ? LIMIT 1"
        )
        given = (event.token, event.subject, event.stream, event.sequence, before_ms)
        return self._db.execute(query, given).fetchone() is not None

    def _events(
        self, condition: str, *given: object, order: str = "stored_ms, stream, sequence", limit: int = -1
    ) -> list[IndexedEvent]:
        query = f"SELECT * FROM event WHERE {condition} ORDER BY {order} LIMIT ?"  # noqa: S608 - no values in it
        return [IndexedEvent(*row) for row in self._db.execute(query, (*given, limit))]

    # --- asking: what became of them

    def receipts(self, event_id: str) -> list[IndexedReceipt]:
        """Who has applied (or refused) an event."""
        rows = self._db.execute(
            "SELECT event_id, app, consumer, outcome, at FROM receipt WHERE event_id = ? ORDER BY at", (event_id,)
        )
        return [IndexedReceipt(*row) for row in rows]

    def consumers(self, stream: str | None = None) -> list[IndexedConsumer]:
        """The provisioned consumers of a stream, or of all."""
        rows = self._db.execute(
            "SELECT * FROM consumer WHERE ? IS NULL OR stream = ? ORDER BY stream, durable", (stream, stream)
        )
        return [IndexedConsumer(row[0], row[1], tuple(json.loads(row[2])), *row[3:]) for row in rows]

    def letters(
        self,
        *,
        app: str | None = None,
        place: str | None = None,
        event: str | None = None,
        beginning: str | None = None,
        sent_before_ms: int | None = None,
    ) -> list[LetterState]:
        """Dead letters and what has become of them, the oldest first.

        Of an application, a place or an event, those whose ids begin so, or that were sent again before a moment.
        """
        sent = (sent_before_ms, sent_before_ms)
        given = (app, app, place, place, event, event, beginning, beginning, beginning, *sent)
        return [_state(row) for row in self._db.execute(_LETTERS, (REDRIVE_STREAM, *given))]

    def decided(self, before_ms: int) -> list[IndexedLetter]:
        """Dead letters that were decided before a moment (Unix ms), and what was decided is done."""
        sent = self.letters(sent_before_ms=before_ms)
        return [each.letter for each in sent if each.state not in UNDECIDED]

    # --- asking: sums

    def totals(self) -> list[AppTotals]:
        """Per application: how much it has published and applied, and its open dead letters."""
        published: dict[str, tuple[int, int, int | None]] = {
            row[0]: row[1:]
            for row in self._db.execute(
                "SELECT source, sum(events), sum(follow_ups), max(last_ms) FROM published GROUP BY source"
            )
        }
        nothing = (0, 0, None)
        applied = dict(self._db.execute("SELECT app, count(*) FROM receipt WHERE outcome = 'applied' GROUP BY app"))
        dead = dict(self._db.execute(f"SELECT app, count(*) FROM dead_letter d WHERE {_OPEN} GROUP BY app"))  # noqa: S608
        return [
            AppTotals(app, *published.get(app, nothing), applied.get(app, 0), dead.get(app, 0))
            for app in sorted({*published, *applied, *dead})
        ]

    def last_of_types(self, source: str) -> list[tuple[str, int, int]]:
        """Per event type that an application has published: how many, and when the last was stored (Unix ms)."""
        query = "SELECT type, sum(events), max(last_ms) FROM published WHERE source = ? GROUP BY type ORDER BY type"
        return [(str(row[0]), int(row[1]), int(row[2])) for row in self._db.execute(query, (source,))]

    def applied_by(self, source: str) -> list[tuple[str, str, int]]:
        """Who has applied an application's events: application, outcome, how many."""
        query = (  # by its types, for which there is an index; SQLite would begin with all receipts of the city
            "SELECT r.app, r.outcome, count(*) FROM published p "
            "CROSS JOIN event e ON e.type = p.type AND e.stream = p.stream AND e.source = p.source "
            "CROSS JOIN receipt r ON r.event_id = e.id "
            "WHERE p.source = ? GROUP BY r.app, r.outcome ORDER BY r.app"
        )
        return [(str(row[0]), str(row[1]), int(row[2])) for row in self._db.execute(query, (source,))]


def _lock(path: Path) -> int | None:
    """The lock of whoever feeds an index, as an open file; None where another process has it."""
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _state(row: Sequence[Any]) -> LetterState:
    """What has become of a dead letter: see ``LetterState``."""
    letter = IndexedLetter(*row[:14])
    came_back, outcome, floor = row[20:23]
    if row[14] is None:
        return LetterState(letter, "open")
    redrive = IndexedRedrive(*row[14:20])
    if came_back:
        return LetterState(letter, "back", redrive, str(came_back))
    settled = isinstance(floor, int) and floor >= redrive.sequence
    if redrive.discard:
        return LetterState(letter, "discarded" if settled or outcome == "discarded" else "redriven", redrive)
    if letter.kind == "record":
        return LetterState(letter, "read-again" if settled else "redriven", redrive)
    return LetterState(letter, "applied" if outcome == "applied" else "redriven", redrive)
