"""Where a run's files lie: in a folder whose subfolders the file system puts far from each other.

Without a journal, as on many virtual machines, ext4 looks past every inode that was deleted within the last minutes
before it takes one for a new file. The server makes files for each atomic batch, so that a lap would pay for what the
laps before it have cleared away: up to a twentieth of its time.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import pack, unpack

# ioctl_iflags(2): what `chattr +T` sets. The flags are an int, whatever the request's own size says.
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602
_TOP_OF_TREE = 0x00020000


@contextmanager
def apart() -> Iterator[Path]:
    """Temporary files of this process and of those that it starts are made in a folder of their own, its subfolders
    apart where the file system can.
    """
    outside, named = tempfile.tempdir, os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="bus-bench-") as folder:
        Path(folder).chmod(0o711)  # database servers run as users of their own
        with suppress(OSError):  # not every file system knows the flag
            _spread(Path(folder))
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = outside
            if named is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = named


def _spread(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        (flags,) = unpack("i", fcntl.ioctl(descriptor, _GET_FLAGS, pack("i", 0)))
        fcntl.ioctl(descriptor, _SET_FLAGS, pack("i", flags | _TOP_OF_TREE))
    finally:
        os.close(descriptor)
