"""Which bus is running here: so that a command in a second terminal finds a demo or ``bus up`` without an option.

Whoever runs a bus keeps a small file below ``<home>/running`` locked; what a killed process left behind is not locked,
and goes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bus.config import Settings

FOLDER = "running"


@dataclass(frozen=True, slots=True)
class Running:
    """A bus that runs."""

    what: str  #: ``up`` or ``demo``
    home: Path
    pid: int
    started: float  #: Unix seconds


@contextlib.contextmanager
def announced(root: Path, what: str, home: Path) -> Iterator[None]:
    """Says below ``root`` that a bus runs with ``home``, as long as the block (or its process) lasts."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{os.getpid()}-{time.time_ns()}.json"
    hidden = path.with_suffix(".new")
    with hidden.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump({"what": what, "home": str(home.absolute()), "pid": os.getpid(), "started": time.time()}, file)
        file.flush()
        hidden.rename(path)  # whoever sees the file sees it whole and locked
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def find(root: Path) -> list[Running]:
    """Every bus that runs below ``root``, the latest first."""
    found = [running for path in (root / FOLDER).glob("*.json") if (running := _read(path)) is not None]
    return sorted(found, key=lambda each: each.started, reverse=True)


def home_of(settings: Settings) -> Settings:
    """The settings, with the home of the bus that runs here: `bus up` of this home first, else the latest demo."""
    everything = find(settings.home)
    own = [each for each in everything if each.home == settings.home.absolute()]
    chosen = (own or everything)[:1]
    return settings.model_copy(update={"home": chosen[0].home}) if chosen else settings


def _read(path: Path) -> Running | None:
    try:
        with path.open() as file:
            if _unlocked(file.fileno()):
                path.unlink(missing_ok=True)
                return None
            entry = json.load(file)
            return Running(entry["what"], Path(entry["home"]), entry["pid"], entry["started"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def _unlocked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
