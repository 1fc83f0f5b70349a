"""Which files have settled, and which are meant: a file that still grows is left alone."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Collection, Mapping
from pathlib import PurePath
from typing import Generic, TypeVar

REPORT = ".laporan.txt"
REJECTED = ".ditolak."  # between the name of a file and the ending of its rejected rows

_Found = TypeVar("_Found")  #: what a look at a file tells: equal as long as the file has not changed


class Settling(Generic[_Found]):
    """Files that have not changed for ``settle`` seconds, by our own clock."""

    def __init__(self, settle: float) -> None:
        self._settle = settle
        self._seen: dict[str, tuple[_Found, float]] = {}  # since when a file has not changed

    def settled(self, present: Mapping[str, _Found]) -> list[_Found]:
        """Those of the files that are there now which have settled."""
        now = time.monotonic()
        self._seen = {
            name: self._seen[name] if name in self._seen and self._seen[name][0] == found else (found, now)
            for name, found in present.items()
        }
        return [found for found, since in self._seen.values() if now - since >= self._settle]

    def forget(self, name: str) -> None:
        """The file is gone, or claimed."""
        self._seen.pop(name, None)

    def settles_in(self) -> float:
        """Seconds until the first of the files seen last may have settled; 0 where there is none."""
        now = time.monotonic()
        return min((max(self._settle - now + since, 0.01) for _, since in self._seen.values()), default=0)


def wanted(name: str, pattern: str) -> bool:
    """Whether a file is meant; rows that came back for repair are, though they may be of another format.

    Hidden files and the lock files of a spreadsheet never are."""
    if name.startswith((".", "~$")):
        return False
    name, pattern = name.lower(), pattern.lower()
    stem, mark, _ = name.rpartition(REJECTED)
    repaired = stem + PurePath(pattern).suffix if mark else name
    return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(repaired, pattern)


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or ``name (2)`` and so on, where neither a file nor a report nor rejected rows of it are taken."""
    names = {each.removesuffix(REPORT) for each in taken}
    rejected = {each.rpartition(REJECTED)[0] for each in taken if REJECTED in each}
    plain, free, count = PurePath(name), name, 1
    while free in names or PurePath(free).stem in rejected:
        count += 1
        free = f"{plain.stem} ({count}){plain.suffix}"
    return free
