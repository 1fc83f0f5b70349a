"""Opening a connection."""

from __future__ import annotations

import asyncio

import pytest
from faststream.nats import NatsBroker

from bus.broker.connection import Connection


async def test_being_told_to_end_while_the_connection_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C at the very moment of the failure, which asyncio's wait_for may lose, is no failure."""
    connecting, failing = asyncio.Event(), asyncio.Event()

    async def connect(_broker: NatsBroker) -> None:
        connecting.set()
        await failing.wait()
        raise OSError

    monkeypatch.setattr(NatsBroker, "connect", connect)
    opening = asyncio.create_task(Connection.open("nats://127.0.0.1:1", name="uji"))
    await connecting.wait()
    failing.set()
    await asyncio.sleep(0)  # it has failed, and nobody has been told yet
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
