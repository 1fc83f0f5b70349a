"""paho-mqtt's client in the event loop: its socket is read while there is room, written when it must, and timed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

BURST = 250  #: packets that are read before others have their turn
TIMERS = 1.0  #: seconds between two looks at the keepalive


class ClosedOnFailure(ssl.SSLSocket):
    """A socket that paho forgets where TLS is not agreed on."""

    def do_handshake(self, block: bool = False) -> None:
        """Agrees on TLS. Raises OSError."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class Wire:
    """The socket of a client. ``count`` says how many messages it has brought, ``full`` whether more have no room.

    ``broken`` is told what a packet could not be read for; the socket is closed then.
    """

    def __init__(
        self, client: Client, count: Callable[[], int], full: Callable[[], bool], broken: Callable[[Exception], None]
    ) -> None:
        self._client, self._count, self._full, self._broken = client, count, full, broken
        self._loop = asyncio.get_running_loop()
        self._timers: asyncio.Task[None] | None = None
        self._watched: Any = None  # the socket that the loop watches
        self._paused = False
        client.on_socket_close = lambda *_: self._unwatch()

    async def connect(self, connect: Callable[[], None]) -> bool:
        """Connects, in a thread, and watches the socket; False where it is closed already. Raises what that raises."""
        connecting = self._loop.run_in_executor(None, connect)
        try:
            await asyncio.shield(connecting)
        except asyncio.CancelledError:
            connecting.add_done_callback(lambda _: self.drop())
            raise
        self._watched = self._client.socket()
        if self._watched is None:
            return False
        self._loop.add_reader(self._watched, self._readable)
        self._timers = asyncio.create_task(self._keep_alive())
        return True

    async def close(self) -> None:
        """Ends the connection in order."""
        if self._timers is not None:
            self._timers.cancel()
            await asyncio.gather(self._timers, return_exceptions=True)
        self._client.disconnect()
        self.drop()

    def drop(self) -> None:
        """Closes the socket, whatever is on its way through it."""
        self._unwatch()
        if (socket := self._client.socket()) is not None:
            socket.close()

    def resume(self) -> None:
        """Reads on where there was no room and is now."""
        if self._paused and not self._full() and self._watched is not None:
            self._paused = False
            self._loop.add_reader(self._watched, self._readable)
            self._loop.call_soon(self._readable)

    def flush(self) -> None:
        """Has the loop tell when there is room for what could not be written at once."""
        if self._watched is None:
            return
        if self._client.want_write():
            self._loop.add_writer(self._watched, self._writable)
        else:
            self._loop.remove_writer(self._watched)

    def _readable(self) -> None:
        """Reads what is there; stops where a packet brings no message, and where there is no room."""
        try:
            for _ in range(BURST):
                before, socket = self._count(), self._client.socket()
                if socket is None or self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    return
                if self._full():
                    self._pause()
                    return
                pending = getattr(socket, "pending", None)  # what TLS has read ahead no selector tells of
                if self._count() == before and not (pending and pending()):
                    return
        except Exception as error:  # whatever a broker sends, it ends this connection alone
            self._broken(error)
            self.drop()
        finally:
            self.flush()

    def _pause(self) -> None:
        if self._watched is not None and not self._paused:
            self._paused = True
            self._loop.remove_reader(self._watched)

    def _writable(self) -> None:
        self._client.loop_write()
        self.flush()

    def _unwatch(self) -> None:
        if self._watched is not None:
            watched, self._watched = self._watched, None
            if watched.fileno() != -1:
                self._loop.remove_reader(watched)
                self._loop.remove_writer(watched)

    async def _keep_alive(self) -> None:
        while self._client.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self.flush()
            await asyncio.sleep(TIMERS)
