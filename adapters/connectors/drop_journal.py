"""What became of the rows of the file that is being read: one line of JSON per stored batch, beside the file.

It outlives a crash, so that the report at the end knows every rejected row. It holds rows of the file and is as
private as the file itself: it stays in the owner's folder and goes when the file goes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from adapters.connectors.drop_folder import Dropped


class RejectedRow(NamedTuple):
    """A row not accepted: its number in a spreadsheet, why in a clerk's words, the row as it stands in the file."""

    number: int
    reason: str
    original: str


class Journal:
    """The journal of one file. All methods raise OSError as it comes."""

    def __init__(self, path: Path, dropped: Dropped, *, stored: int) -> None:
        """Reads what was noted of this very file up to row ``stored``; writes nothing yet."""
        self._path, self._identity = path, dropped.identity
        self.row = 0  #: the last row that is known to be stored, and its fate noted
        self.read = 0  #: rows read so far
        self.rejected = 0  #: how many of these were rejected
        self.target: str | None = None  #: where the file is about to be moved
        self._kept: int | None = 0  # bytes of an older journal that still hold; None: it is ours by now
        for end, entry in self._entries():
            if entry.get("row", 0) > stored:
                break
            self._kept = end
            self._count(entry)

    def _entries(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each whole line and the byte after it; none where the journal is of another file."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            end = 0
            for line in file:
                try:
                    entry = json.loads(line)
                except ValueError:
                    return  # the crash came while this line was written
                if not end and entry != self._identity:
                    return
                end += len(line)
                yield end, entry

    def _count(self, entry: dict[str, Any]) -> None:
        self.row = entry.get("row", self.row)
        self.read += entry.get("read", 0)
        self.rejected += len(entry.get("rejected", ()))
        self.target = entry.get("target", self.target)

    def add(self, row: int, read: int, rejected: Iterable[RejectedRow]) -> None:
        """Notes a stored batch that ended with ``row``."""
        self._append({"row": row, "read": read, "rejected": [list(each) for each in rejected]})

    def aim(self, target: str) -> None:
        """Notes where the file is about to go, so that a crash on the way does not make a second report."""
        self._append({"target": target})

    def _append(self, entry: dict[str, Any]) -> None:
        if self._kept == 0:
            self._write(_line(self._identity), mode="w")
        elif self._kept:
            os.truncate(self._path, self._kept)
        self._kept = None
        self._write(_line(entry), mode="a")
        self._count(entry)

    def _write(self, text: str, *, mode: str) -> None:
        with self._path.open(mode, encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def rejections(self) -> Iterator[RejectedRow]:
        """The rejected rows in the file's order."""
        for _, entry in self._entries():
            for number, reason, original in entry.get("rejected", ()):
                yield RejectedRow(number, reason, original)

    def remove(self) -> None:
        """The file is done with."""
        self._path.unlink(missing_ok=True)


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=True, separators=(",", ":")) + "\n"
