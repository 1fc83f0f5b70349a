"""``profiled.py FILE ARGUMENT…`` runs ``bus ARGUMENT…`` and leaves its profile in the file: CPU time, not waiting.

A program of its own, since ``python -m cProfile`` measures the clock on the wall.
"""

from __future__ import annotations

import cProfile
import sys
import time

from bus.cli.main import main


def run(file: str, *arguments: str) -> None:
    """Runs the command and writes its profile, however it ends."""
    sys.argv = ["bus", *arguments]
    profile = cProfile.Profile(time.thread_time)
    try:
        profile.runcall(main)
    finally:
        profile.dump_stats(file)


if __name__ == "__main__":
    run(*sys.argv[1:])
