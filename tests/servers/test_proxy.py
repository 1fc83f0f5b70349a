"""The proxy disturbs connections as it says."""

from __future__ import annotations

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.servers.proxy import Proxy
from tests.servers.server import HOST


async def _echo(reader: StreamReader, writer: StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass  # the proxy has cut it
    finally:
        writer.close()


@pytest_asyncio.fixture
async def way() -> AsyncIterator[Proxy]:
    """A proxy in front of a server that echoes."""
    server = await asyncio.start_server(_echo, HOST, 0)
    async with Proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    server.close()
    await server.wait_closed()


async def _ask(reader: StreamReader, writer: StreamWriter, question: bytes = b"ping") -> bytes:
    writer.write(question)
    return await reader.readexactly(len(question))


async def test_passes_bytes_on_in_order_and_ends_with_the_client(way: Proxy) -> None:
    reader, writer = await asyncio.open_connection(HOST, way.port)
    question = bytes(range(256)) * 4000
    sending = asyncio.create_task(writer.drain())
    assert await _ask(reader, writer, question) == question
    await sending
    assert (way.connections, way.accepted) == (1, 1)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()


async def test_delays_each_way_without_slowing_the_flow(way: Proxy) -> None:
    reader, writer = await asyncio.open_connection(HOST, way.port)
    way.delay = 0.1
    begun = time.monotonic()
    assert await _ask(reader, writer, b"x" * 1_000_000) == b"x" * 1_000_000
    assert 0.2 <= time.monotonic() - begun < 2
    writer.close()


async def test_cuts_and_accepts_again(way: Proxy) -> None:
    reader, writer = await asyncio.open_connection(HOST, way.port)
    await _ask(reader, writer)
    await way.cut()
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    assert way.connections == 0
    writer.close()
    reader, writer = await asyncio.open_connection(HOST, way.port)
    assert await _ask(reader, writer) == b"ping"
    writer.close()


async def test_counts_the_connections_that_were_cut_after_they_were_late(way: Proxy) -> None:
    for delay, suffered in ((0.0, 0), (0.001, 1), (0.0, 1)):
        way.delay = delay
        reader, writer = await asyncio.open_connection(HOST, way.port)
        await _ask(reader, writer)
        await way.cut()
        assert way.suffered() == suffered
        writer.close()


async def test_refuses_and_listens_again_on_the_same_port(way: Proxy) -> None:
    port = way.port
    await way.refuse()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(HOST, port)
    await way.accept()
    reader, writer = await asyncio.open_connection(HOST, port)
    assert await _ask(reader, writer) == b"ping"
    writer.close()


async def test_freezes_and_thaws(way: Proxy) -> None:
    reader, writer = await asyncio.open_connection(HOST, way.port)
    way.freeze()
    answer = asyncio.create_task(_ask(reader, writer))
    done, _ = await asyncio.wait([answer], timeout=0.3)
    assert not done
    way.thaw()
    assert await answer == b"ping"
    writer.close()


async def test_closes_at_once_where_nobody_listens_behind(way: Proxy) -> None:
    unused = await asyncio.start_server(_echo, HOST, 0)
    port = unused.sockets[0].getsockname()[1]
    unused.close()
    await unused.wait_closed()
    async with Proxy(port) as proxy:
        reader, writer = await asyncio.open_connection(HOST, proxy.port)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()


def test_rewrites_urls() -> None:
    proxy = Proxy(5432)
    proxy.port = 7000
    assert proxy.url("postgresql://bus:bus@127.0.0.1:5432/db?x=1") == f"postgresql://bus:bus@{HOST}:7000/db?x=1"
    assert proxy.url("nats://localhost:4222") == f"nats://{HOST}:7000"
