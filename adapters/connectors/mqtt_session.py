"""A session with an MQTT broker (3.1.1 or 5) that lasts; its messages are acknowledged when they are stored.

paho-mqtt speaks the protocol (aiomqtt, which wraps it, acknowledges by itself). A session stays with the broker while
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
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from adapters.connectors.mqtt_reasons import ended, lost, not_subscribed, refused
from adapters.connectors.mqtt_wire import ClosedOnFailure, Wire
from bus.errors import BusError, ConfigError, Unavailable

LARGEST = 16 * 1024 * 1024  #: bytes that wait; nothing more is read while there are more


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
        self._closing = False
        self._client = self._made()
        self._wire = Wire(self._client, lambda: self.received, self._full, self._broken)

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
            broker.tls.sslsocket_class = ClosedOnFailure
            client.tls_set_context(broker.tls)
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_message, client.on_disconnect = self._on_message, self._on_disconnect
        return client

    # --- opening and closing

    async def open(self, former: str = "") -> bool:
        """Connects and subscribes, no longer to the former filter; returns whether the broker knew the session.

        Raises BusError.
        """
        if not await self._wire.connect(self._connect):
            self.check()
            raise Unavailable("the broker ends the connection at once", where=self._where)
        answer = await self._answer(self._connected)
        if answer.is_failure:
            raise refused(answer, self._where, version5=self._broker.version5)
        if former and former != self._broker.filter:
            self._client.unsubscribe(former)
        self._subscribe()
        self._wire.flush()
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

    def _subscribe(self) -> None:
        """Subscribing again changes nothing for a session that has the subscription, but brings what is retained.

        That is dropped where it says what was said before; what was retained meanwhile at QoS 0 is told by it alone.
        """
        self._client.subscribe(self._broker.filter, qos=1)

    async def close(self) -> None:
        """Ends the connection; the session stays. Never raises."""
        self._closing = True
        for answer in (self._connected, self._subscribed):
            answer.cancel()
        await self._wire.close()

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
        self._wire.resume()
        return taken

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Tells the broker that it may forget these. Raises BusError where the connection is lost."""
        self.check()
        for message in messages:
            if message.number in self._held:
                self._held.remove(message.number)
                self._client.ack(message.number, 1)
        self._wire.flush()
        self._wire.resume()
        self.check()

    # --- what the wire asks and tells

    def _full(self) -> bool:
        """Whether enough waits. MQTT 5 keeps to the window by itself, but for messages at QoS 0."""
        return len(self._waiting) >= 2 * self._broker.window or self._bytes >= LARGEST

    def _broken(self, error: Exception) -> None:
        self._lose(Unavailable(f"the broker's packet cannot be read ({type(error).__name__})", where=self._where))

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
            self._lose(not_subscribed(answer, self._where))
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
        self._lose(ended(reason, self._where) if flags.is_disconnect_packet_from_server else lost(self._where))

    def _lose(self, error: BusError) -> None:
        self._lost = self._lost or error
        self._arrived.set()
        for answer in (self._connected, self._subscribed):
            if not answer.done():
                answer.set_exception(error)
                answer.exception()  # whether or not anybody waits for it
