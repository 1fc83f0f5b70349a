"""A TCP proxy between a client and a server, for tests of what a network does to connections."""

from __future__ import annotations

import asyncio
import socket
import struct
from asyncio import StreamReader, StreamWriter
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.servers.server import HOST

CHUNK = 65536
IN_FLIGHT = 64  #: chunks that wait for their delay, per direction; the sender is slowed down at more


class Proxy:
    """Passes connections on to ``host:port``; may delay, cut, refuse and freeze them. Lives in the test's event loop.

    ``delay`` is the latency in seconds, each way; it may change at any time. ``connections`` counts those that are
    open, ``accepted`` all so far.
    """

    def __init__(self, port: int, *, host: str = HOST) -> None:
        self.target = (host, port)
        self.port = 0
        self.delay = 0.0
        self.accepted = 0
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._connections: dict[asyncio.Task[None], tuple[StreamWriter, ...]] = {}
        self._disturbing: asyncio.Task[None] | None = None
        self._late: set[asyncio.Task[None]] = set()  # the open connections on which something came late
        self._suffered = 0

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.calm()
        await self.refuse()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def suffered(self) -> int:
        """How many connections were cut after something on them had come late."""
        return self._suffered

    def url(self, url: str) -> str:
        """The same URL by way of this proxy."""
        parts = urlsplit(url)
        credentials, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{credentials}{at}{HOST}:{self.port}").geturl()

    async def accept(self) -> None:
        """Listens, on the same port as before. Does nothing where it does already."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, HOST, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Refuses new connections and cuts those that are open, as when the machine behind is switched off."""
        if self._server is not None:
            self._server.close()
            await self.cut()
            await self._server.wait_closed()
            self._server = None

    async def cut(self) -> None:
        """Resets the open connections; new ones are accepted."""
        tasks = dict(self._connections)
        self._suffered += len(self._late & tasks.keys())
        for task, writers in tasks.items():
            for writer in writers:
                _reset_on_close(writer)
                writer.transport.abort()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def disturb(self, *, delay: float = 0.002, cuts: int = 5, every: float = 0.2) -> None:
        """A bad line: everything is late, and ``cuts`` times, ``every`` so many seconds, all connections are reset;
        a time when there is none does not count.
        """

        async def cutting() -> None:
            done = 0
            while done < cuts:
                await asyncio.sleep(every)
                done += bool(self._connections)
                await self.cut()

        await self.calm()
        self.delay = delay
        self._disturbing = asyncio.create_task(cutting())

    async def calm(self) -> None:
        """A good line again."""
        self.delay = 0.0
        if self._disturbing is not None:
            self._disturbing.cancel()
            await asyncio.gather(self._disturbing, return_exceptions=True)
            self._disturbing = None

    def freeze(self) -> None:
        """Holds every byte back, both ways, and closes nothing: a peer that is silent."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Lets the held bytes go on."""
        self._flowing.set()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self.accepted += 1
        self._connections[task] = (writer,)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
            self._connections[task] = (writer, far_writer)
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._pass_on(reader, far_writer, task))
                directions.create_task(self._pass_on(far_reader, writer, task))
            for each in (far_writer, writer):
                each.close()
                await each.wait_closed()  # not before the last bytes are out
        except (OSError, ExceptionGroup):
            pass  # one side is gone: the other learns it below
        except asyncio.CancelledError:
            pass  # cut() has asked for it
        finally:
            self._late.discard(task)
            for each in self._connections.pop(task):
                each.transport.abort()

    async def _pass_on(self, reader: StreamReader, writer: StreamWriter, connection: asyncio.Task[None]) -> None:
        """One direction, until its end; a half-closed connection stays half-closed."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(IN_FLIGHT)

        async def receive() -> None:
            while True:
                chunk = await reader.read(CHUNK)
                await waiting.put((loop.time() + self.delay, chunk))
                if not chunk:
                    return

        async def send() -> None:
            while True:
                due, chunk = await waiting.get()
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                    self._late.add(connection)
                await self._flowing.wait()
                if not chunk:
                    writer.write_eof()
                    return
                writer.write(chunk)
                await writer.drain()

        async with asyncio.TaskGroup() as halves:
            halves.create_task(receive())
            halves.create_task(send())


def _reset_on_close(writer: StreamWriter) -> None:
    """Makes the end of a connection a reset (RST), where it would be an orderly one."""
    connection: socket.socket = writer.get_extra_info("socket")
    if connection.fileno() != -1:  # closed by its peer meanwhile: nothing to reset
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
