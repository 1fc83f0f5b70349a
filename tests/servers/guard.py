"""Ends a test server and removes its folder when the process that owns it is gone, however that went.

Started as a process of its own with the folder as argument. Its standard input is a pipe from the owner: it closes
when the owner closes it or dies, SIGKILL included. Imports nothing of the project and needs no packages.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

PID_FILE = "server.pid"
PATIENCE = 5  #: seconds between asking the server to quit and killing it


def end(pid: int) -> None:
    """Makes the process quit at once, and kills it where it does not."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        for ending in (signal.SIGQUIT, signal.SIGKILL):
            signal.pidfd_send_signal(descriptor, ending)
            if select.select([descriptor], [], [], PATIENCE)[0]:
                return
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def main(folder: Path) -> None:
    """Waits for the end of the owner, then cleans up behind it."""
    sys.stdin.buffer.read()
    with suppress(FileNotFoundError):  # where the owner has stopped the server itself
        end(int((folder / PID_FILE).read_text(encoding="ascii")))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
