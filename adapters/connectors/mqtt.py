"""Subscribes to a broker's topics: sensors (river level, air, traffic) over MQTT 5 or 3.1.1.

Messages are acknowledged (QoS 1) when their events are stored. The session stays with the broker under one
`client_id`: what is sent while the adapter does not run comes afterwards. At most `window` messages are on their way
at a time; while the bus cannot store, the others wait at the broker. What the broker sends again because an
acknowledgement was lost is recognised by its number and dropped.

A message is a record: the levels of its topic that have a name (`sungai/{pos}/tinggi`), and the fields of its payload,
a JSON object; of a list each element is one. A plain number or text is the field `value`. `key` names the levels and
fields that tell one thing's states from another's; without it that is the topic. A state that comes again unchanged (a
retained message after a new connection) is no event; of readings that shall each be one, the time is a field that is
mapped. An empty payload, which clears a retained message, is none. The time of arrival (`arrival`) is another one each
time: where it is mapped, `changes` of the contract says what makes an event.

It sees every message, and no deletes. A message cannot be read again: a dead letter is mended by the next message.
Its owner lets sensors publish at QoS 1 (messages at QoS 0 are lost where anything fails) and has the broker keep
messages for who is away: mosquitto with `persistence true` and `max_queued_messages 0` (it drops all but 1,000
otherwise), nats-server with `protocol = "3.1.1"` and `max_ack_pending` not above `window`. The session begins with the
first run: retained messages alone are older.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self
from urllib.parse import urlsplit

import structlog
from pydantic import Field, field_validator, model_validator

from adapters.connectors.http_records import Shape
from adapters.connectors.left_out import Skip, left_out
from adapters.connectors.mqtt_records import Decoder, Topic
from adapters.connectors.mqtt_stored import Stored
from bus.config import secret
from bus.errors import ConfigError
from bus.ports import Batch, ConnectorConfig, Context, Position, Record, Rejection, Sees, SourceState

if TYPE_CHECKING:
    from adapters.connectors.mqtt_session import Message, Session

BATCH = 500  #: messages of one batch
WINDOWS = 4  #: of messages are remembered: some brokers (mosquitto 2.0) send on while acknowledgements are on their way
KEEPALIVES = 2  #: after which a broker that has not heard of an acknowledgement would have ended the connection
PAUSE = 0.1  #: seconds that a read waits for a message
PORTS = {"mqtt": 1883, "mqtts": 8883}

log = structlog.get_logger(__name__)


class MqttConfig(ConnectorConfig):
    """Options of a source with ``connector = "mqtt"``."""

    url: str = Field(description="the broker: mqtt://host:1883, mqtts://host:8883, or by reference: env:NAME")
    topic: str = Field(description="the filter, sungai/{pos}/tinggi; {name} is a level that becomes a field, + and #")
    key: tuple[str, ...] = Field(default=(), description="levels and fields that name a thing; none: its topic")
    value: str = Field(default="value", min_length=1, description="the field of a payload that is no object")
    payload: Literal["json", "text"] = Field(default="json", description="json, or text that is taken as it is")
    optional: tuple[str, ...] = Field(default=(), description="fields that a payload may leave out: they are null then")
    skip: Skip = Field(default_factory=dict)
    watermark: str | None = Field(default=None, description="field with the time of the measurement")
    arrival: str | None = Field(
        default=None, min_length=1, description="field that gets the time of arrival, for sensors without a clock"
    )
    username: str | None = Field(default=None, description="the user, as it is or by reference: env:NAME")
    password: str | None = Field(default=None, description="its password, by reference: env:NAME")
    client_id: str | None = Field(
        default=None,
        min_length=1,
        examples=["bus-sensor"],
        description="the session's name, of this source alone; none: bus-OPD-APP-SOURCE",
    )
    protocol: Literal["5", "3.1.1"] = Field(default="5", description="5, or 3.1.1 (nats-server, old brokers)")
    expiry: int = Field(
        default=30 * 86400, ge=60, lt=2**32 - 1, description="seconds that the session stays; MQTT 5 alone"
    )
    window: int = Field(default=500, ge=1, le=1000, description="messages that may wait for an acknowledgement")
    keepalive: int = Field(default=30, ge=5, le=3600, description="seconds after which a silent connection is tried")
    timeout: float = Field(default=10, gt=0, description="seconds until an unanswered connection counts as failed")
    ca: str | None = Field(default=None, description="a PEM file with the authority that the broker trusts in")
    certificate: str | None = Field(default=None, description="a PEM file with the certificate that proves the client")
    private_key: str | None = Field(default=None, description="the PEM file with the key of `certificate`")

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        if not url.startswith(("mqtt://", "mqtts://", "env:", "file:")):
            raise ValueError("not mqtt://…, mqtts://… or a reference")
        return url

    @field_validator("topic")
    @classmethod
    def _filter(cls, topic: str) -> str:
        Topic(topic)
        return topic

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if self.password and not self.username:
            raise ValueError("a password needs a username")
        if self.private_key and not self.certificate:
            raise ValueError("a private_key needs a certificate")
        return self


class Mqtt:
    """A source over a broker's topics."""

    Config: ClassVar[type[ConnectorConfig]] = MqttConfig
    sees: ClassVar[Sees] = Sees(updates=True, deletes=False)
    idle: float = 0.0  # a read waits for messages by itself

    def __init__(self, config: MqttConfig, context: Context) -> None:
        self._config = config
        self._where = f"{context.app} source.{context.name}"
        self._client_id = config.client_id or f"bus-{context.app.opd}-{context.app.app}-{context.name}"
        self._topic = Topic(config.topic)
        shape = Shape(config.key, config.watermark, config.optional, context.timezone)
        self._decoder = Decoder(self._topic, shape, config.value, config.arrival, config.payload == "text")
        self._session: Session | None = None
        self._stored = self._remembered("")
        self._at_hand: list[Message] = []
        self._pause = PAUSE

    async def open(self, position: Position | None) -> None:
        """Connects; what is not acknowledged comes again. Raises ConfigError, AccessError, Unavailable."""
        await self.close()
        position = position or {}
        self._stored = self._remembered(position.get("stored", ""))
        self._pause = 0.0  # a first look is quick: two readers that take the session from each other both have one
        self._session = self._made_session()
        known = await self._session.open(former=position.get("topic", ""))
        if position and not known:
            log.warning("the broker has forgotten the session: what came meanwhile is lost", source=self._where)

    def _remembered(self, text: str) -> Stored:
        return Stored(WINDOWS * self._config.window, KEEPALIVES * self._config.keepalive, text)

    def _made_session(self) -> Session:
        try:
            from adapters.connectors.mqtt_session import Broker, Session
        except ModuleNotFoundError:
            raise ConfigError("MQTT needs an extra", where=self._where, hint="install opd-bus[mqtt]") from None
        config, where = self._config, self._where
        url = urlsplit(secret(config.url, where=f"{where}.url"))
        try:
            host, port = url.hostname, url.port or PORTS[url.scheme]
        except (KeyError, ValueError):
            host, port = None, 0
        if not host or url.username or url.path.strip("/") or url.query:
            raise ConfigError("`url` is not mqtt://host:port or mqtts://host:port, and nothing else", where=where)
        broker = Broker(
            host=host,
            port=port,
            client_id=self._client_id,
            filter=self._topic.filter,
            username=secret(config.username, where=f"{where}.username") if config.username else None,
            password=secret(config.password, where=f"{where}.password") if config.password else None,
            tls=self._trust() if url.scheme == "mqtts" else None,
            version5=config.protocol == "5",
            expiry=config.expiry,
            window=config.window,
            keepalive=config.keepalive,
            timeout=config.timeout,
            where=where,
        )
        return Session(broker)

    def _trust(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._config.ca)
            if self._config.certificate is not None:
                context.load_cert_chain(self._config.certificate, self._config.private_key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"cannot read the authority or the certificate ({type(error).__name__})", where=self._where
            ) from None
        return context

    @property
    def _open_session(self) -> Session:
        if self._session is None:
            raise ConfigError("the connector is not open", where=self._where)
        return self._session

    async def read(self) -> Batch | None:
        """The records of the messages that have arrived; None where none comes for a moment."""
        session = self._open_session
        await session.arrival(self._pause)
        self._pause = PAUSE
        taken = session.take(min(BATCH, self._config.window))
        if not taken:
            return None
        records: list[Record] = []
        for message in taken:
            if message not in self._stored:
                found = self._decoder.records(message)
                records += [each for each in found if not left_out(self._config.skip, each.data.get)]
        if not records:  # stored before, or nothing to store
            session.acknowledge(taken)
            return None
        self._at_hand = taken
        position = {"topic": self._topic.filter, "stored": self._stored.text(taken)}
        return Batch(records, position, more=session.waiting > 0, passing=True)

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """Acknowledges the messages of the batch. Raises Unavailable where they will come again."""
        taken, self._at_hand = self._at_hand, []
        self._stored.add(taken)
        self._open_session.acknowledge(taken)

    async def reread(self, key: str) -> Record | None:
        """None: a message is gone; the next one of its thing mends it."""
        return None

    async def state(self) -> SourceState:
        """How much is here and not stored yet; what waits at the broker it tells nobody."""
        session = self._session
        if session is None:
            return SourceState()
        all_here = session.unacknowledged < self._config.window and self._config.protocol == "5"
        return SourceState(
            position=f"{session.received} messages since it connected",
            waiting=len(self._at_hand) + session.waiting,
            oldest=self._at_hand[0].arrived if self._at_hand else session.oldest,
            or_more=not all_here,
        )

    async def close(self) -> None:
        """Ends the connection; the session stays with the broker."""
        self._at_hand = []
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
