"""DBF: tables of dBase III to V, FoxPro and Visual FoxPro, as school and tax applications export them.

Read here and not by a library: those that exist have not been kept up or read a few thousand rows a second. Numbers are
taken as the digits that stand in the file, so a NIK in a field ``N(16,0)`` is exact. Deleted records are left out. The
text of memo fields stands in a second file and is not read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from adapters.formats import cells, repairs
from adapters.formats.table import AUTO, Cell, Layout, Row, Unreadable

_HEAD = struct.Struct("<B3xIHH")  # version, records, bytes of the header, bytes of a record
_FIELD = struct.Struct("<11sc4xBB")  # name, type, length, decimals
_FIELD_SIZE, _HEAD_SIZE, _END = 32, 32, 0x0D
_VERSIONS = frozenset((0x02, 0x03, 0x05, 0x30, 0x31, 0x32, 0x43, 0x63, 0x83, 0x8B, 0x8C, 0xCB, 0xF5, 0xFB))
_ENCODINGS = {0x01: "cp437", 0x02: "cp850", 0x1B: "cp437", 0x1D: "cp850", 0x37: "cp850", 0xF0: "utf-8"}
_UNREADABLE = frozenset("MGP0")  # memo, OLE, picture, null flags: not in this file, or no value
_FIRST_DAY = 1_721_426  # the Julian day of datetime.min
_MEMO_OF_DBASE_5 = ("B", 10)  # elsewhere B is a double of 8 bytes
_HINT = "ekspor lagi dari aplikasinya, lalu taruh lagi"


class _Field(NamedTuple):
    name: str
    place: slice
    value: Callable[[bytes], Cell]


def open_table(path: Path, layout: Layout) -> DbfTable:
    """Opens a DBF file. Raises Unreadable in a clerk's words, and OSError as it comes."""
    file = path.open("rb")
    try:
        return DbfTable(file, path.stat().st_size, layout)
    except BaseException:
        file.close()
        raise


class DbfTable:
    """A DBF file, open at its first record."""

    def __init__(self, file: BinaryIO, size: int, layout: Layout) -> None:
        self._file = file
        head = file.read(_HEAD_SIZE)
        if len(head) < _HEAD_SIZE or head[0] not in _VERSIONS:
            raise Unreadable("berkas ini bukan berkas DBF", hint=_HINT)
        _, self._records, start, self._width = _HEAD.unpack_from(head)
        if size < start + self._records * self._width:
            raise Unreadable("berkas terpotong: ada record yang hilang", hint="salin lagi seluruh berkas")
        encoding = _ENCODINGS.get(head[29], "cp1252") if layout.encoding == AUTO else layout.encoding
        self._fields = list(_fields(file.read(max(start - _HEAD_SIZE, 0)), encoding))
        if not self._fields or self._fields[-1].place.stop > self._width:
            raise Unreadable("daftar kolom di berkas DBF ini rusak", hint=_HINT)
        self.header = tuple(field.name for field in self._fields)
        file.seek(start)

    def rows(self) -> Iterator[Row]:
        """The records that are not deleted."""
        for number in range(1, self._records + 1):
            record = self._file.read(self._width)
            if record[:1] == b"*":
                continue
            row, damaged = self._read(record)
            fault = f"kolom {', '.join(damaged)}: isinya rusak; perbaiki di aplikasinya" if damaged else ""
            if fault or any(cell is not None for cell in row):
                yield Row(number, row, repairs.packed(row), fault)

    def _read(self, record: bytes) -> tuple[list[Cell], list[str]]:
        row: list[Cell] = []
        damaged: list[str] = []
        for field in self._fields:
            try:
                row.append(field.value(record[field.place]))
            except (ValueError, OverflowError):
                row.append(None)
                damaged.append(field.name)
        return row, damaged

    def rejected(self, originals: Iterable[str]) -> Iterator[bytes]:
        """A CSV file with only these records."""
        return repairs.as_csv(self.header, originals)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _fields(described: bytes, encoding: str) -> Iterator[_Field]:
    start = 1  # behind the mark of deletion
    for at in range(0, len(described) - _FIELD_SIZE + 1, _FIELD_SIZE):
        if described[at] == _END:
            return
        name, letter, length, decimals = _FIELD.unpack_from(described, at)
        kind = letter.decode("latin-1")
        if kind == "C":
            length += decimals << 8  # longer than 255: FoxPro has the rest there
        place = slice(start, start + length)
        start = place.stop
        if kind not in _UNREADABLE and (kind, length) != _MEMO_OF_DBASE_5:
            text = name.partition(b"\0")[0].decode(encoding, errors="replace")
            yield _Field(cells.name(text), place, _VALUES.get(kind) or partial(_text, encoding=encoding))


def _text(raw: bytes, encoding: str) -> str | None:
    return cells.clean(raw.rstrip(b"\0").decode(encoding))


def _number(raw: bytes) -> Cell:
    """Digits as they stand; a fraction is a float. Raises ValueError, also for the asterisks of an overflow."""
    text = raw.strip(b" \0").decode("ascii")
    if not text:
        return None
    value = float(text)
    return str(int(text)) if text.lstrip("+-").isdigit() else cells.of_value(value)


def _date(raw: bytes) -> str | None:
    text = raw.strip(b" \0").decode("ascii")
    return datetime.strptime(text, "%Y%m%d").date().isoformat() if text.strip("0") else None  # noqa: DTZ007 - a date


def _logical(raw: bytes) -> bool | None:
    return {b"T": True, b"t": True, b"Y": True, b"y": True, b"F": False, b"f": False, b"N": False, b"n": False}.get(raw)


def _moment(raw: bytes) -> Cell:
    """FoxPro's date and time: a Julian day, and milliseconds since midnight."""
    day, milliseconds = struct.unpack("<II", raw)
    if not day:
        return None
    moment = datetime.min + timedelta(days=day - _FIRST_DAY, milliseconds=milliseconds)  # noqa: DTZ901 - no zone
    return cells.of_value(moment)


def _integer(raw: bytes) -> Cell:
    return str(int.from_bytes(raw, "little", signed=True))


def _currency(raw: bytes) -> Cell:
    return cells.of_value(int.from_bytes(raw, "little", signed=True) / 10_000)


def _double(raw: bytes) -> Cell:
    return cells.of_value(struct.unpack("<d", raw)[0])


_VALUES: dict[str, Callable[[bytes], Cell]] = {
    "N": _number,
    "F": _number,
    "D": _date,
    "L": _logical,
    "T": _moment,
    "I": _integer,
    "Y": _currency,
    "B": _double,
}
