"""Large backlogs of the conformance suites, and the memory that they need."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from bus.testing.lines import PATIENCE

MEMORY = 32 * 1024  #: KiB that a large backlog may add
LARGE = 200_000  #: rows, or events, of a large backlog


def large_or(rows: int) -> int:
    """How large a large backlog is: ``LARGE_BACKLOG`` of the environment, else what the connector's tests say."""
    return int(os.environ.get("LARGE_BACKLOG", rows))


async def until_large(condition: Callable[[], bool], large: int) -> None:
    """Waits for a large amount of work."""
    async with asyncio.timeout(10 * PATIENCE * max(1.0, large / LARGE)):
        while not condition():  # noqa: ASYNC110 - whatever the application is, it has no event for it
            await asyncio.sleep(0.02)


def large_rows(large: int) -> Iterator[tuple[int, str]]:
    """The rows of a large backlog."""
    filling = filling_of(large)
    return ((key, f"isi {key} {filling}") for key in range(large))


def filling_of(large: int) -> str:
    """What fills each value of a large backlog: all together three times as large as what a test lets a process grow
    by, so that one that keeps them is found out, however many they are.
    """
    return "x" * (3 * MEMORY * 1024 // large)


def base_line() -> int:
    """From here on ``resident`` counts anew. Returns what this process has now, KiB.

    What earlier tests have left unused goes back to the system first: else there would be room in it to grow unseen.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak is what there is now: proc(5)
    return resident()


def resident() -> int:
    """The most memory that this process has had since the base line, KiB."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found
    return int(found[1])
