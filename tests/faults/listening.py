"""A proxy between an adapter and nats-server that reads what the server says and may swallow it, or cut there."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from enum import Enum, auto
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

HOST = "127.0.0.1"
_SIZED = (b"MSG", b"HMSG")


class Fate(Enum):
    """What becomes of a message of the server."""

    PASS = auto()
    SWALLOW = auto()
    CUT = auto()  #: it is lost, and the connection with it


class ListeningProxy:
    """Passes on what an adapter says, and asks ``judge`` about each message of the server (its payload)."""

    def __init__(self, server: str, judge: Callable[[bytes], Fate]) -> None:
        address = urlsplit(server)
        self._target = (address.hostname, address.port)
        self._judge = judge
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where adapters connect."""
        assert self._server is not None
        return f"nats://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        directions = [
            asyncio.create_task(_pass_on(reader, far_writer)),
            asyncio.create_task(self._judged(far_reader, writer)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in directions:
                each.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            for end in (writer, far_writer):
                end.transport.abort()
            self._tasks.discard(task)

    async def _judged(self, reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                payload = b""
                words = line.split()
                if words and words[0] in _SIZED:
                    payload = await reader.readexactly(int(words[-1]) + 2)
                fate = self._judge(payload) if payload else Fate.PASS
                if fate is Fate.CUT:
                    return
                if fate is Fate.PASS:
                    writer.write(line + payload)
                    await writer.drain()


async def _pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
