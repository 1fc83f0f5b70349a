"""The index: which event lies where, and which application has applied it. SQLite, fed from headers and receipts; no
event's body.

It is made from the streams and can be deleted at any time: the indexer reads them again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    stream TEXT, sequence INTEGER, id TEXT NOT NULL, source TEXT NOT NULL, type TEXT NOT NULL, token TEXT NOT NULL,
    time TEXT NOT NULL, stored_ms INTEGER NOT NULL, trace TEXT NOT NULL, hop INTEGER NOT NULL, subject TEXT NOT NULL,
    PRIMARY KEY (stream, sequence)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_id ON event (id);
CREATE INDEX IF NOT EXISTS event_token ON event (token);
CREATE INDEX IF NOT EXISTS event_source ON event (source, type, stored_ms);
CREATE TABLE IF NOT EXISTS party (token TEXT, event_id TEXT, PRIMARY KEY (token, event_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receipt (
    event_id TEXT, app TEXT, consumer TEXT, outcome TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (event_id, app, consumer)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS receipt_app ON receipt (app, consumer, outcome);
CREATE TABLE IF NOT EXISTS dead_letter (
    id TEXT PRIMARY KEY, app TEXT NOT NULL, kind TEXT NOT NULL, place TEXT NOT NULL, sequence INTEGER NOT NULL,
    stored_ms INTEGER NOT NULL, redriven_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS consumer (
    stream TEXT, durable TEXT, filters TEXT NOT NULL, PRIMARY KEY (stream, durable)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (stream TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID;
"""


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
class AppTotals:
    """What one application has published and applied."""

    app: str
    published: int
    follow_ups: int
    last_published_ms: int | None
    applied: int
    dead_letters: int  #: open ones


class Index:
    """The index over one file. One process writes, any number read."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        if read_only:
            self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; {_SCHEMA}")

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    # --- writing, by the indexer alone

    def position(self, stream: str) -> int:
        """The last sequence of a stream that is in the index."""
        row = self._db.execute("SELECT sequence FROM position WHERE stream = ?", (stream,)).fetchone()
        return int(row[0]) if row else 0

    def forget(self, stream: str) -> None:
        """Drops what the index knows of a stream's position: it was made anew."""
        self._db.execute("DELETE FROM event WHERE stream = ?", (stream,))
        self._db.execute("DELETE FROM position WHERE stream = ?", (stream,))

    def add_events(
        self, stream: str, sequence: int, events: Iterable[IndexedEvent], parties: Iterable[tuple[str, str]]
    ) -> None:
        """Adds events of a stream, which was read up to ``sequence``."""
        rows = [
            (e.stream, e.sequence, e.id, e.source, e.type, e.token, e.time, e.stored_ms, e.trace, e.hop, e.subject)
            for e in events
        ]
        self._write(
            stream,
            sequence,
            ("INSERT OR REPLACE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows),
            ("INSERT OR IGNORE INTO party VALUES (?, ?)", list(parties)),
        )

    def add_receipts(self, stream: str, sequence: int, receipts: Iterable[IndexedReceipt]) -> None:
        """Adds receipts; a later one of the same application replaces an earlier."""
        rows = [(r.event_id, r.app, r.consumer, r.outcome, r.at) for r in receipts]
        self._write(stream, sequence, ("INSERT OR REPLACE INTO receipt VALUES (?, ?, ?, ?, ?)", rows))

    def add_dead_letters(
        self, stream: str, sequence: int, letters: Iterable[tuple[str, str, str, str, int, int]]
    ) -> None:
        """Adds dead letters: id, app, kind, place, sequence, stored_ms. One met again is open again."""
        self._write(
            stream, sequence, ("INSERT OR REPLACE INTO dead_letter VALUES (?, ?, ?, ?, ?, ?, NULL)", list(letters))
        )

    def add_redrives(self, stream: str, sequence: int, redrives: Iterable[tuple[int, str]]) -> None:
        """Notes that dead letters were sent again: moment (Unix ms) and id."""
        self._write(stream, sequence, ("UPDATE dead_letter SET redriven_ms = ? WHERE id = ?", list(redrives)))

    def set_consumers(self, stream: str, consumers: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Replaces the provisioned consumers of a stream: durable name and filters."""
        self._db.execute("BEGIN")
        self._db.execute("DELETE FROM consumer WHERE stream = ?", (stream,))
        self._db.executemany(
            "INSERT INTO consumer VALUES (?, ?, ?)",
            [(stream, durable, json.dumps(list(filters))) for durable, filters in consumers],
        )
        self._db.execute("COMMIT")

    def _write(self, stream: str, sequence: int, *statements: tuple[str, Sequence[tuple[object, ...]]]) -> None:
        self._db.execute("BEGIN")
        for statement, rows in statements:
            self._db.executemany(statement, rows)
        self._db.execute("INSERT OR REPLACE INTO position VALUES (?, ?)", (stream, sequence))
        self._db.execute("COMMIT")

    # --- asking

    def event(self, event_id: str) -> IndexedEvent | None:
        """An event by its id (or the beginning of it, where that is unique)."""
        rows = self._db.execute(
            "SELECT * FROM event WHERE id >= ? AND id < ? LIMIT 2", (event_id, event_id + "g")
        ).fetchall()
        exact = {row[2] for row in rows}
        return IndexedEvent(*rows[0]) if len(exact) == 1 else None

    def events_of_key(self, token: str) -> list[IndexedEvent]:
        """Every event about a key, or in which it is a party, in the order in which they were stored."""
        query = (
            "SELECT * FROM event WHERE token = ? UNION SELECT event.* FROM party JOIN event ON event.id = party.event_id "
            "WHERE party.token = ? ORDER BY stored_ms, stream, sequence"
        )
        return [IndexedEvent(*row) for row in self._db.execute(query, (token, token))]

    def receipts(self, event_id: str) -> list[IndexedReceipt]:
        """Who has applied (or refused) an event."""
        rows = self._db.execute(
            "SELECT event_id, app, consumer, outcome, at FROM receipt WHERE event_id = ? ORDER BY at", (event_id,)
        )
        return [IndexedReceipt(*row) for row in rows]

    def consumers(self, stream: str) -> list[tuple[str, list[str]]]:
        """The provisioned consumers of a stream, with their filters."""
        rows = self._db.execute("SELECT durable, filters FROM consumer WHERE stream = ? ORDER BY durable", (stream,))
        return [(durable, json.loads(filters)) for durable, filters in rows]

    def totals(self) -> list[AppTotals]:
        """Per application: how much it has published and applied, and its open dead letters."""
        published: dict[str, tuple[int, int, int | None]] = {
            row[0]: row[1:]
            for row in self._db.execute(
                "SELECT source, count(*), sum(hop > 0), max(stored_ms) FROM event GROUP BY source"
            )
        }
        nothing = (0, 0, None)
        applied = dict(self._db.execute("SELECT app, count(*) FROM receipt WHERE outcome = 'applied' GROUP BY app"))
        dead = dict(self._db.execute("SELECT app, count(*) FROM dead_letter WHERE redriven_ms IS NULL GROUP BY app"))
        return [
            AppTotals(app, *published.get(app, nothing), applied.get(app, 0), dead.get(app, 0))
            for app in sorted({*published, *applied, *dead})
        ]

    def dead_letters_by_place(self) -> dict[tuple[str, str], int]:
        """Open dead letters per application and place (a source or a consumer)."""
        query = "SELECT app, place, count(*) FROM dead_letter WHERE redriven_ms IS NULL GROUP BY app, place"
        return {(str(row[0]), str(row[1])): int(row[2]) for row in self._db.execute(query)}

    def waiting(self, app: str, types: Sequence[str]) -> tuple[int, int | None]:
        """Events of these types of others that have no receipt of the application, and when the oldest was stored
        (Unix ms).
        """
        marks = ", ".join("?" * len(types))
        query = (
            f"SELECT count(*), min(stored_ms) FROM event WHERE type IN ({marks}) AND source <> ? "  # noqa: S608 - marks alone
            "AND NOT EXISTS (SELECT 1 FROM receipt WHERE receipt.event_id = event.id AND receipt.app = ?)"
        )
        count, oldest = self._db.execute(query, (*types, app, app)).fetchone()
        return int(count), oldest

    def last_of_types(self, source: str) -> list[tuple[str, int, int]]:
        """Per event type that an application has published: how many, and when the last was stored (Unix ms)."""
        query = "SELECT type, count(*), max(stored_ms) FROM event WHERE source = ? GROUP BY type ORDER BY type"
        return [(str(row[0]), int(row[1]), int(row[2])) for row in self._db.execute(query, (source,))]

    def applied_by(self, source: str) -> list[tuple[str, str, int]]:
        """Who has applied an application's events: application, outcome, how many."""
        query = (
            "SELECT receipt.app, receipt.outcome, count(*) FROM event JOIN receipt ON receipt.event_id = event.id "
            "WHERE event.source = ? GROUP BY receipt.app, receipt.outcome ORDER BY receipt.app"
        )
        return [(str(row[0]), str(row[1]), int(row[2])) for row in self._db.execute(query, (source,))]
