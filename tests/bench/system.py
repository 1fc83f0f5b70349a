"""What Linux tells of a process, CPU time and memory, and of the machine: how much of it others took."""

from __future__ import annotations

import os
import re
from pathlib import Path


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used, with its children that have ended; 0 where it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    times = text.rpartition(")")[2].split()
    return sum(int(ticks) for ticks in times[11:15]) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int, file: str, name: str) -> float:
    """A size out of one of a process's files: ``status`` has VmRSS, ``smaps_rollup`` has Pss."""
    text = Path(f"/proc/{pid}/{file}").read_text(encoding="ascii", errors="replace")
    match = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    if match is None:
        raise RuntimeError(f"the system does not tell {name}")
    return round(int(match[1]) / 1024, 1)


class Theft:
    """How much of a virtual machine's time its host gave to others: what then seems slow is not."""

    def __init__(self) -> None:
        self._taken, self._all = _ticks()

    def percent(self) -> float:
        """Of all cores' time since the last asking, or since the beginning."""
        taken, all_ = _ticks()
        share = 100 * (taken - self._taken) / max(1, all_ - self._all)
        self._taken, self._all = taken, all_
        return round(share, 1)


def _ticks() -> tuple[int, int]:
    """What was taken, and all: `steal` is the eighth of the fields, and what follows is counted within others."""
    with Path("/proc/stat").open(encoding="ascii") as file:
        times = [int(ticks) for ticks in file.readline().split()[1:9]]
    return times[7], sum(times)


def children(pid: int) -> list[int]:
    """The processes that a process has started and that run."""
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in tasks.read_text(encoding="ascii").split()]
    return found
