"""The applications' databases: SQLite, from the tables that stand beside their contracts, and watched.

The demo watches at both ends with triggers, so that its audit needs nothing of the bus: every write of a target table
appends (table, key, event_id, time) to ``catatan_target``, every write of a source table (table, key, what, time) to
``catatan_sumber``. Times are UTC, RFC 3339, milliseconds.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from adapters.demo.applications import SIAK, Application

WIB = timezone(timedelta(hours=7), "WIB")
NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
PATIENCE = 15.0  #: seconds that a clerk's program waits for a lock

_NOTES = """
CREATE TABLE catatan_target (tabel TEXT, kunci TEXT, event_id TEXT, waktu TEXT);
CREATE INDEX target_kunci ON catatan_target (tabel, kunci, waktu);
CREATE TABLE catatan_sumber (tabel TEXT, kunci TEXT, apa TEXT, waktu TEXT);
CREATE INDEX sumber_kunci ON catatan_sumber (tabel, kunci, waktu);
"""
_TARGET = """
CREATE TRIGGER catat_{table}_{what} AFTER {what} ON {table}
BEGIN INSERT INTO catatan_target VALUES ('{table}', new.{key}, new.event_id, {now}); END;
"""
_SOURCE = """
CREATE TRIGGER catat_{table}_{what} AFTER {what} ON {table}
BEGIN INSERT INTO catatan_sumber VALUES ('{table}', new.{key}, '{what}', {now}); END;
"""
# OpenSID keeps no trace of a death that was withdrawn (it deletes the log row): the demo keeps one for its audit.
_DEATHS = """
CREATE TRIGGER catat_meninggal AFTER UPDATE OF status_dasar ON tweb_penduduk
WHEN old.status_dasar = 1 AND new.status_dasar = 2
BEGIN INSERT INTO catatan_sumber VALUES ('kematian', new.id, 'meninggal', {now}); END;
CREATE TRIGGER catat_batal AFTER UPDATE OF status_dasar ON tweb_penduduk
WHEN old.status_dasar = 2 AND new.status_dasar = 1
BEGIN INSERT INTO catatan_sumber VALUES ('kematian', new.id, 'batal', {now}); END;
"""
# What MariaDB's tables say and SQLite does not understand.
_IN_SQLITE = (
    (r"SET sql_mode = '';", ""),
    (r"ENUM\((?:'[^']*'(?:,\s*)?)+\)", "TEXT"),
    (r"\) ENGINE = \w+ DEFAULT CHARSET = \w+", ")"),
    (r",\s*KEY \w+ \(\w+\)", ""),
    (r"INT PRIMARY KEY AUTO_INCREMENT", "INTEGER PRIMARY KEY"),
    (r"\((\w+)\(\d+\)\)", r"(\1)"),
)


@contextmanager
def connect(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection as an application would have one: transactions are explicit, other writers are waited for."""
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        yield connection
    finally:
        connection.close()


@contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction of an application: all that is written in it, or nothing."""
    with connect(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")


@contextmanager
def away(path: Path) -> Iterator[None]:
    """Nobody else can write to a database while this lasts: whoever tries waits, and gives up in the end."""
    with connect(path) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def create(application: Application, home: Path) -> None:
    """Makes an application's folders and its database with its tables, without any watch yet."""
    path = application.database(home)
    for each in (path.parent, *application.drops(home)):
        each.mkdir(parents=True, exist_ok=True)
    if application.tables:
        with connect(path) as connection:
            connection.executescript(in_sqlite(application.tables.read_text(encoding="utf-8")))


def in_sqlite(script: str) -> str:
    """Tables of MariaDB as SQLite's: without engines, character sets and indexes, an ENUM as a text."""
    for theirs, ours in _IN_SQLITE:
        script = re.sub(theirs, ours, script)
    return script


def watch(application: Application, home: Path) -> None:
    """Installs the triggers that the audit counts with: from here on every write is noted."""
    if not (application.targets or application.sources):
        return
    script = [_NOTES]
    for kind, tables in ((_TARGET, application.targets), (_SOURCE, application.sources)):
        for table, key in tables.items():
            script += [kind.format(table=table, key=key, what=what, now=NOW) for what in ("insert", "update")]
    if application is SIAK:
        script.append(_DEATHS.format(now=NOW))
    with connect(application.database(home)) as connection:
        connection.executescript("\n".join(script))


def noted() -> str:
    """The time now, as the triggers note it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def local() -> str:
    """The time now as the applications write it: local, milliseconds, no offset."""
    return datetime.now(WIB).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
