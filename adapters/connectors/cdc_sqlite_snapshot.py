"""Reads the tables of SQLite in pages, each a short transaction, so that nobody who writes has to wait.

A page knows which changes it has in it; those are skipped when they come out of the table of changes.
"""

# ruff: noqa: S608 - names are quoted

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from adapters.connectors.cdc_feed import Feed
from adapters.connectors.cdc_progress import Order, Progress
from adapters.connectors.cdc_sqlite_setup import CHANGES
from adapters.connectors.cdc_tables import Row, Tracked, version_of
from adapters.connectors.sql import text_of
from adapters.connectors.sqlite_json import quote, row_as_json
from bus.ports import Batch

PAGE = 5_000  #: rows under one lock

Numeric = Sequence[bool | None]  #: whether each column of a key keeps numbers; None: whatever it is given


class Snapshot:
    """One reading of what there is."""

    def __init__(
        self, db: sqlite3.Connection, numeric: Mapping[str, Numeric], batch: int, feed: Feed, progress: Progress
    ) -> None:
        self._db, self._numeric, self._batch, self._feed, self._progress = db, numeric, batch, feed, progress

    def read(self, tables: Sequence[Tracked]) -> None:
        """Reads the tables."""
        for each in tables:
            rows: list[Row] = [{}] * PAGE
            while len(rows) == PAGE:
                rows = self._page(each)
                for start in range(0, len(rows), self._batch):
                    self._put(each, rows[start : start + self._batch])
            self._progress.finish(each.name)
        self._progress.at = 0
        self._feed.put(Batch([], self._progress.dump(), more=True, ahead=True))

    def _page(self, tracked: Tracked) -> list[Row]:
        self._db.execute("BEGIN")
        try:
            query = "SELECT seq FROM sqlite_sequence WHERE name = ?"
            (until,) = self._db.execute(query, (CHANGES,)).fetchone()
            after = list(self._progress.begin(tracked.name, until, []))
            return [json.loads(data) for (data,) in self._db.execute(*self._query(tracked, after))]
        finally:
            self._db.execute("COMMIT")

    def _query(self, tracked: Tracked, after: Sequence[str]) -> tuple[str, list[Any]]:
        """The rows behind a key, in an order that does not depend on the columns' collations."""
        numeric = self._numeric[tracked.name]
        keys = ", ".join(_ordered(quote(name), number) for name, number in zip(tracked.key, numeric, strict=True))
        known = " AND ".join(f"{quote(name)} IS NOT NULL" for name in tracked.key)
        values = [_number(text) if number else text for text, number in zip(after, numeric, strict=False)]
        behind = f"AND ({keys}) > ({', '.join('?' * len(values))})" if values else ""
        row = row_as_json("", tracked.columns)
        return f"SELECT {row} FROM {quote(tracked.table)} WHERE {known} {behind} ORDER BY {keys} LIMIT {PAGE}", values

    def _put(self, tracked: Tracked, rows: Sequence[Row]) -> None:
        self._feed.check()
        self._progress.after = key_texts(tracked, rows[-1])
        version = version_of(self._progress.at, 0)
        records = [tracked.record(each, "snapshot", version) for each in rows if tracked.wanted(each)]
        self._feed.put(Batch(records, self._progress.dump(), more=True, ahead=True))


def numeric_of(db: sqlite3.Connection, tracked: Tracked) -> Numeric:
    """How the columns of a table's key compare: by their affinity. SQLite's documentation, "Datatypes", 3.1."""
    rows = db.execute(f"PRAGMA table_info({quote(tracked.table)})")
    kinds = {row[1]: _is_numeric(str(row[2]).upper()) for row in rows}
    return [kinds[name] for name in tracked.key]


def _is_numeric(kind: str) -> bool | None:
    if "INT" in kind:
        return True
    if any(part in kind for part in ("CHAR", "CLOB", "TEXT")):
        return False
    return None if not kind or "BLOB" in kind else True


def _ordered(name: str, numeric: bool | None) -> str:
    """A column as it is ordered by: numbers before texts, texts by code points."""
    if numeric:
        return name
    return f"{name} COLLATE BINARY" if numeric is False else f"CAST({name} AS TEXT) COLLATE BINARY"


def _number(text: str) -> int | float | str:
    """A value of a column that keeps numbers: a text only where it is none."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def ordering(numeric: Numeric) -> Order:
    """The same order for texts of keys."""

    def comparable(text: str, number: bool | None) -> tuple[int, Any]:
        if number:
            try:
                return (0, Decimal(text))
            except InvalidOperation:
                return (1, text)
        return (1, text)

    return lambda texts: tuple(map(comparable, texts, numeric))


def key_texts(tracked: Tracked, row: Row) -> list[str]:
    """A key as texts."""
    return [text_of(row.get(name)) for name in tracked.key]
