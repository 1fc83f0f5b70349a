"""The tables of the index, and its file: 0600, made anew where it is damaged or of another version."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

_VERSION = 4  #: of the schema: an index of another version is made anew
_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    stream TEXT, sequence INTEGER, id TEXT NOT NULL, source TEXT NOT NULL, type TEXT NOT NULL, token TEXT NOT NULL,
    time TEXT NOT NULL, stored_ms INTEGER NOT NULL, trace TEXT NOT NULL, hop INTEGER NOT NULL, subject TEXT NOT NULL,
    PRIMARY KEY (stream, sequence)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_id ON event (id);
CREATE INDEX IF NOT EXISTS event_token ON event (token);
CREATE INDEX IF NOT EXISTS event_trace ON event (trace);
CREATE INDEX IF NOT EXISTS event_type ON event (type, stream, sequence, source);
CREATE TABLE IF NOT EXISTS published (
    stream TEXT, source TEXT, type TEXT, events INTEGER NOT NULL, follow_ups INTEGER NOT NULL, last_ms INTEGER NOT NULL,
    PRIMARY KEY (stream, source, type)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS party (token TEXT, event_id TEXT, PRIMARY KEY (token, event_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS party_event ON party (event_id);
CREATE TABLE IF NOT EXISTS receipt (
    event_id TEXT, app TEXT, consumer TEXT, outcome TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (event_id, app, consumer)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS receipt_app ON receipt (app, consumer, outcome);
CREATE TABLE IF NOT EXISTS dead_letter (
    id TEXT PRIMARY KEY, app TEXT NOT NULL, kind TEXT NOT NULL, place TEXT NOT NULL, sequence INTEGER NOT NULL,
    stored_ms INTEGER NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL, place_words TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    event_id TEXT NOT NULL, event_type TEXT NOT NULL, trace TEXT NOT NULL, again TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS dead_letter_app ON dead_letter (app, place);
CREATE INDEX IF NOT EXISTS dead_letter_again ON dead_letter (again) WHERE again != '';
CREATE INDEX IF NOT EXISTS dead_letter_event ON dead_letter (event_id) WHERE event_id != '';
CREATE TABLE IF NOT EXISTS redrive (
    letter TEXT, sequence INTEGER, stored_ms INTEGER NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL,
    discard INTEGER NOT NULL,
    PRIMARY KEY (letter, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS consumer (
    stream TEXT, durable TEXT, filters TEXT NOT NULL, start TEXT NOT NULL, begins_ms INTEGER NOT NULL,
    created_ms INTEGER NOT NULL, floor INTEGER NOT NULL, pending INTEGER NOT NULL, PRIMARY KEY (stream, durable)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (
    stream TEXT PRIMARY KEY, sequence INTEGER NOT NULL, made TEXT NOT NULL
) WITHOUT ROWID;
"""


def make(path: Path) -> sqlite3.Connection:
    """Opens the file for writing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = _open(path)
    if db is None:
        for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            each.unlink(missing_ok=True)
        db = _open(path)
    if db is None:
        raise sqlite3.DatabaseError(f"{path} cannot be made")
    return db


def _open(path: Path) -> sqlite3.Connection | None:
    """The file with its tables; None where it is damaged or of another version."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, isolation_level=None)
    try:
        empty = db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
        if empty or db.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
            db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_SCHEMA}")
            db.execute(f"PRAGMA user_version={_VERSION}")
            return db
    except sqlite3.OperationalError:  # locked, or no room: nothing is wrong with the file
        db.close()
        raise
    except sqlite3.DatabaseError:
        pass
    db.close()
    return None
