"""A running server with the three offices' streams and consumers, one for each module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from bus.security import credentials, trust
from bus.security.credentials import Role
from bus.server import EmbeddedServer
from tests.bus.security.offices import city, desk, provision


@dataclass
class Hall:
    """Where the keys are, and where the server is."""

    home: Path
    server: EmbeddedServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hall]:
    """A provisioned city."""
    home = tmp_path_factory.mktemp("hall") / "home"
    trust.establish(home)
    credentials.issue(home, city())
    server = EmbeddedServer(home)
    await server.start()
    try:
        async with desk(home, server.url, Role.ADMIN) as admin:
            await provision(admin, city())
        yield Hall(home, server)
    finally:
        await server.stop()
