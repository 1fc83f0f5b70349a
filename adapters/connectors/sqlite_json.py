"""Rows of SQLite as JSON, in the SQL of triggers and snapshots."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.connectors.sql import literal


def row_as_json(row: str, columns: Sequence[str]) -> str:
    """Columns as a JSON object. A BLOB has no place there: the application's statement would fail; nor has infinity."""
    values = ((literal(column), f"{row}{quote(column)}") for column in columns)
    shown = (
        f"{name}, CASE WHEN typeof({value}) = 'blob' THEN hex({value}) "
        f"WHEN {value} IN (9e999, -9e999) THEN CAST({value} AS TEXT) ELSE {value} END"
        for name, value in values
    )
    return f"json_object({', '.join(shown)})"


def quote(name: str) -> str:
    """A name as SQLite quotes it."""
    return '"' + name.replace('"', '""') + '"'
