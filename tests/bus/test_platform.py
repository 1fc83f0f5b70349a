"""The bus's own process: what it does when its server can store no more."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bus import config, platform
from bus.broker.publish import Message, Publisher
from bus.contracts import Contract
from bus.errors import Unavailable
from bus.platform import Platform, administrator, ailment
from bus.security import credentials
from bus.testing.lines import until

CONTRACT = {"app": "a", "opd": "uji", "title": "-", "owner": "-", "contact": "-", "stage": "pilot"}
LETTER = b"x" * 5_000


async def test_a_server_that_has_given_up_on_a_stream_is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was full once; here the size of files is limited, for a moment."""
    monkeypatch.setattr(platform, "LOOK", 0.1)
    settings = config.load(home=tmp_path / "bus", log_level="ERROR", max_bytes=2**20)
    first = Platform(settings, [Contract.model_validate(CONTRACT)], indexed=False)
    await first.start()
    try:
        waiting = asyncio.create_task(first.wait())
        await _overfill(first, settings)
        async with asyncio.timeout(20):
            with pytest.raises(Unavailable, match="has stopped storing"):
                await waiting
    finally:
        await first.stop()

    again = Platform(settings, [Contract.model_validate(CONTRACT)], indexed=False)
    await again.start()
    try:
        assert await ailment(settings, again.url) == ""
        async with administrator(settings, again.url) as connection:
            assert (await Publisher(connection).send(Message.of("dlq.uji.a.b", LETTER, "third"))).stream == "DLQ"
    finally:
        await again.stop()


async def test_a_server_that_does_not_tell_its_health_is_let_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "LOOK", 0.05)
    settings = config.load(home=tmp_path / "bus", log_level="WARNING")
    running = Platform(settings, [Contract.model_validate(CONTRACT)], indexed=False)
    await running.start()
    try:
        credentials.path(settings.home, credentials.Role.SYSTEM).write_text("not a credential")
        with capture_logs() as said:
            waiting = asyncio.create_task(running.wait())
            await until(lambda: len(said) >= 2)
        assert {each["event"] for each in said} == {"the server cannot be asked how it is"}
        assert not waiting.done()
        waiting.cancel()
    finally:
        await running.stop()


async def _overfill(running: Platform, settings: config.Settings) -> None:
    """Lets one message fail to be written."""
    assert running.server is not None
    assert running.server.pid is not None
    assert await ailment(settings, running.url) == ""
    async with administrator(settings, running.url) as connection:
        publisher = Publisher(connection, timeout=1.0)
        await publisher.send(Message.of("dlq.uji.a.b", LETTER, "first"))
        limits = resource.prlimit(running.server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(running.server.pid, resource.RLIMIT_FSIZE, (len(LETTER) + 1_000, limits[1]))
        with pytest.raises(Unavailable, match="no acknowledgement"):
            await publisher.send(Message.of("dlq.uji.a.b", LETTER, "second"))
        resource.prlimit(running.server.pid, resource.RLIMIT_FSIZE, limits)
    assert "write error" in await ailment(settings, running.url)
