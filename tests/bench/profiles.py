"""What holds a figure that falls short, by the standard library's profilers; each as a few lines of text."""

from __future__ import annotations

import cProfile
import pstats
import re
import subprocess
import sys
from pathlib import Path

LINES = 20
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|(\s+)(\S+)")
_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+\s*(.*)$")


def of(profile: cProfile.Profile | Path) -> list[str]:
    """The functions that a process spends its own time in; a path is what ``profiled.py`` has written."""
    return _lines(pstats.Stats(str(profile) if isinstance(profile, Path) else profile))


def of_imports(module: str) -> list[str]:
    """The modules that take the longest to import, themselves alone, milliseconds."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = [(int(match[1]), match[4]) for line in output.splitlines() if (match := _IMPORT.match(line))]
    slowest = sorted(found, reverse=True)[:LINES]
    return [f"{sum(own for own, _ in found) / 1000:.1f} ms in all"] + [
        f"{own / 1000:7.1f} ms {name}" for own, name in slowest
    ]


def of_memory(pid: int) -> list[str]:
    """What a process's memory consists of: proportional set size by file, MB."""
    sizes: dict[str, int] = {}
    name = ""
    for line in Path(f"/proc/{pid}/smaps").read_text(encoding="ascii", errors="replace").splitlines():
        if match := _MAPPING.match(line):
            name = Path(match[1]).name if match[1] else "[anonymous]"
        elif line.startswith("Pss:"):
            sizes[name] = sizes.get(name, 0) + int(line.split()[1])
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:LINES]
    return [f"{size / 1024:6.1f} MB {name}" for name, size in largest]


def _lines(stats: pstats.Stats) -> list[str]:
    entries = stats.stats.items()  # type: ignore[attr-defined]
    total = sum(own for _, (_, _, own, _, _) in entries)
    slowest = sorted(entries, key=lambda entry: -entry[1][2])[:LINES]
    return [f"{total:.2f} s of CPU in all, profiling included; own time, calls, function"] + [
        f"{own / total:6.1%} {calls:9,} {_where(*place)}" for place, (calls, _, own, _, _) in slowest
    ]


def _where(file: str, line: int, function: str) -> str:
    """``bus/envelope.py:67 parse``; of libraries from their package on, of C functions the name alone."""
    if file == "~":
        return function
    parts = Path(file).parts
    start = parts.index("site-packages") + 1 if "site-packages" in parts else max(0, len(parts) - 3)
    return f"{'/'.join(parts[start:])}:{line} {function}"
