"""Where a run's files lie: in a folder whose subfolders the file system puts far from each other.

Without a journal, as on many virtual machines, ext4 looks past every inode that was deleted within the last minutes
before it takes one for a new file. The server makes files for each atomic batch, so that a lap would pay for what the
laps before it have cleared away: up to a twentieth of its time.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from unittest.mock import patch


@contextmanager
def apart() -> Iterator[None]:
    """Temporary files of this process and of those that it starts are made in a folder of their own, its subfolders
    apart where the file system can.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bus-bench-") as folder,
        patch.dict(os.environ, TMPDIR=folder),
        patch.object(tempfile, "tempdir", folder),
    ):
        Path(folder).chmod(0o711)  # database servers run as users of their own
        if chattr := which("chattr"):
            subprocess.run([chattr, "+T", folder], stderr=subprocess.DEVNULL, check=False)  # not every one knows +T
        yield
