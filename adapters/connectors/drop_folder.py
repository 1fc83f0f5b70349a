"""A folder into which an office drops files: which one is next, and where it goes.

    <folder>/            files arrive here
    <folder>/reading/    the one that is being read, and its journal
    <folder>/done/       files read to their end, each with its report and its rejected rows
    <folder>/failed/     files that could not be read at all, each with its report

A file is claimed by moving it: nobody overwrites it while it is read, and after a crash it is found again.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.connectors.drop_settling import REJECTED, REPORT, Settling, free_name, wanted
from bus.errors import AccessError, ConfigError, Unavailable

READING, DONE, FAILED = "reading", "done", "failed"

_LONG_NUMBER = re.compile(r"\d{15,}")


def readable(name: str) -> str:
    """A file's name as text, where the share gives bytes that are none."""
    return name.encode(errors="surrogateescape").decode(errors="replace")


def shown(name: str) -> str:
    """A file's name as logs and dead letters may show it: numbers as long as a NIK are left out."""
    return _LONG_NUMBER.sub("…", readable(name))


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file and what identifies it: name, size in bytes, time of its last change in nanoseconds."""

    path: Path
    size: int
    mtime: int

    @classmethod
    def at(cls, path: Path) -> Dropped:
        """The file as it is now. Raises OSError."""
        seen = path.lstat()
        return cls(path, seen.st_size, seen.st_mtime_ns)

    @property
    def identity(self) -> dict[str, str | int]:
        """As plain JSON values, for a position."""
        return {"file": readable(self.path.name), "size": self.size, "mtime": self.mtime}

    def unchanged(self) -> bool:
        """Whether the file is still as it was. Raises OSError where it is gone."""
        return Dropped.at(self.path) == self


class DropFolder:
    """The folder of one source."""

    def __init__(self, root: Path, pattern: str, settle: float, *, where: str) -> None:
        self.root = root
        self._pattern = pattern
        self._settling = Settling[Dropped](settle)
        self._where = where

    def check(self, *, seen_before: bool) -> None:
        """Raises ConfigError for a missing folder (Unavailable, if it was here), AccessError where it is not ours."""
        if not self.root.is_dir():
            if seen_before:
                raise self._away("it is gone")
            raise ConfigError(f"no folder {self.root}", where=self._where, hint="create it, or correct `folder`")
        if not os.access(self.root, os.R_OK | os.W_OK | os.X_OK):
            raise self._refused()

    def _away(self, reason: str) -> Unavailable:
        return Unavailable(
            f"the folder does not answer: {reason}", where=self._where, hint="is the share still mounted?"
        )

    def _refused(self) -> AccessError:
        hint = f"let this user read, write and move files in {self.root}"
        return AccessError("the folder may not be used", where=self._where, hint=hint)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns what the operating system refuses inside into errors of the bus."""
        try:
            yield
        except PermissionError as error:
            raise self._refused() from error
        except OSError as error:
            raise self._away(str(error.strerror)) from error

    def next(self) -> Dropped | None:
        """The file left in ``reading``, else the oldest that has settled; None where there is none."""
        return self.left() or next(iter(self._settled()), None)

    def left(self) -> Dropped | None:
        """The file in ``reading``."""
        return min(self._files(self.root / READING), key=_age, default=None)

    def claimed(self, dropped: Dropped) -> bool:
        """Whether the file is in ``reading``."""
        return dropped.path.parent == self.root / READING

    def claim(self, dropped: Dropped) -> Dropped | None:
        """Moves the file to ``reading``, unless it is there; None where it has changed or is gone."""
        target = self.root / READING / dropped.path.name
        try:
            if not dropped.unchanged():
                return None
            if not self.claimed(dropped):
                target.parent.mkdir(exist_ok=True)
                for journal in target.parent.glob(".*"):
                    journal.unlink()  # its file has moved away before a crash
                dropped.path.rename(target)
                self._settling.forget(dropped.path.name)
        except FileNotFoundError:
            return None
        return replace(dropped, path=target)

    def journal(self, dropped: Dropped) -> Path:
        """Where the journal of a file is kept."""
        return self.root / READING / f".{dropped.path.name}.jurnal"

    def processed(self) -> list[Path]:
        """The files in ``done``, the last one read first; what has no report there is a list of rejected rows."""
        done = self.root / DONE
        reported = [
            (Dropped.at(path).mtime, path.with_name(path.name.removesuffix(REPORT))) for path in done.glob(f"*{REPORT}")
        ]
        return [path for _, path in sorted(reported, reverse=True) if path.is_file()]

    def free(self, kind: str, name: str) -> Path:
        """A place in ``done`` or ``failed`` where neither a file nor a report of that name stands."""
        folder = self.root / kind
        return folder / free_name(name, {path.name for path in folder.iterdir()})

    def _settled(self) -> list[Dropped]:
        """Files whose size and time have not changed for ``settle`` seconds, oldest first, by name within one time."""
        return sorted(self._settling.settled({found.path.name: found for found in self.waiting()}), key=_age)

    def settles_in(self) -> float:
        """Seconds until the first of the files seen last may have settled; 0 where there is none."""
        return self._settling.settles_in()

    def waiting(self) -> list[Dropped]:
        """The files that were dropped, settled or not, without the one in ``reading``."""
        return [found for found in self._files(self.root) if wanted(found.path.name, self._pattern)]

    def _files(self, folder: Path) -> Iterator[Dropped]:
        """Plain files alone: no links out of the folder, no hidden ones, no lock files of a spreadsheet."""
        if folder != self.root and not folder.is_dir():
            return
        for path in folder.iterdir():
            try:
                mode = path.lstat().st_mode
                if stat.S_ISREG(mode) and wanted(path.name, "*"):
                    yield Dropped.at(path)
            except FileNotFoundError:
                continue  # taken away meanwhile


def report_of(path: Path) -> Path:
    """Where the report of a file stands."""
    return path.with_name(path.name + REPORT)


def rejected_of(path: Path, ending: str = "") -> Path:
    """Where the rejected rows of a file stand; ``ending`` is that of their format, where it is another one."""
    return path.with_name(f"{path.stem}{REJECTED}{ending or path.suffix.removeprefix('.')}")


def _age(found: Dropped) -> tuple[int, str]:
    return found.mtime, found.path.name
