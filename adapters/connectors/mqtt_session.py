"""A session with an MQTT broker (3.1.1 or 5) that lasts; its messages are acknowledged when they are stored.

paho-mqtt speaks the protocol, the event loop tells it when its socket is ready. A session stays with the broker while
nobody is connected, and what comes in meanwhile is sent afterwards.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from bus.errors import AccessError, BusError, ConfigError, Unavailable

BURST = 64  #: packets that are read before others have their turn
LARGEST = 16 * 1024 * 1024  #: bytes that wait; nothing more is read while there are more
TIMERS = 1.0  #: seconds between two looks at the keepalive

_REFUSED_USER = frozenset((0x86, 0x87, 0x8A, 0x8C))  # of MQTT 5; paho translates those of 3.1.1
_PROTOCOL, _CLIENT_ID, _QUOTA, _MOVED = 0x84, 0x85, 0x97, frozenset((0x9C, 0x9D))
_TAKEN_OVER = 0x8E


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is, and how it is met."""

    host: str
    port: int
    client_id: str
    filter: str
    username: str | None
    password: str | None
    tls: ssl.SSLContext | None
    version5: bool
    expiry: int  #: seconds that the broker keeps the session
    window: int  #: messages that may be unacknowledged
    keepalive: int  #: seconds
    timeout: float  #: seconds
    where: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``again``: it was sent before and not acknowledged. ``number`` is 0 at QoS 0."""

    number: int
    topic: str
    payload: bytes
    again: bool
    arrived: datetime = field(default_factory=lambda: datetime.now(UTC))


class _ClosedOnFailure(ssl.SSLSocket):
    """A socket that paho forgets where TLS is not agreed on."""

    def do_handshake(self, block: bool = False) -> None:
        """Agrees on TLS. Raises OSError."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class Session:
    """One connection of a session that may have had others before."""

    def __init__(self, broker: Broker) -> None:
        self._broker, self._where = broker, broker.where
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._held: set[int] = set()  # numbers that are not acknowledged
        self._known = False  # whether the broker had the session
        self.received = 0  #: messages so far
        self._lost: BusError | None = None
        self._arrived = asyncio.Event()
        self._connected: asyncio.Future[ReasonCode] = self._loop.create_future()
        self._subscribed: asyncio.Future[ReasonCode] = self._loop.create_future()
        self._timers: asyncio.Task[None] | None = None
        self._watched: Any = None  # the socket that the loop watches
        self._paused = self._closing = False
        self._client = self._made()

    def _made(self) -> Client:
        broker = self._broker
        version = MQTTProtocolVersion.MQTTv5 if broker.version5 else MQTTProtocolVersion.MQTTv311
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            clean_session=None if broker.version5 else False,
            protocol=version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = broker.timeout
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            broker.tls.sslsocket_class = _ClosedOnFailure
            client.tls_set_context(broker.tls)
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_message, client.on_disconnect = self._on_message, self._on_disconnect
        client.on_socket_close = lambda *_: self._unwatch()
        return client

    # --- opening and closing

    async def open(self, former: str = "") -> bool:
        """Connects and subscribes, no longer to the former filter; returns whether the broker knew the session.

        Raises BusError.
        """
        connecting = self._loop.run_in_executor(None, self._connect)
        try:
            await asyncio.shield(connecting)
        except asyncio.CancelledError:
            connecting.add_done_callback(lambda _: self._drop())
            raise
        self._watched = self._client.socket()
        if self._watched is None:
            self.check()
            raise Unavailable("the broker ends the connection at once", where=self._where)
        self._loop.add_reader(self._watched, self._readable)
        self._timers = asyncio.create_task(self._keep_alive())
        self._judge_connection(await self._answer(self._connected))
        if former and former != self._broker.filter:
            self._client.unsubscribe(former)
        self._subscribe()
        self._flush()
        if not self._known:  # a session's backlog comes first, and may be larger than what is read at a time
            await self._answer(self._subscribed)
        return self._known

    def _connect(self) -> None:
        """Runs in a thread: names are resolved and TLS is agreed on with a socket that blocks."""
        broker, properties = self._broker, None
        if broker.version5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval, properties.ReceiveMaximum = broker.expiry, broker.window
        clean: Any = {"clean_start": False} if broker.version5 else {}
        try:
            self._client.connect(broker.host, broker.port, broker.keepalive, properties=properties, **clean)
        except ssl.SSLCertVerificationError:
            raise ConfigError(
                "the broker's certificate is not trusted", where=self._where, hint="check the host in `url`, and `ca`"
            ) from None
        except (OSError, ValueError) as error:  # a name that no host can have is a ValueError
            raise Unavailable(
                f"the broker cannot be reached ({type(error).__name__})", where=self._where, hint="is it running?"
            ) from None

    async def _answer(self, answer: asyncio.Future[ReasonCode]) -> ReasonCode:
        try:
            async with asyncio.timeout(self._broker.timeout):
                return await answer
        except TimeoutError:
            raise Unavailable(
                f"the broker does not answer within {self._broker.timeout:g} s", where=self._where
            ) from None

    def _judge_connection(self, answer: ReasonCode) -> None:
        if not answer.is_failure:
            return
        told = f"the broker refuses the connection ({answer.getName()})"
        if answer.value in _REFUSED_USER:
            raise AccessError(told, where=self._where, hint="check username and password")
        if answer.value == _PROTOCOL:
            other = "3.1.1" if self._broker.version5 else "5"
            raise ConfigError(told, where=self._where, hint=f'write protocol = "{other}"')
        if answer.value == _CLIENT_ID:
            raise ConfigError(told, where=self._where, hint="write another client_id")
        if answer.value in _MOVED:
            raise ConfigError(told, where=self._where, hint="write its new address into the contract")
        raise Unavailable(told, where=self._where)

    def _subscribe(self) -> None:
        """Subscribing again changes nothing for a session that has the subscription.

        MQTT 5 sends retained messages to a new subscription alone; 3.1.1 sends them each time, and they are dropped
        where they say what was said before.
        """
        if self._broker.version5:
            options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE)
            self._client.subscribe(self._broker.filter, options=options)
        else:
            self._client.subscribe(self._broker.filter, qos=1)

    async def close(self) -> None:
        """Ends the connection; the session stays. Never raises."""
        self._closing = True
        for answer in (self._connected, self._subscribed):
            answer.cancel()
        if self._timers is not None:
            self._timers.cancel()
            await asyncio.gather(self._timers, return_exceptions=True)
        self._client.disconnect()
        self._drop()

    def _drop(self) -> None:
        """Closes the socket, whatever is on its way through it."""
        self._unwatch()
        if (socket := self._client.socket()) is not None:
            socket.close()

    # --- what the source uses

    async def arrival(self, seconds: float) -> None:
        """Returns when messages wait, at the latest after some seconds. Raises BusError where the line is lost."""
        if not self._waiting and self._lost is None:
            self._arrived.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._arrived.wait()
            except TimeoutError:
                pass
        self.check()

    def check(self) -> None:
        """Raises BusError where the connection is lost."""
        if self._lost is not None:
            raise self._lost

    @property
    def waiting(self) -> int:
        """Messages that have arrived and not been taken."""
        return len(self._waiting)

    @property
    def unacknowledged(self) -> int:
        """Messages that the broker waits to have acknowledged."""
        return len(self._held)

    @property
    def oldest(self) -> datetime | None:
        """When the first message that waits has arrived."""
        return self._waiting[0].arrived if self._waiting else None

    def take(self, at_most: int) -> list[Message]:
        """The next messages, in the order of their arrival."""
        taken = [self._waiting.popleft() for _ in range(min(at_most, len(self._waiting)))]
        self._bytes -= sum(len(message.payload) for message in taken)
        self._resume()
        return taken

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Tells the broker that it may forget these. Raises BusError where the connection is lost."""
        self.check()
        for message in messages:
            if message.number in self._held:
                self._held.remove(message.number)
                self._client.ack(message.number, 1)
        self._flush()
        self._resume()
        self.check()

    # --- the socket

    def _readable(self) -> None:
        """Reads what is there; stops where a packet brings no message, and where enough wait."""
        try:
            for _ in range(BURST):
                before, socket = len(self._waiting), self._client.socket()
                if socket is None or self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    return
                if self._full:
                    self._pause()
                    return
                pending = getattr(socket, "pending", None)  # what TLS has read ahead no selector tells of
                if len(self._waiting) == before and not (pending and pending()):
                    return
        except Exception as error:  # whatever a broker sends, it ends this connection alone
            self._lose(Unavailable(f"the broker's packet cannot be read ({type(error).__name__})", where=self._where))
            self._drop()
        finally:
            self._flush()

    @property
    def _full(self) -> bool:
        """Whether enough waits. MQTT 5 keeps to the window by itself, but for messages at QoS 0."""
        return len(self._waiting) >= 2 * self._broker.window or self._bytes >= LARGEST

    def _pause(self) -> None:
        if self._watched is not None and not self._paused:
            self._paused = True
            self._loop.remove_reader(self._watched)

    def _resume(self) -> None:
        if self._paused and not self._full and self._watched is not None:
            self._paused = False
            self._loop.add_reader(self._watched, self._readable)
            self._loop.call_soon(self._readable)

    def _flush(self) -> None:
        """Has the loop tell when there is room for what could not be written at once."""
        if self._watched is None:
            return
        if self._client.want_write():
            self._loop.add_writer(self._watched, self._writable)
        else:
            self._loop.remove_writer(self._watched)

    def _writable(self) -> None:
        self._client.loop_write()
        self._flush()

    def _unwatch(self) -> None:
        if self._watched is not None:
            watched, self._watched = self._watched, None
            if watched.fileno() != -1:
                self._loop.remove_reader(watched)
                self._loop.remove_writer(watched)

    async def _keep_alive(self) -> None:
        while self._client.loop_misc() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._flush()
            await asyncio.sleep(TIMERS)

    # --- what paho tells

    def _on_connect(
        self, _client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._known = bool(flags.session_present)
        if not self._connected.done():
            self._connected.set_result(reason)

    def _on_subscribe(
        self, _client: Client, _data: Any, _number: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        (answer,) = reasons
        if answer.is_failure:
            self._lose(
                AccessError(
                    f"the broker refuses the subscription ({answer.getName()})",
                    where=self._where,
                    hint="check the topic, and what the user may read",
                )
            )
        elif not self._subscribed.done():
            self._subscribed.set_result(answer)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if message.qos:
            if message.mid in self._held:
                return  # some brokers repeat what is not acknowledged soon, on the same connection
            self._held.add(message.mid)
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "\N{REPLACEMENT CHARACTER}"  # fits no topic of a contract: a dead letter
        arrived = Message(message.mid if message.qos else 0, topic, bytes(message.payload), bool(message.dup))
        self.received += 1
        self._waiting.append(arrived)
        self._bytes += len(arrived.payload)
        self._arrived.set()

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if self._closing:
            return
        if not flags.is_disconnect_packet_from_server:
            hint = "where this repeats, another client has the same client_id"
            self._lose(Unavailable("the connection to the broker is lost", where=self._where, hint=hint))
        elif reason.value in _REFUSED_USER:
            told = f"the broker ends the connection ({reason.getName()})"
            self._lose(AccessError(told, where=self._where, hint="check what the user may do"))
        else:
            hint = "another client has the same client_id" if reason.value == _TAKEN_OVER else ""
            self._lose(
                Unavailable(f"the broker ends the connection ({reason.getName()})", where=self._where, hint=hint)
            )

    def _lose(self, error: BusError) -> None:
        self._lost = self._lost or error
        self._arrived.set()
        for answer in (self._connected, self._subscribed):
            if not answer.done():
                answer.set_exception(error)
                answer.exception()  # whether or not anybody waits for it
