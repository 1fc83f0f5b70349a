"""JSON (RFC 8259): an array of objects somewhere in the file, read as a stream; or one object a line (JSON lines)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from adapters.formats.objects import Item, ObjectTable, flat
from adapters.formats.table import Layout, Unreadable

_MARK = b"\xef\xbb\xbf"
_LONGEST = 1 << 22  # bytes of one line
_HINT = "minta berkas yang utuh dari aplikasi asalnya, lalu taruh lagi"
_NO_JSON = Unreadable("isi berkas ini bukan JSON yang utuh", hint=_HINT)


def open_table(path: Path, layout: Layout) -> ObjectTable:
    """Opens a JSON file; ``records`` names the way to its array ("data.penduduk"). Raises Unreadable, OSError."""
    import ijson  # noqa: F401 - asked for here, where its absence is told

    prefix = _prefix(path, layout.records)
    return ObjectTable(partial(_items, path, prefix), layout)


def _prefix(path: Path, wanted: str) -> str:
    """The path of the records as ijson writes it. Raises Unreadable where there is none."""
    import ijson

    seen = ""  # of an array that begins
    try:
        with path.open("rb") as file:
            for prefix, event, _ in ijson.parse(_unmarked(file)):
                if seen and event in {"start_map", "end_array"} and (not wanted or seen == f"{wanted}.item"):
                    return seen
                seen = f"{prefix}.item".lstrip(".") if event == "start_array" else ""
                if wanted and prefix == wanted and event == "start_map":
                    return wanted  # a single record
    except (ijson.JSONError, UnicodeDecodeError):
        raise _NO_JSON from None
    if wanted:
        raise Unreadable(f"tidak ada data di {wanted}", hint=_HINT)
    return ""  # the file is one record


def _items(path: Path, prefix: str) -> Iterator[Item]:
    import ijson

    try:
        with path.open("rb") as file:
            for number, record in enumerate(ijson.items(_unmarked(file), prefix), 1):
                yield Item(number, flat(record))
    except (ijson.JSONError, UnicodeDecodeError):
        raise _NO_JSON from None


def open_lines(path: Path, layout: Layout) -> ObjectTable:
    """Opens a file with one JSON object a line. A line that is none is a fault of that line alone. Raises OSError."""
    return ObjectTable(partial(_lines, path), layout)


def _lines(path: Path) -> Iterator[Item]:
    with path.open("rb") as file:
        _unmarked(file)
        number = 0
        while line := file.readline(_LONGEST):
            number += 1
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                yield _broken(number, line)
                continue
            yield Item(number, flat(record)) if isinstance(record, dict) else _broken(number, line)


def _broken(number: int, line: bytes) -> Item:
    fault = "baris ini bukan satu objek JSON yang utuh; perbaiki atau minta lagi dari aplikasi asalnya"
    return Item(number, {}, fault, line.decode(errors="replace").strip())


def _unmarked(file: BinaryIO) -> BinaryIO:
    """The file behind its byte order mark."""
    if file.read(len(_MARK)) != _MARK:
        file.seek(0)
    return file
