"""The suite of an adapter: its contract is sound, and its samples become the events that stand beside them.

# adapters/departments/dinkes/epuskesmas/test_adapter.py
test_contract, test_samples = adapter_suite(Path(__file__).parent)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from bus import config
from bus.app import Adapter
from bus.contracts import load
from bus.contracts.lint import lint
from bus.events import Catalogue
from bus.events.registry import KeyTokens
from bus.subjects import EventName

EXPECTED = Path("samples") / "events.jsonl"

Prepare = Callable[[Path, pytest.MonkeyPatch], None]


def ddl(folder: Path) -> str:
    """The tables and triggers that an adapter's sources need in its application's database, as a script."""
    return _adapter(folder).ddl()


def _adapter(folder: Path) -> Adapter:
    return Adapter(load(folder / "adapter.toml"), config.load(), Catalogue.load(), KeyTokens(b"samples"))


async def replay(folder: Path, *, limit: int = 10_000) -> tuple[list[dict[str, Any]], list[str]]:
    """What the records of every source of an adapter become: events with their data, and the reasons of rejections."""
    adapter = _adapter(folder)
    events: list[dict[str, Any]] = []
    rejected: list[str] = []
    async for tried in adapter.dry_run(limit):
        events += [{"event": str(EventName.parse(each.type)), "data": json.loads(each.data)} for each in tried.events]
        if tried.rejected:
            rejected.append(tried.rejected)
    return events, rejected


def expected(folder: Path) -> list[dict[str, Any]]:
    """The events that stand beside the samples, one JSON object a line: ``{"event": …, "data": …}``."""
    return [json.loads(line) for line in (folder / EXPECTED).read_text(encoding="utf-8").splitlines()]


def adapter_suite(
    folder: Path, prepare: Prepare = lambda folder, monkeypatch: None
) -> tuple[Callable[[], None], Callable[..., Coroutine[Any, Any, None]]]:
    """Two tests for an adapter's folder. ``prepare`` puts the samples where the contract finds them (variables,
    databases).
    """

    def test_contract() -> None:
        """`bus check` finds no fault that lies in this contract alone."""
        faults = lint([load(folder / "adapter.toml")], Catalogue.load())
        assert not [str(fault) for fault in faults if fault.level == "error"]

    async def test_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The samples become the events beside them."""
        prepare(tmp_path, monkeypatch)
        events, _ = await replay(folder)
        assert events == expected(folder)

    return test_contract, test_samples
