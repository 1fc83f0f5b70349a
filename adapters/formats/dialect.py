"""Finds the delimiter of a CSV file: the one that gives the header its expected names, or else the steadiest columns.

Python's own ``csv.Sniffer`` guesses from letter frequencies and errs on short files; this looks at columns as a reader
would.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from adapters.formats import cells
from adapters.formats.table import AUTO

DELIMITERS = ",;\t|"

_TOLD = re.compile(r'\ufeff?"?sep=(.)"?\r?\n?', re.IGNORECASE)


def told(first_line: str) -> str | None:
    """The delimiter that Excel's own first line ``sep=;`` names."""
    match = _TOLD.fullmatch(first_line)
    return match[1] if match else None


def find(sample: Sequence[str], delimiter: str, quote: str, expected: frozenset[str]) -> type[csv.Dialect]:
    """The dialect of a sample that begins at the header; only what is ``auto`` is found."""
    if delimiter != AUTO:
        return _dialect(delimiter, quote)
    best = max(DELIMITERS, key=lambda candidate: _score(sample, _dialect(candidate, quote), expected))
    return _dialect(best, quote)


def _score(sample: Sequence[str], dialect: type[csv.Dialect], expected: frozenset[str]) -> tuple[int, float, int]:
    """How many expected names the header has, how steady the columns are, how many there are."""
    rows = _rows(sample, dialect)
    if not rows or len(rows[0]) < 2:  # noqa: PLR2004 - a delimiter divides
        return (0, 0.0, 0)
    width = len(rows[0])
    steady = sum(len(row) == width for row in rows) / len(rows)
    return (len(expected.intersection(map(cells.same, rows[0]))), round(steady, 1), width)


def _rows(sample: Sequence[str], dialect: type[csv.Dialect]) -> list[list[str]]:
    """The rows of the sample that can be read; the last line may be cut inside a quoted cell."""
    reader = csv.reader(iter(sample), dialect)
    rows: list[list[str]] = []
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return rows
        except csv.Error:
            continue
        if row:
            rows.append(row)


def _dialect(delimiter: str, quote: str) -> type[csv.Dialect]:
    class Told(csv.Dialect):
        quotechar = quote or None
        quoting = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
        doublequote = True
        skipinitialspace = False
        lineterminator = "\r\n"
        strict = True

    Told.delimiter = delimiter
    return Told
