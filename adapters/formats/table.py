"""What a format is: bytes of a file read as a table, row by row.

Texts that a clerk reads are in plain Bahasa Indonesia and hold no values of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bus.errors import ContractError

AUTO = "auto"  #: found from the file itself

Cell = str | float | bool | None
"""What stands in a cell. Text, dates (ISO 8601) and whole numbers are text; a float is one that has a fraction, or so
many digits that its last ones may be lost."""


class Unreadable(ContractError):
    """A file as a whole cannot be read as a table; the text is in a clerk's words, ``hint`` says what to do."""

    code = "unreadable"


@dataclass(frozen=True, slots=True)
class Row:
    """One row below the header.

    ``number`` is the row's number as the clerk's program shows it. ``cells`` are cleaned and as many as the header
    has names; they are empty where the row could not be divided. ``original`` is the row as it stands in the file, or
    whatever ``Table.rejected`` makes it again of. ``fault`` says why the row cannot be used.
    """

    number: int
    cells: Sequence[Cell]
    original: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """What is told about a file; ``auto`` leaves it to be found. Each format looks at what it has."""

    encoding: str = AUTO
    delimiter: str = AUTO
    quote: str = '"'  #: one character, or empty where the file has no quotes
    skip: int = 0  #: rows above the header
    expected: frozenset[str] = frozenset()  #: header names that must be there, as ``cells.same`` makes them
    sheet: str = ""  #: of a workbook; empty: its first visible one
    search: bool = True  #: in a sheet the header may stand below title rows
    records: str = ""  #: the path to the records of a JSON or XML file; empty: found


class Table(Protocol):
    """A file opened as a table."""

    @property
    def header(self) -> Sequence[str]:
        """The names of the columns, cleaned; empty where a column has none."""

    def rows(self) -> Iterator[Row]:
        """The rows below the header that are not blank, in the file's order; once."""

    def rejected(self, originals: Iterable[str]) -> Iterator[bytes]:
        """A file with the same header and only these rows, to be repaired and dropped again."""

    def close(self) -> None:
        """Closes the file; the header and ``rejected`` stay."""


Opener = Callable[[Path, Layout], Table]  #: raises Unreadable, and OSError as it comes


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of files."""

    open: Opener
    extra: str = ""  #: the extra of the distribution that brings what it needs
    repair: str = ""  #: the ending of the file of rejected rows; empty: the file's own
    plain: bool = False  #: texts stand in the file's bytes as they are
    numbered: str = "nomor baris seperti di Excel"  #: what a row's number is, for a clerk
