"""What a format is: bytes of a file read as a table, row by row, in constant memory.

Texts that a clerk reads are in plain Bahasa Indonesia and hold no values of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bus.errors import ContractError

AUTO = "auto"  #: found from the file itself


class Unreadable(ContractError):
    """A file as a whole cannot be read as a table; the text is in a clerk's words, ``hint`` says what to do."""

    code = "unreadable"


@dataclass(frozen=True, slots=True)
class Row:
    """One row below the header.

    ``number`` is the row's number in a spreadsheet, where the header has one too. ``cells`` are cleaned and as many
    as the header has names; they are empty where the row could not be divided. ``original`` is the row as it stands
    in the file. ``fault`` says why the row cannot be used.
    """

    number: int
    cells: Sequence[str | None]
    original: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """What is told about a file; ``auto`` leaves it to be found."""

    encoding: str = AUTO
    delimiter: str = AUTO
    quote: str = '"'  #: one character, or empty where the file has no quotes
    skip: int = 0  #: rows above the header
    expected: frozenset[str] = frozenset()  #: header names that must be there, as ``cells.same`` makes them


class Table(Protocol):
    """A file opened as a table."""

    @property
    def header(self) -> Sequence[str]:
        """The names of the columns, cleaned; empty where a column has none."""

    def rows(self) -> Iterator[Row]:
        """The rows below the header that are not blank, in the file's order; once."""

    def rejected(self, originals: Iterable[str]) -> Iterator[bytes]:
        """A file of the same format with the same header and only these rows, to be repaired and dropped again."""

    def close(self) -> None:
        """Closes the file."""


Opener = Callable[[Path, Layout], Table]  #: raises Unreadable, and OSError as it comes
