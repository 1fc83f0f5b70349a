"""Replays a department's samples through its contract, without a server."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from adapters.demo.applications import DEPARTMENTS
from bus import config
from bus.app import Adapter
from bus.contracts import load
from bus.events import Catalogue
from bus.events.registry import KeyTokens
from bus.subjects import EventName


class Replayed(NamedTuple):
    """What the records became, in the order of the sources and their records."""

    events: list[dict[str, Any]]
    rejected: list[str]


def folder(application: str) -> Path:
    """The folder of ``opd/app``."""
    return DEPARTMENTS / application


def database(path: Path, *scripts: Path) -> str:
    """A SQLite database made by scripts, as a URL."""
    with closing(sqlite3.connect(path)) as connection:
        for script in scripts:
            connection.executescript(script.read_text(encoding="utf-8"))
    return f"sqlite:///{path}"


def adapter(application: str) -> Adapter:
    """The adapter of ``opd/app``, ready for a dry run."""
    contract = load(folder(application) / "adapter.toml")
    return Adapter(contract, config.load(), Catalogue.load(), KeyTokens(b"a key for tests"))


async def replay(application: str, *, limit: int = 10_000) -> Replayed:
    """What every source of an application becomes."""
    events: list[dict[str, Any]] = []
    rejected: list[str] = []
    async for tried in adapter(application).dry_run(limit):
        events += [{"event": str(EventName.parse(each.type)), "data": json.loads(each.data)} for each in tried.events]
        if tried.rejected:
            rejected.append(tried.rejected)
    return Replayed(events, rejected)


def expected(application: str) -> list[dict[str, Any]]:
    """The events that stand beside the samples, ``samples/events.jsonl``."""
    lines = (folder(application) / "samples" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
