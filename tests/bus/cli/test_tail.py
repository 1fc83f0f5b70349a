"""``bus tail``: headers of events as they are stored, until Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from .office import DIED, STOPPED, Office

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def tailing(office: Office, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command as a process; it is there when its first event is."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bus", "tail", *arguments, "--home", str(office.home)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line(office: Office, process: asyncio.subprocess.Process, serial: int) -> str:
    """The first line that the command prints. Deaths are stored until it does: its reading begins unseen."""
    assert process.stdout is not None
    reading = asyncio.create_task(process.stdout.readline())
    for number in range(serial, serial + 60):
        office.register.dies(f"35710101016{number:05}", "2026-04-01")
        done, _ = await asyncio.wait({reading}, timeout=0.5)
        if done:
            return reading.result().decode()
    raise AssertionError("nothing was shown within 30 s")


async def test_a_line_per_event_and_a_clean_end(office: Office) -> None:
    async with tailing(office) as process:
        text = await line(office, process, 100)
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert DIED in text or STOPPED in text
    assert "357101" not in text
    assert (process.returncode, errors) == (0, b"")


async def test_json_lines_of_one_type(office: Office) -> None:
    async with tailing(office, "--json", "--type", STOPPED) as process:
        event = json.loads(await line(office, process, 200))
    assert event["type"] == f"id.go.kedirikota.{STOPPED}"
    assert (event["source"], event["stream"], event["hop"]) == ("/kediri/dinsos/bansos", "OPD_DINSOS", "1")
    assert event["stored"].endswith("+00:00")


async def test_a_wrong_type_gets_one_line(office: Office) -> None:
    result = await office.bus("tail", "--type", "meninggal", code=2)
    assert "is not the name of an event type" in result.stderr
    assert "no stream to read" in (await office.bus("tail", "--app", "dinkes/puskesmas", code=2)).stderr
