"""CSV and its relatives (RFC 4180 and what spreadsheets make of it), read line by line.

A row that is damaged (bytes of no letter, NUL, a quote that never closes, too few or too many columns) is a fault of
that row alone: an open quote gives the lines it swallowed back. Excel's first line ``sep=;`` is understood.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from adapters.formats import cells, dialect, encoding
from adapters.formats.table import AUTO, Layout, Row, Unreadable

_LONGEST = 1 << 20  # characters of one line; more is no row of a table
_SAMPLE = 64  # lines that tell the delimiter
_MARKED = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-16-le": "utf-16-le", "utf-16-be": "utf-16-be"}
_MISQUOTED = "tanda kutip salah letak atau isi terlalu panjang; perbaiki tanda kutip pada baris ini"
_UNCLOSED = "tanda kutip pembuka tidak ditutup; perbaiki tanda kutip pada baris ini"
_TOO_LONG = "baris terlalu panjang; perbaiki pemisah baris"
_WITH_OR_WITHOUT_MARK = {"utf-8": "utf-8-sig", "utf8": "utf-8-sig"}


def open_table(path: Path, layout: Layout) -> DelimitedTable:
    """Opens a CSV file and reads its header. Raises Unreadable in a clerk's words, and OSError as it comes."""
    code = encoding.detect(path) if layout.encoding == AUTO else layout.encoding.lower()
    code = _WITH_OR_WITHOUT_MARK.get(code, code)
    stream = path.open(encoding=code, errors=encoding.errors(code), newline="")
    try:
        return DelimitedTable(stream, code, layout)
    except BaseException:
        stream.close()
        raise


class _Lines:
    """The lines of a stream; remembers those taken for the current row, and takes them back."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._back: deque[str] = deque()
        self.taken: list[str] = []
        self.cut = False  # one of those taken was too long

    def begin(self) -> None:
        """A new row: forgets the lines of the last one."""
        self.taken.clear()
        self.cut = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else self._line()
        if not line:
            raise StopIteration
        self.cut = self.cut or _unfinished(line)
        self.taken.append(line)
        return line

    def _line(self) -> str:
        line = self._stream.readline(_LONGEST)
        rest = line
        while _unfinished(rest):
            rest = self._stream.readline(_LONGEST)
        return line

    def give_back(self, lines: Sequence[str]) -> None:
        self._back.extendleft(reversed(lines))

    def peek(self, count: int) -> list[str]:
        """The next lines, without taking them."""
        while len(self._back) < count and (line := self._line()):
            self._back.append(line)
        return list(self._back)[:count]


def _unfinished(line: str) -> bool:
    """Whether a line was longer than what was read of it."""
    return len(line) == _LONGEST and line[-1] not in "\r\n"


class DelimitedTable:
    """A CSV file, open at its first row below the header."""

    def __init__(self, stream: TextIO, code: str, layout: Layout) -> None:
        self._stream, self._code, self._errors = stream, code, encoding.errors(code)
        self._lines = _Lines(stream)
        self._above: list[str] = []  # everything down to the header, as it stands in the file
        delimiter = self._told_by_first_line() if layout.delimiter == AUTO else layout.delimiter
        self._number = layout.skip
        self._above += [line for _, line in zip(range(layout.skip), self._lines, strict=False)]
        self._dialect = dialect.find(self._lines.peek(_SAMPLE), delimiter, layout.quote, layout.expected)
        self._reader = csv.reader(self._lines, self._dialect)
        self.header = self._read_header()
        self._width = max(at for at, name in enumerate(self.header, 1) if name)  # columns that have a name

    def _told_by_first_line(self) -> str:
        first = self._lines.peek(1)
        told = dialect.told(first[0]) if first else None
        if told is None:
            return AUTO
        self._above.append(next(self._lines))
        return told

    def _read_header(self) -> tuple[str, ...]:
        while True:
            self._lines.begin()
            try:
                read = next(self._reader)
            except StopIteration:
                raise Unreadable("tidak ada judul kolom", hint="baris pertama harus berisi nama kolom") from None
            except csv.Error:
                raise Unreadable("baris judul kolom rusak", hint="periksa tanda kutip di baris judul") from None
            self._number += 1
            self._above += self._lines.taken
            names = tuple(cells.name(cell) for cell in read)
            if any(names):
                break
        if encoding.damaged("".join(names), self._code) or any("\0" in name for name in names):
            raise Unreadable("judul kolom tidak terbaca", hint="simpan lagi sebagai CSV UTF-8, lalu taruh lagi")
        return names

    def rows(self) -> Iterator[Row]:
        """The rows below the header that are not blank."""
        while True:
            self._lines.begin()
            try:
                read = next(self._reader)
                fault = self._misfit(read)
            except StopIteration:
                return
            except csv.Error:
                read, fault = [], _MISQUOTED
            self._number += 1
            taken = self._lines.taken
            if fault and len(taken) > 1:  # an open quote swallowed lines that are rows of their own
                self._lines.give_back(taken[1:])
                taken, read, fault = taken[:1], [], _UNCLOSED
            if self._lines.cut:
                fault = _TOO_LONG
            row = self._row(read, "".join(taken), fault)
            if row.fault or any(row.cells):
                yield row

    def _misfit(self, read: Sequence[str]) -> str:
        """Why the row does not fit the header; columns without a name may be missing, or there and empty."""
        if self._width <= len(read) <= len(self.header):
            return ""
        if not any(map(str.strip, read)) and len(read) <= 1:
            return ""  # blank
        if len(read) < self._width or any(cells.clean(cell) for cell in read[len(self.header) :]):
            seen = f"jumlah kolom {len(read)}, seharusnya {self._width}"
            return f"{seen}; periksa pemisah kolom dan tanda kutip pada baris ini"
        return ""

    def _row(self, read: Sequence[str], original: str, fault: str) -> Row:
        values = [] if fault else [cells.clean(cell) for cell in read[: len(self.header)]]
        if values:
            values += [None] * (len(self.header) - len(values))
        if not fault and encoding.damaged(original, self._code):
            fault = f"{self._columns(values)}ada huruf yang rusak (tidak terbaca); ketik ulang huruf itu"
        elif not fault and "\0" in original:
            fault = f"{self._columns(values)}ada karakter NUL; ketik ulang isinya"
        return Row(self._number, values, original, fault)

    def _columns(self, values: Sequence[str | None]) -> str:
        """The names of the columns with damaged text, for the clerk who looks for it."""
        bad = [
            name
            for name, value in zip(self.header, values, strict=False)
            if name and value and ("\0" in value or encoding.damaged(value, self._code))
        ]
        return f"kolom {', '.join(bad)}: " if bad else ""

    def rejected(self, originals: Iterable[str]) -> Iterator[bytes]:
        """The same file with only these rows; what could not be decoded is written as the same bytes."""
        marked = _MARKED.get(self._code)
        yield ("\ufeff" * (marked is not None) + "".join(self._above)).encode(marked or self._code, self._errors)
        for original in originals:
            line = original if original.endswith(("\n", "\r")) else f"{original}\r\n"
            yield line.encode(marked or self._code, self._errors)

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()
