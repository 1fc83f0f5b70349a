"""Objects within objects as a table: what JSON and XML files become.

The columns are those of all records, found by a first pass over the file, so that memory stays flat. What is nested has
a dotted name: ``alamat.rt``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from adapters.formats import cells, repairs
from adapters.formats.table import Cell, Layout, Row, Unreadable

MOST_COLUMNS = 2000  #: names; more is no table


class Item(NamedTuple):
    """One record of a file: its number, its columns, or why it cannot be read, with how it stands in the file."""

    number: int
    columns: Mapping[str, Cell]
    fault: str = ""
    original: str = ""


class ObjectTable:
    """The records of a file; ``items`` begins anew with each call, and raises Unreadable and OSError."""

    def __init__(self, items: Callable[[], Iterator[Item]], layout: Layout) -> None:
        self._items = items
        names: dict[str, None] = {}
        for item in items():
            names.update(dict.fromkeys(item.columns))
            if len(names) > MOST_COLUMNS:
                raise Unreadable("terlalu banyak nama kolom", hint="periksa letak data di dalam berkas ini")
        self._names = tuple(names) or tuple(sorted(layout.expected))  # a file without records lacks no column
        self.header = tuple(map(cells.name, self._names))

    def rows(self) -> Iterator[Row]:
        """The records that are not empty."""
        for item in self._items():
            row = [item.columns.get(name) for name in self._names]
            if item.fault:
                yield Row(item.number, [], repairs.packed([item.original]), item.fault)
            elif any(cell is not None for cell in row):
                yield Row(item.number, row, repairs.packed(row))

    def rejected(self, originals: Iterable[str]) -> Iterator[bytes]:
        """A CSV file with only these records, under the same names."""
        return repairs.as_csv(self.header, originals)

    def close(self) -> None:
        """Nothing stays open: each pass closes the file itself."""


def flat(record: object, prefix: str = "") -> dict[str, Cell]:
    """The columns of a record out of JSON; a list stays the JSON that it is."""
    if not isinstance(record, dict):
        return {prefix or "isi": _cell(record)}
    columns: dict[str, Cell] = {}
    for name, value in record.items():
        columns |= flat(value, f"{prefix}.{name}" if prefix else name)
    return columns


def _cell(value: object) -> Cell:
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return cells.of_value(float(value) if isinstance(value, Decimal) else value)
