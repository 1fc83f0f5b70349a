"""The embedded server: it starts, comes back, and never outlives the bus."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.client import Client

from bus import server
from bus.errors import ConfigError, Unavailable
from bus.security import credentials, trust
from bus.security.credentials import Role
from bus.server import EmbeddedServer

_BUS = """
import asyncio, sys
from pathlib import Path
from bus.server import EmbeddedServer

async def main():
    server = EmbeddedServer(Path(sys.argv[1]))
    await server.start()
    print(server.pid, server.url, flush=True)
    await server.wait()

asyncio.run(main())
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    trust.establish(tmp_path / "home")
    credentials.issue(tmp_path / "home", [])
    return tmp_path / "home"


@pytest.fixture
async def running(home: Path) -> AsyncIterator[EmbeddedServer]:
    embedded = EmbeddedServer(home)
    await embedded.start()
    yield embedded
    await embedded.stop()


async def request(home: Path, url: str, subject: str, payload: bytes = b"") -> bytes:
    client = Client()
    await client.connect(url, user_credentials=str(credentials.path(home, Role.ADMIN)), allow_reconnect=False)
    try:
        return (await client.request(subject, payload, timeout=5)).data
    finally:
        await client.close()


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not yet collected does not."""
    try:
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except FileNotFoundError:
        return False


def listeners(port: int) -> set[str]:
    """The addresses, as the kernel writes them, at which somebody listens on this port."""
    lines = [*Path("/proc/net/tcp").read_text().splitlines(), *Path("/proc/net/tcp6").read_text().splitlines()]
    sockets = [line.split() for line in lines]
    return {each[1].partition(":")[0] for each in sockets if each[1].endswith(f":{port:04X}") and each[3] == "0A"}


async def test_jetstream_is_up_once_it_has_started(home: Path, running: EmbeddedServer) -> None:
    assert b'"streams":0' in await request(home, running.url, "$JS.API.INFO")
    assert running.url.startswith("nats://127.0.0.1:")


@pytest.mark.parametrize(("set_outside", "expected"), [(None, "200"), ("50", "50")])
async def test_its_collector_looks_less_often_unless_told_otherwise(
    home: Path, monkeypatch: pytest.MonkeyPatch, set_outside: str | None, expected: str
) -> None:
    monkeypatch.delenv("GOGC", raising=False)
    if set_outside:
        monkeypatch.setenv("GOGC", set_outside)
    embedded = EmbeddedServer(home)
    await embedded.start()
    try:
        environment = Path(f"/proc/{embedded.pid}/environ").read_bytes().split(b"\0")
    finally:
        await embedded.stop()

    assert f"GOGC={expected}".encode() in environment


async def test_nobody_comes_in_without_a_credential(running: EmbeddedServer) -> None:
    client = Client()
    errors: list[str] = []

    async def on_error(error: Exception) -> None:
        errors.append(str(error))

    with pytest.raises(Exception, match="Authorization Violation"):
        await client.connect(running.url, allow_reconnect=False, error_cb=on_error)
    await client.close()


async def test_it_listens_on_loopback_alone(running: EmbeddedServer) -> None:
    assert listeners(int(running.url.rpartition(":")[2])) == {"0100007F"}


async def test_its_folder_is_nobody_elses(home: Path, running: EmbeddedServer) -> None:
    assert stat.S_IMODE((home / "server").stat().st_mode) == 0o700


async def test_what_was_stored_survives_a_kill_and_the_port_stays(home: Path, running: EmbeddedServer) -> None:
    url = running.url
    await request(home, url, "$JS.API.STREAM.CREATE.COBA", b'{"name":"COBA","subjects":["coba.>"],"storage":"file"}')
    assert b'"seq":1' in await request(home, url, "coba.satu", b"isi")
    first = running.pid
    await running.kill()
    assert running.pid is None
    await running.start()
    assert (running.url, running.pid != first) == (url, True)
    assert b'"messages":1' in await request(home, url, "$JS.API.STREAM.INFO.COBA")


async def test_the_port_stays_over_stop_and_start(home: Path, running: EmbeddedServer) -> None:
    url = running.url
    await running.stop()
    again = EmbeddedServer(home)
    await again.start()
    try:
        assert again.url == url
    finally:
        await again.stop()


async def test_another_port_where_the_last_one_is_taken(home: Path, running: EmbeddedServer) -> None:
    url = running.url
    await running.stop()
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(url.rpartition(":")[2])))
        other.listen()
        await running.start()
        assert running.url != url


async def test_a_wanted_port_that_is_taken_is_a_clear_error(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is in use"):
            await EmbeddedServer(home, port=port).start()


async def test_a_second_one_on_the_same_home_is_refused(home: Path, running: EmbeddedServer) -> None:
    with pytest.raises(ConfigError, match=rf"a server runs on this home already \(process {os.getpid()}\)"):
        await EmbeddedServer(home).start()
    assert b'"streams":0' in await request(home, running.url, "$JS.API.INFO")  # the first one is unharmed


async def test_other_processes_find_it_while_it_runs(home: Path) -> None:
    assert server.running(home) is None
    embedded = EmbeddedServer(home)
    await embedded.start()
    assert server.running(home) == embedded.url
    await embedded.kill()
    assert server.running(home) is None
    await embedded.stop()
    assert server.running(home) is None


async def test_without_trust_it_says_who_makes_it(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"trust\.json: no operator and accounts for the server \(`bus up` makes them\)"
    ):
        await EmbeddedServer(tmp_path).start()


async def test_an_early_death_says_why(home: Path) -> None:
    (home / "server" / "trust.json").write_text('{"operator": "bukan-jwt"}')
    embedded = EmbeddedServer(home)
    with pytest.raises(ConfigError, match=r"nats\.log: nats-server ended: .*(operator|JWT|jwt)"):
        await embedded.start()
    assert embedded.pid is None
    trust.establish(home)  # writes it anew; the home is free again
    await embedded.start()
    await embedded.stop()


async def test_a_death_in_service_ends_the_wait(running: EmbeddedServer) -> None:
    watching = asyncio.create_task(running.wait())
    assert running.pid is not None
    os.kill(running.pid, signal.SIGKILL)
    with pytest.raises(Unavailable, match=r"nats-server ended \(code -9\)"):
        await asyncio.wait_for(watching, 10)


async def test_stop_ends_the_wait_in_peace(running: EmbeddedServer) -> None:
    watching = asyncio.create_task(running.wait())
    await asyncio.sleep(0)
    await running.stop()
    await asyncio.wait_for(watching, 10)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_it_does_not_outlive_the_bus_and_its_home_is_taken_over(home: Path, how: signal.Signals) -> None:
    bus = await asyncio.create_subprocess_exec(sys.executable, "-c", _BUS, str(home), stdout=subprocess.PIPE)
    assert bus.stdout is not None
    pid, url = (await bus.stdout.readline()).decode().split()
    assert server.running(home) == url
    bus.send_signal(how)
    await asyncio.wait_for(bus.wait(), 10)
    successor = EmbeddedServer(home)
    await successor.start()  # waits until the orphan has let go of the store
    try:
        assert successor.url == url
        assert not alive(int(pid))
    finally:
        await successor.stop()


def test_the_binary_comes_from_the_wheel() -> None:
    assert server.find_binary().is_relative_to(Path(sys.prefix).resolve())


def test_a_missing_binary_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ConfigError, match="nats-server is not installed"):
        server.find_binary()
