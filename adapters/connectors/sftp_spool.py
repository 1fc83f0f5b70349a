"""Where the files of an SFTP server lie while they are read: a private folder of this machine, gone with its process.

It stands in the folder for temporary files (TMPDIR) and is locked while its process lives. What a killed process has
left is removed by whoever starts next: these are files with persons in them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Self

LOCK = "lock"


class Spool:
    """The spool of one source in one process. Methods raise OSError as it comes."""

    def __init__(self, path: Path, lock: int, name: str) -> None:
        self._path, self._lock = path, lock
        self.folder = path / name  #: named as the remote folder, for reports tell its name
        self.searched = path / "cari"  #: where files lie in which a single row is looked for

    @classmethod
    def make(cls, owner: str, name: str) -> Self:
        """A new spool; ``owner`` names its source."""
        prefix = f"bus-sftp-{owner}-"
        _sweep(prefix)
        path = Path(tempfile.mkdtemp(prefix=prefix))  # mode 0700
        lock = os.open(path / f".{LOCK}", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        (path / f".{LOCK}").rename(path / LOCK)  # whoever sweeps sees it locked, or not at all
        spool = cls(path, lock, name)
        spool.clear()
        spool.searched.mkdir()
        return spool

    def clear(self) -> None:
        """Nothing is at hand."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def remove(self) -> None:
        """It goes with all that is in it."""
        shutil.rmtree(self._path, ignore_errors=True)
        os.close(self._lock)


def _sweep(prefix: str) -> None:
    """Removes the spools of processes that are dead."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if path.is_symlink() or path.stat().st_uid != os.geteuid():
            continue
        try:
            lock = os.open(path / LOCK, os.O_RDWR)
        except FileNotFoundError:
            continue  # it is being made, or removed
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            continue  # its process lives
        finally:
            os.close(lock)
