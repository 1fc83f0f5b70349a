"""Finds one row by its key in a file that was read before, for the redrive of a dead letter."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from adapters.connectors.drop_reading import OpenFile
from adapters.formats import Format, Unreadable
from bus.ports import Record

_PLAIN = re.compile(r"[A-Za-z0-9]+")


def find(path: Path, key: str, form: Callable[[str], Format], open_file: Callable[[Path], OpenFile]) -> Record | None:
    """The record of that key; None where the file has none, is gone, or cannot be read. Raises OSError."""
    try:
        if form(path.name).plain and not _may_hold(path, key):
            return None
        file = open_file(path)
    except (FileNotFoundError, Unreadable):
        return None
    with closing(file), closing(file.rows) as rows:
        return next((row.record for row in rows if row.record.key == key), None)


def _may_hold(path: Path, key: str) -> bool:
    """Whether the longest plain piece of the key stands in the file: most of a year's files are ruled out at once."""
    if not key.startswith("["):
        return True  # the key is a hash
    values = json.loads(key[: key.rindex("]") + 1])
    pieces = [piece for value in values if isinstance(value, str) for piece in _PLAIN.findall(value)]
    if not pieces or path.stat().st_size == 0:
        return True
    piece = max(pieces, key=len)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        wide = piece.encode("utf-16-le")[:-1]  # without its last byte it is found in both byte orders
        return content.find(piece.encode()) >= 0 or content.find(wide) >= 0
