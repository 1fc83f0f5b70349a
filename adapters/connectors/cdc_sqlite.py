"""Reads the changes that triggers wrote down in SQLite: a snapshot, then the table of changes, in a thread of its own.

Changes whose events are stored are deleted.
"""

# ruff: noqa: S608 - names are quoted

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from datetime import datetime
from errno import EADDRINUSE
from hashlib import sha256
from socket import AF_UNIX, socket
from time import monotonic
from typing import Any

from adapters.connectors.cdc_feed import Feed, translated
from adapters.connectors.cdc_gathering import Gathering
from adapters.connectors.cdc_progress import Order, Progress
from adapters.connectors.cdc_sqlite_setup import CHANGES, TRIGGERS, check_triggers
from adapters.connectors.cdc_sqlite_snapshot import PAGE, Numeric, Snapshot, key_texts, numeric_of, ordering
from adapters.connectors.cdc_tables import Capture, Row, Tracked
from bus.errors import BusError, ConfigError, Unavailable
from bus.ports import Batch

BUSY = 2.0  #: seconds to wait for a writer
POLL = 0.02  #: seconds between two looks whether the file has changed
PURGE = 1_000  #: changes that are deleted at once
EVERY = 1.0  #: seconds between two deletes

UNFIT = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})


class LogReader:
    """One reading of the table of changes: made for each opening of the source, and run in a thread."""

    def __init__(self, capture: Capture) -> None:
        self._capture, self._database, self._where = capture, str(capture.url.database), capture.where
        self._tables = {each.name: each for each in capture.tables}
        self._numeric: dict[str, Numeric] = {}
        self._confirmed = self._purged = 0  # the first is set in the event loop
        self._purge_at = 0.0

    def confirm(self, progress: Progress) -> None:
        """Everything up to there is stored, and can be deleted."""
        if progress.index is None:
            self._confirmed = max(self._confirmed, progress.place)

    def run(self, feed: Feed, progress: Progress) -> None:
        """Reads until the feed is stopped; errors go into the feed."""
        with (
            feed.reporting(),
            translated(sqlite3.Error, self._translated, self._where),
            closing(socket(AF_UNIX)) as lock,
            closing(self._connect()) as db,
        ):
            feed.stand_by(lambda: self._is_first(lock))
            self._numeric = {name: numeric_of(db, each) for name, each in self._tables.items()}
            self._begin(db, progress)
            pending = progress.pending(self._tables)
            if self._capture.looking or not pending:
                feed.put(Batch([], progress.dump(), more=True))
            else:
                if not progress.table:
                    progress.at = self._mark(db)
                Snapshot(db, self._numeric, self._capture.batch, feed, progress).read(
                    [self._tables[name] for name in pending]
                )
            self._follow(db, feed, progress)

    def _is_first(self, lock: socket) -> bool:
        """Becomes the reader, on this machine: a name without a file, which ends with its process."""
        name = f"{self._capture.slot} {os.path.realpath(self._database.removeprefix('file:'))}"
        try:
            lock.bind("\0opd-bus-" + sha256(name.encode()).hexdigest())
        except OSError as error:
            if error.errno != EADDRINUSE:
                raise
            return False
        return True

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(f"{self._database}?mode=rw", uri=True, timeout=BUSY, isolation_level=None)
        db.text_factory = lambda text: text.decode(errors="replace")
        return db

    def _translated(self, error: sqlite3.Error) -> BusError:
        code = getattr(error, "sqlite_errorcode", None)
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if code in UNFIT:
            return ConfigError(f"the capture does not fit the database (code {name})", where=self._where)
        return Unavailable(
            f"the database does not answer (code {name})", where=self._where, hint="is it there, and not locked?"
        )

    def _begin(self, db: sqlite3.Connection, progress: Progress) -> None:
        """Where the changes begin. A new beginning gets a number of its own. Raises ConfigError for a gap."""
        fresh = not (progress.at or progress.done)
        (end,) = db.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = ?", (CHANGES,)).fetchone()
        if not fresh and (end or 0) < progress.place:
            raise ConfigError(
                "the database was set back to an older copy: changes in between are lost",
                where=self._where,
                hint="raise `resnapshot` to read everything once more",
            )
        if not progress.start or (end or 0) < progress.place:
            progress.start, progress.index = 1, None
            progress.place = self._mark(db)

    def _mark(self, db: sqlite3.Connection) -> int:
        query = f"INSERT INTO {CHANGES} (slot, name, operation, data) VALUES (?, '', 'snapshot', '{{}}')"
        return int(db.execute(query, (self._capture.slot,)).lastrowid or 0)

    def _follow(self, db: sqlite3.Connection, feed: Feed, progress: Progress) -> None:
        orders: dict[str, Order] = {name: ordering(numeric) for name, numeric in self._numeric.items()}
        gathering = Gathering(orders, feed, progress, self._capture.batch, lambda: None)
        query = (
            f"SELECT id, name, operation, data, at FROM {CHANGES} WHERE slot = ? AND id > ? ORDER BY id LIMIT {PAGE}"
        )
        place = progress.place - (progress.index is not None)
        version = schema = -1
        beat = monotonic() + self._capture.heartbeat
        while True:
            feed.check()
            (now,) = db.execute("PRAGMA data_version").fetchone()
            if now == version:
                feed.rest()
                if monotonic() >= beat:
                    beat = monotonic() + self._capture.heartbeat
                    gathering.beat(place, 1)  # behind changes that nobody wants: they are deleted too
                self._purge(db)
                feed.stopping.wait(POLL)
                continue
            rows = db.execute(query, (self._capture.slot, place)).fetchall()
            for number, name, operation, data, at in rows:
                place = number
                gathering.begin(place, datetime.fromisoformat(at))
                if tracked := self._tables.get(name):
                    gathering.weigh(len(data))
                    self._add(gathering, tracked, json.loads(data), operation)
                gathering.commit(1)
            if len(rows) < PAGE:
                gathering.flush()
                schema, version = self._check(db, schema), now
            self._purge(db)

    def _add(self, gathering: Gathering, tracked: Tracked, row: Row, operation: Any) -> None:
        if any(row.get(name) is not None for name in tracked.key):
            gathering.add(tracked, row, operation, lambda: key_texts(tracked, row))

    def _check(self, db: sqlite3.Connection, known: int) -> int:
        """Whether the triggers are still there: a table that is made anew loses them. Raises ConfigError."""
        (schema,) = db.execute("PRAGMA schema_version").fetchone()
        if schema != known:
            check_triggers(
                dict(db.execute(TRIGGERS)), self._capture.slot, list(self._tables.values()), self._where, begun=True
            )
        return int(schema)

    def _purge(self, db: sqlite3.Connection) -> None:
        """Deletes what is stored, a little at a time."""
        if self._purged >= self._confirmed or monotonic() < self._purge_at:
            return
        self._purge_at = monotonic() + EVERY
        confirmed = self._confirmed
        query = f"DELETE FROM {CHANGES} WHERE id IN (SELECT id FROM {CHANGES} WHERE slot = ? AND id <= ? LIMIT {PURGE})"
        db.execute("PRAGMA busy_timeout = 0")
        try:
            while db.execute(query, (self._capture.slot, confirmed)).rowcount == PURGE:
                pass
            self._purged = confirmed
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise  # else somebody writes: another time
        finally:
            db.execute(f"PRAGMA busy_timeout = {int(BUSY * 1000)}")
