"""A server for MLLP connections: it cuts their bytes into messages, keeps to bounds, and sends the answers."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import cast

import structlog

from adapters.connectors.hl7_frames import Frame, Frames, framed
from adapters.connectors.hl7_tls import ServerCertificates
from bus.errors import ConfigError, Unavailable

SWEEP = 0.5  #: seconds between two looks for connections that are silent

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a connection may take up."""

    largest: int  #: bytes of one message
    ahead: int  #: messages that are read before the first of them is answered
    connections: int
    whole: float  #: seconds in which a message that has begun must end, and an answer must be taken
    quiet: float  #: seconds after which a connection without a message is closed


@dataclass(slots=True, eq=False)
class Arrival:
    """A message as it came."""

    connection: Connection
    frame: Frame
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Connection(asyncio.Protocol):
    """One connection of a sender. Reading pauses while as many messages as allowed are unanswered, or nobody takes the
    answers.
    """

    def __init__(self, server: Connections) -> None:
        self._server, self._bounds = server, server.bounds
        self._frames = Frames(self._bounds.largest)
        self._waiting = self._bytes = self._skipped = 0
        self._told: set[str] = set()
        self._paused = self._unread = False
        self._moved = self._begun = 0.0  # when bytes last came or went, and when half a message or deafness began
        self._transport: asyncio.Transport | None = None
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Lets in whom the allow-list names, as long as there is room."""
        self._transport = cast(asyncio.Transport, transport)
        self.peer = str((self._transport.get_extra_info("peername") or ("",))[0])
        self._moved = asyncio.get_running_loop().time()
        if refusal := self._server.refusal(self):
            self.tell("refused a connection", reason=refusal)
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Takes bytes; whole messages go to the server."""
        self._moved = asyncio.get_running_loop().time()
        within, frames = self._frames.partial, self._frames.feed(data)
        if frames or not within:
            self._begun = self._moved
        for frame in frames:
            self._waiting += 1
            self._bytes += len(frame.content)
            self._server.arrive(Arrival(self, frame))
        if self._frames.skipped > self._skipped:
            bytes_, self._skipped = self._frames.skipped - self._skipped, self._frames.skipped
            self.tell("skipped bytes outside of messages", bytes=bytes_)
        self._flow()

    def answer(self, answers: Sequence[bytes], size: int) -> None:
        """Sends the answers to as many messages (empty: none is wanted), which had ``size`` bytes together."""
        self._waiting -= len(answers)
        self._bytes -= size
        if self._transport and not self._transport.is_closing():
            self._moved = asyncio.get_running_loop().time()
            self._transport.write(b"".join(framed(each) for each in answers if each))
            self._flow()

    def tell(self, what: str, **more: object) -> None:
        """Logs something about it, once: a device may do the same thing a thousand times."""
        if (known := f"{what} {more.get('reason', '')}") not in self._told:
            self._told.add(known)
            log.warning(what, source=self._server.where, peer=self.peer, **more)

    def pause_writing(self) -> None:
        """The peer does not take its answers."""
        self._unread = True
        self._flow()

    def resume_writing(self) -> None:
        """It takes them again."""
        self._unread = False
        self._flow()

    def connection_lost(self, exc: Exception | None) -> None:
        """What has come whole is stored all the same; its sender will send it again and be told."""
        if self._frames.partial:
            self.tell("a connection ended within a message")
        self._server.leave(self)

    def close(self) -> None:
        """Ends it; what is unanswered is sent again elsewhere."""
        if self._transport:
            self._transport.abort()

    def sweep(self, now: float) -> None:
        """Ends it if it has been silent for too long."""
        stuck = self._unread or (self._frames.partial and not self._paused)
        if not stuck and self._waiting:
            return
        if (now - self._begun > self._bounds.whole) if stuck else (now - self._moved > self._bounds.quiet):
            if stuck:
                told = "takes no answers" if self._unread else "sends half a message"
                self.tell(f"a connection {told}")
            self.close()

    def _flow(self) -> None:
        full = self._unread or self._waiting >= self._bounds.ahead or self._bytes >= self._bounds.largest
        if full == self._paused or self._transport is None or self._transport.is_closing():
            return
        self._paused = full
        self._begun = asyncio.get_running_loop().time()  # time in which it was not read is not the sender's
        if full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()


class Connections:
    """Listens, and holds the connections."""

    def __init__(
        self,
        bounds: Bounds,
        peers: Sequence[IPv4Network | IPv6Network],
        arrive: Callable[[Arrival], None],
        where: str,
    ) -> None:
        self.bounds, self.where, self.arrive = bounds, where, arrive
        self._peers = peers
        self._open: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._tls: ServerCertificates | None = None

    async def listen(self, host: str, port: int, tls: ServerCertificates | None) -> int:
        """Begins, and returns the port. Raises ConfigError, and Unavailable while another process has it."""
        loop, self._tls = asyncio.get_running_loop(), tls
        context = tls.context if tls is not None else None
        try:
            self._server = await loop.create_server(lambda: Connection(self), host, port, ssl=context)
        except OSError as error:
            told = f"cannot listen on {host}:{port} ({errno.errorcode.get(error.errno or 0, type(error).__name__)})"
            if error.errno == errno.EADDRINUSE:
                raise Unavailable(told, where=self.where, hint="another process listens there") from None
            raise ConfigError(told, where=self.where, hint="check `listen`") from None
        self._sweep()
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def close(self) -> None:
        """Ends all connections and listens no more."""
        if self._sweeping:
            self._sweeping.cancel()
        if self._server is not None:
            self._server.close()
            for connection in list(self._open):
                connection.close()
            await self._server.wait_closed()
            self._server = None

    def refusal(self, connection: Connection) -> str:
        """Why a connection is not let in; "" where it is."""
        if self._server is None or not connection.peer:
            return "gone, or closing"
        if self._peers and not any(ip_address(connection.peer.partition("%")[0]) in each for each in self._peers):
            return "not in `peers`"
        if len(self._open) >= self.bounds.connections:
            return f"more than {self.bounds.connections} connections"
        self._open.add(connection)
        return ""

    def leave(self, connection: Connection) -> None:
        """A connection has ended."""
        self._open.discard(connection)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        for connection in list(self._open):
            connection.sweep(loop.time())
        if self._tls is not None:
            self._tls.renew()
        self._sweeping = loop.call_later(SWEEP, self._sweep)
