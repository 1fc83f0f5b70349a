"""Which bus is running here: so that a command in a second terminal finds a demo or ``bus up`` without an option."""

from __future__ import annotations

import contextlib
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
    """Says below ``root`` that a bus runs with ``home``, as long as the block lasts."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{os.getpid()}.json"
    path.write_text(
        json.dumps({"what": what, "home": str(home.absolute()), "pid": os.getpid(), "started": time.time()})
    )
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find(root: Path) -> list[Running]:
    """Every bus that runs below ``root``, the latest first; what a killed process left behind is removed."""
    found = []
    for path in (root / FOLDER).glob("*.json"):
        try:
            entry = json.loads(path.read_text())
            running = Running(entry["what"], Path(entry["home"]), entry["pid"], entry["started"])
            os.kill(running.pid, 0)
        except (ProcessLookupError, ValueError, KeyError):
            path.unlink(missing_ok=True)
        except FileNotFoundError:
            continue
        else:
            found.append(running)
    return sorted(found, key=lambda each: each.started, reverse=True)


def home_of(settings: Settings) -> Settings:
    """The settings, with the home of the bus that runs here: `bus up` of this home first, else the latest demo."""
    everything = find(settings.home)
    own = [each for each in everything if each.home == settings.home.absolute()]
    chosen = (own or everything)[:1]
    return settings.model_copy(update={"home": chosen[0].home}) if chosen else settings
