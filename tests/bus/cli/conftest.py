"""One running bus for all tests of commands: a real embedded server, real adapters."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from rich.console import Console

from bus import config
from bus.app import Adapter
from bus.cli import output
from bus.contracts import load_all
from bus.events import Catalogue
from bus.observability import logging
from bus.platform import Platform
from bus.running import announced

from .office import Office, Register, eventually, write_contracts


@pytest.fixture(scope="package", autouse=True)
def quiet_logs() -> Iterator[None]:
    """Commands run inside this process, beside the adapters, whose logs are not their output."""
    before = structlog.get_config()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging, "setup", lambda _settings: None)
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), cache_logger_on_first_use=False)
        yield
    structlog.configure(**before)


@pytest.fixture
def on_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What commands print is as on a terminal of that width, without its colours."""
    terminal = partial(Console, width=80, force_terminal=True, color_system=None)
    monkeypatch.setattr(output, "console", partial(terminal, markup=False, highlight=False, emoji=False))


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def office(quiet_logs: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """The register publishes two deaths, one of which the social office refuses, and has one row that is no death."""
    root = tmp_path_factory.mktemp("city")
    departments = write_contracts(root / "departments")
    register = Register(root / "siak.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "SIAK_URL", f"sqlite:///{root / 'siak.db'}")
        settings = config.load(home=root / "home")
        contracts = load_all([departments])
        platform = Platform(settings, contracts)
        stopping = asyncio.Event()
        running: list[asyncio.Task[None]] = []
        try:
            await platform.start()
            with announced(settings.home, "up", settings.home):
                catalogue = Catalogue.load()
                started = [each for each in contracts if each.app != "pajak"]
                running = [asyncio.create_task(Adapter(each, settings, catalogue).run(stopping)) for each in started]
                made = Office(settings.home, departments, register, platform.url)
                await _fill(made, root)
                yield made
        finally:
            stopping.set()
            await asyncio.gather(*running)
            await platform.stop()


async def _fill(office: Office, root: Path) -> None:
    office.register.dies("3571010101550001", "2026-01-31")
    office.register.dies("3571010101550002", "2026-02-02")
    office.register.dies("357101010155003", "2026-03-01")  # 15 digits
    await eventually(lambda: office.json("dlq", "list"), lambda letters: len(letters) == 2)
    await eventually(lambda: office.json("status", "dinsos/bansos"), lambda it: it["applied"] == 1)
