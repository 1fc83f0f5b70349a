"""A real server with the city's streams, and a connection of its administrator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus import config
from bus.broker import streams
from bus.broker.connection import Connection
from bus.broker.publish import Message, Publisher
from bus.config import Settings
from bus.security import credentials, trust
from bus.security.credentials import Role
from bus.server import EmbeddedServer

OPD = "uji"
STREAM = "OPD_UJI"
CURSOR = "opd.uji.aplikasi.cursor.sumber"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a home of its own."""
    return config.load(home=tmp_path / "home", max_bytes=64 * 1024**2)


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[EmbeddedServer]:
    """A running server."""
    trust.establish(settings.home)
    credentials.issue(settings.home, [])
    embedded = EmbeddedServer(settings.home)
    await embedded.start()
    yield embedded
    await embedded.stop()


@pytest.fixture
async def connection(server: EmbeddedServer, settings: Settings) -> AsyncIterator[Connection]:
    """The administrator's connection, with the streams made."""
    credential = credentials.path(settings.home, Role.ADMIN)
    opened = await Connection.open(server.url, name="test", inbox=credentials.inbox(Role.ADMIN), credential=credential)
    await streams.apply(opened, settings, [OPD], [])
    yield opened
    await opened.close()


@pytest.fixture
def publisher(connection: Connection) -> Publisher:
    """A publisher on it."""
    return Publisher(connection)


def event(number: int, *, key: str = "k", body: bytes = b"{}") -> Message:
    """A message on the subject of an event."""
    return Message.of(f"opd.uji.aplikasi.uji.baris.berubah.v1.{key}", body, f"id-{number}", {"ce-id": f"id-{number}"})


def cursor(state: bytes = b"{}") -> Message:
    """A cursor's message."""
    return Message.of(CURSOR, state, "")


async def count(connection: Connection) -> int:
    """Messages in the stream."""
    info = await connection.api(f"STREAM.INFO.{STREAM}")
    return int(info["state"]["messages"])


async def reconnected(connection: Connection) -> None:
    """Waits until the client has found the server again."""
    async with asyncio.timeout(20):
        while not connection.connected:  # noqa: ASYNC110 - the client has no event for it
            await asyncio.sleep(0.05)
