"""Sends events as HL7 v2 messages over MLLP, one at a time over one connection, and waits for each answer.

`segments` are the message behind its header, with the event's fields in braces:
`"PID|1||{no_pasien}^^^RSUD^MR||{nama}||{tanggal_lahir}|{jenis_kelamin}"`. Values are escaped; dates become YYYYMMDD,
moments YYYYMMDDHHMMSS with their offset; `codes` translates values (`codes.jenis_kelamin = { L = "M", P = "F" }`).
`$id`, `$time`, `$source`, `$subject` and `$type` stand for the event's attributes, `$sequence` for its place in its
publisher's stream (higher is newer).

AA and CA mean that it is applied; AE, CE, AR and CR reject it, and it becomes a dead letter, unless their error code
(ERR-3, before 2.5 ERR-1.4 or MSA-6) is of the message's type, version or processing id, which all messages have alike:
then the subscription stops. No answer within `timeout`, or no connection, is tried again. MSH-10 is made of the event's
id and is the same each time, so that the receiver recognises what it has had already: it must answer that with AA
again. MSH-7 is the event's time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from adapters.connectors.event_attributes import SEQUENCE, values_of
from adapters.connectors.hl7_answer import Header
from adapters.connectors.hl7_frames import Frames, framed
from adapters.connectors.hl7_template import SegmentTemplate, header, written
from adapters.connectors.hl7_tls import TlsConfig, client_context
from adapters.formats.hl7 import CHARSETS, escaped
from bus.config import secret
from bus.errors import AccessError, ConfigError, Rejected, Unavailable
from bus.ports import ConnectorConfig, Context, Delivery, FollowUp

LONGEST_ID = 20  #: characters of MSH-10
LARGEST = 1024 * 1024  #: bytes of an answer
CHUNK = 65536
ACCEPTED = frozenset(("AA", "CA"))
REFUSED = frozenset(("AE", "AR", "CE", "CR"))
OF_ALL = frozenset(("200", "201", "202", "203"))  #: codes of table 0357 that are of MSH-9, MSH-11 and MSH-12


class Hl7SendConfig(ConnectorConfig):
    """Options of a target with ``connector = "hl7_send"``."""

    address: str = Field(description="host:port, as it is or by reference: env:NAME")
    message: str = Field(
        pattern=r"^[A-Z0-9]{3}\^[A-Z0-9]{3}(\^[A-Z0-9_]{3,7})?$",
        examples=["ADT^A31^ADT_A05"],
        description="MSH-9: ADT^A31^ADT_A05",
    )
    segments: tuple[str, ...] = Field(
        min_length=1,
        examples=[["EVN||{$time}", "PID|1||{$key}"]],
        description="the segments behind MSH, {field} for a value",
    )
    codes: Mapping[str, Mapping[str, str]] = Field(default_factory=dict, description="field = { value = code }")
    sender: str = Field(default="BUS^KEDIRI", description="MSH-3 and MSH-4: application^facility")
    receiver: str = Field(default="", description="MSH-5 and MSH-6: application^facility")
    version: str = Field(default="2.5", pattern=r"^2\.\d(\.\d)?$", description="MSH-12")
    processing: str = Field(default="P", pattern="^[PTD]$", description="MSH-11: production, training or debugging")
    charset: str = Field(default="UNICODE UTF-8", description="MSH-18: ASCII, 8859/1, UNICODE UTF-8, …")
    timeout: float = Field(default=30, gt=0, description="seconds to connect, and to wait for an answer")
    tls: TlsConfig | None = Field(default=None, description="certificates: the connection is encrypted then")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.charset not in CHARSETS:
            raise ValueError(f"charset: there are {', '.join(CHARSETS)}")
        SegmentTemplate(self.segments, self.codes)  # its own ValueError says what is wrong
        return self


class Hl7Send:
    """A sink over MLLP."""

    Config: ClassVar[type[ConnectorConfig]] = Hl7SendConfig

    def __init__(self, config: Hl7SendConfig, context: Context) -> None:
        self._config, self._context = config, context
        self._where = f"{context.app} {context.name}"
        self._template = SegmentTemplate(config.segments, config.codes)
        self._line: _Line | None = None
        self._turn = asyncio.Lock()  # events of several keys come at once, and MLLP has one message on its way
        self.database: str | None = None
        self.atomic = False

    @staticmethod
    def needs(config: Hl7SendConfig) -> frozenset[str]:
        """The fields that a subscription must let through; `bus check` asks for them."""
        names = SegmentTemplate(config.segments, config.codes).names
        return frozenset(name for name in names if not name.startswith("$"))

    async def open(self) -> None:
        """Reads address and certificates. Raises ConfigError; the receiver is met with the first event."""
        host, _, port = secret(self._config.address, where=f"{self._where}.address").rpartition(":")
        if not host or not port.isdecimal():
            raise ConfigError("`address` is not host:port", where=self._where)
        self._address = host.strip("[]"), int(port)
        self._certificates()

    async def apply(self, deliveries: Sequence[Delivery], transaction: Any) -> Sequence[FollowUp]:
        """Sends the events in their order. Raises Rejected, Unavailable, AccessError, ConfigError."""
        for delivery in deliveries:
            await self._send(delivery)
        return ()

    async def close(self) -> None:
        """Ends the connection."""
        if self._line is not None:
            line, self._line = self._line, None
            await line.close()

    async def _send(self, delivery: Delivery) -> None:
        identity = _identity(delivery.event.id)
        content = self._content(delivery, identity)
        async with self._turn:
            answer = await self._ask(content, identity)
        if answer.code in REFUSED and answer.faults & OF_ALL:
            told = f"the receiver takes no such messages ({answer.code}, {min(answer.faults & OF_ALL)})"
            raise ConfigError(told, where=self._where, hint="check `message`, `version` and `processing`")
        if answer.code in REFUSED:
            raise Rejected(f"penerima menolak pesan ini ({answer.code})", where=self._where)
        if answer.code not in ACCEPTED:
            raise Unavailable("the answer is none that HL7 knows", where=self._where)

    async def _ask(self, content: bytes, identity: str) -> _Answer:
        try:
            async with asyncio.timeout(self._config.timeout):
                if self._line is None:
                    self._line = await _Line.connect(*self._address, self._certificates())
                return await self._line.ask(content, identity)
        except (OSError, TimeoutError) as error:
            # What was sent may have been applied: the same message goes again, over another connection, so that a
            # late answer is nobody else's.
            await self.close()
            raise self._failed(error) from None
        except BaseException:
            await self.close()
            raise

    def _certificates(self) -> ssl.SSLContext | None:
        tls = self._config.tls
        return client_context(tls, self._context.folder, self._where) if tls else None

    def _failed(self, error: OSError | TimeoutError) -> AccessError | Unavailable:
        if isinstance(error, ssl.SSLCertVerificationError):
            return AccessError(f"the receiver's certificate: {error.verify_message}", where=self._where)
        if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
            return AccessError("the receiver does not take our certificate", where=self._where)
        told = "no answer" if isinstance(error, TimeoutError) else f"no connection ({type(error).__name__})"
        return Unavailable(told, where=self._where)

    def _content(self, delivery: Delivery, identity: str) -> bytes:
        """The message of an event. Raises Rejected where its character set has no such character."""
        event, config = delivery.event, self._config
        values = values_of(delivery) | {"$time": datetime.fromisoformat(event.time), SEQUENCE: delivery.version}
        if missing := self._template.names - values.keys():
            raise ConfigError(f"`segments` names {min(missing)}, which is not in `fields`", where=self._where)
        sender, receiver = (text.partition("^") for text in (config.sender, config.receiver))
        fields = {3: escaped(sender[0]), 4: escaped(sender[2]), 5: escaped(receiver[0]), 6: escaped(receiver[2])}
        fields |= {7: written(values["$time"]), 9: config.message, 10: identity, 11: config.processing}
        fields |= {12: config.version, 18: config.charset}
        try:
            return (header(fields) + self._template.filled(values)).encode(CHARSETS[config.charset])
        except UnicodeEncodeError:
            raise Rejected(f"isinya memakai huruf di luar {config.charset}", where=self._where) from None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an acknowledgement says: its code, the message that it answers, its errors; empty what it does not say."""

    code: str = ""
    meant: str = ""
    faults: frozenset[str] = frozenset()


class _Line:
    """One connection to the receiver."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames, self._come = Frames(LARGEST), deque[bytes]()

    @classmethod
    async def connect(cls, host: str, port: int, tls: ssl.SSLContext | None) -> _Line:
        return cls(*await asyncio.open_connection(host, port, ssl=tls))

    async def ask(self, content: bytes, identity: str) -> _Answer:
        """Sends a message and returns its answer; answers to others are passed over."""
        self._writer.write(framed(content))
        await self._writer.drain()
        while True:
            while not self._come:
                data = await self._reader.read(CHUNK)
                if not data:
                    raise ConnectionResetError
                self._come += (frame.content for frame in self._frames.feed(data))
            answer = _answered(self._come.popleft())
            if answer.meant in {identity, ""}:
                return answer

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()


def _answered(content: bytes) -> _Answer:
    """MSA-1 and MSA-2 of an answer, and the codes of ERR and MSA."""
    head = Header(content)
    if not head.known:
        return _Answer()
    separator, parts = head.separator.decode(), head.fields[1].decode("ascii", "replace")
    component, part = parts[0], parts[3]
    verdict: list[str] = []
    faults: set[str] = set()
    for line in content.decode("ascii", "replace").replace("\n", "\r").split("\r"):
        name, *fields = (field.strip() for field in f"{line}{separator * 6}".split(separator))
        if name == "MSA" and not verdict:
            verdict = fields
            faults.add(fields[5].split(component)[0])
        elif name == "ERR":
            faults.add(fields[2].split(component)[0])
            faults.add(f"{fields[0]}{component * 3}".split(component)[3].split(part)[0])
    return _Answer(verdict[0], verdict[1], frozenset(faults)) if verdict else _Answer()


def _identity(event_id: str) -> str:
    """MSH-10: the same for the same event, another for another one."""
    if len(event_id) <= LONGEST_ID and event_id.isalnum():
        return event_id
    return hashlib.blake2b(event_id.encode(), digest_size=LONGEST_ID // 2).hexdigest()
