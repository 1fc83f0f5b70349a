"""Where a department's samples are, and a database made of them."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from adapters.demo.applications import DEPARTMENTS
from tests.servers.server import Database


def folder(application: str) -> Path:
    """The folder of ``opd/app``."""
    return DEPARTMENTS / application


def dropped(into: Path, *files: Path) -> Path:
    """Copies files into a folder, as an office would have dropped them some time ago, and returns the folder."""
    into.mkdir(exist_ok=True)
    for file in files:
        os.utime(shutil.copy(file, into), (1, 1))
    return into


def loaded(database: Database, application: Path) -> Database:
    """Fills a database with an application's tables and rows."""
    for script in ("application.sql", "rows.sql"):
        database.load(application / "samples" / script)
    return database


def run(path: Path, *scripts: Path | str) -> str:
    """Runs scripts (files or texts) in a SQLite database and returns its URL."""
    with closing(sqlite3.connect(path)) as connection:
        for script in scripts:
            connection.executescript(script.read_text(encoding="utf-8") if isinstance(script, Path) else script)
    return f"sqlite:///{path}"


def rows(path: Path, script: str) -> list[tuple[str, ...]]:
    """What the last statement of a script gives in a SQLite database, as text."""
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        found: list[tuple[str, ...]] = []
        for statement in filter(str.strip, script.split(";")):
            found = [tuple(map(str, row)) for row in connection.execute(statement)]
        return found
