"""What an application of the tests keeps, in SQLite: where it was killed, it finds all of it again."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.program import FOLDER

FILE = "kept.sqlite"


class Kept:
    """The tables of ``schema`` (CREATE ... IF NOT EXISTS), lists of lines, and values by their names.

    It lies in the folder that is given, else in the one that the environment of a Program names; in memory where there
    is none. A test that opens a program's folder looks into it while it runs.
    """

    def __init__(self, schema: str = "", *, folder: Path | None = None) -> None:
        named = folder or os.environ.get(FOLDER)
        self.db = sqlite3.connect(Path(named, FILE) if named else ":memory:", isolation_level=None)
        self.db.executescript(f"""
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = OFF;
            CREATE TABLE IF NOT EXISTS value (name TEXT PRIMARY KEY, json TEXT);
            CREATE TABLE IF NOT EXISTS line (list TEXT, text TEXT);
            {schema}
        """)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """All that is written inside, or nothing; within another, a part of that."""
        if self.db.in_transaction:
            yield
            return
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def set(self, **values: Any) -> None:
        """Keeps values as JSON."""
        rows = [(name, json.dumps(value)) for name, value in values.items()]
        self.db.executemany("INSERT OR REPLACE INTO value VALUES (?, ?)", rows)

    def values(self) -> dict[str, Any]:
        """All that were set."""
        return {name: json.loads(text) for name, text in self.db.execute("SELECT name, json FROM value")}

    def add(self, to: str, *lines: str) -> None:
        """Adds lines to a list."""
        self.db.executemany("INSERT INTO line VALUES (?, ?)", [(to, line) for line in lines])

    def lines(self, of: str) -> list[str]:
        """A list, in its order."""
        return [text for (text,) in self.db.execute("SELECT text FROM line WHERE list = ? ORDER BY rowid", (of,))]

    def clear(self) -> None:
        """Forgets everything."""
        with self.whole():
            for (table,) in self.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                self.db.execute(f"DELETE FROM {table}")

    def close(self) -> None:
        """Lets go of it."""
        self.db.close()
