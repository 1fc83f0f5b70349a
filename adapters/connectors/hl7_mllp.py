"""Listens for HL7 v2 messages over MLLP: devices and hospital systems that send what happens (ADT, ORU, …).

A message is acknowledged with AA only when its events are stored (or when no `[[publish]]` wants it). AE says that its
content is refused, with the reason, and it is in the dead letters then; AR that its type, version or processing id is
none that is taken (HL7 v2.5, 2.9.2), and nothing is kept. While the bus cannot store, answers wait: the sender sends
again. A message that comes again with the same bytes, MSH-10 and all, is the same events, however often and over
whichever connection. Messages of all connections that have arrived meanwhile are stored together, each connection's in
its order. One message at a time per connection, as MLLP has it, is answered in the time of a commit to disk; a sender
that does not wait for each answer before it sends on is read ahead, and much faster.

A value is where a path says: `PID-5.2` (component), `PID-3(MR).1` (the repetition whose type or authority is MR),
`PID-3[2]`, `NK1[2]-2.1`, `PID-3.4.2` (sub-component); what is left out is the first. Several with spaces between are
joined: `nama = "PID-5.2 PID-5.1"`. `:date` and `:time` behind it make dates and times. What a message leaves out, and
`""`, is null. Records have `_pesan` (`ADT^A01`) and `_waktu` (MSH-7) besides.

It sees what is sent, cancellations and deletions too where the sender has messages for them. It asks of the owner that
the sender keeps a message until it is acknowledged, sends it again unchanged, and fills MSH-10. MLLP proves nothing
about who sends: beyond this machine it listens only with `peers` or with certificates.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network
from itertools import islice
from typing import ClassVar

import structlog

from adapters.connectors.hl7_answer import ACCEPTED, Fault, Header, Outcome, answer
from adapters.connectors.hl7_connections import Arrival, Bounds, Connection, Connections
from adapters.connectors.hl7_options import Hl7MllpConfig
from adapters.connectors.hl7_records import Records
from adapters.connectors.hl7_tls import server_context
from adapters.formats.hl7 import CHARSETS
from bus.config import secret
from bus.errors import ConfigError
from bus.ports import Batch, ConnectorConfig, Context, Position, Record, Rejection, Sees, SourceState

BATCH = 500
PAUSE = 0.2  #: seconds that a read waits for a message
SEEN = 10_000  #: stored messages that are remembered, some 150 bytes each

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Taken:
    """A message of the batch at hand, and what is decided already."""

    arrival: Arrival
    header: Header
    encoding: str
    digest: bytes = b""
    record: Record | None = None
    outcome: Outcome | None = None  #: None: the engine decides


class Hl7Mllp:
    """A source that messages are sent to."""

    Config: ClassVar[type[ConnectorConfig]] = Hl7MllpConfig
    sees: ClassVar[Sees] = Sees(updates=True, deletes=True)
    idle: float = 0.0  # a read waits for messages by itself

    def __init__(self, config: Hl7MllpConfig, context: Context) -> None:
        self._config, self._context = config, context
        self._where = f"{context.app} source.{context.name}"
        self._records = Records(config, context)
        self._server: Connections | None = None
        self._queue: deque[Arrival] = deque()
        self._at_hand: list[_Taken] = []
        self._arrived = asyncio.Event()
        self._seen: dict[bytes, None] = {}
        self._last = ""
        self.port = 0  #: where it listens

    async def open(self, position: Position | None) -> None:
        """Listens. Raises ConfigError, and Unavailable while another process has the port."""
        await self.close()
        config = self._config
        host, _, port = secret(config.listen, where=self._where).rpartition(":")
        if not host or not port.isdecimal():
            raise ConfigError("`listen` is not host:port", where=self._where)
        host = host.strip("[]")
        if not (config.peers or (config.tls and config.tls.authority) or _here(host)):
            raise ConfigError(
                "anyone who reaches it could send", where=self._where, hint="name the senders' addresses in `peers`"
            )
        tls = server_context(config.tls, self._context.folder, self._where) if config.tls else None
        bounds = Bounds(config.largest, config.ahead, config.connections, config.whole, config.quiet)
        server = Connections(bounds, [ip_network(peer) for peer in config.peers], self._arrive, self._where)
        self.port = await server.listen(host, int(port), tls)
        self._server = server

    def _arrive(self, arrival: Arrival) -> None:
        self._queue.append(arrival)
        self._arrived.set()

    async def read(self) -> Batch | None:
        """The messages that wait; None where none comes for a moment, or none of them is for the engine."""
        if not self._queue:
            self._arrived.clear()
            try:
                async with asyncio.timeout(PAUSE):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        await asyncio.sleep(0)  # what has come over other connections meanwhile is stored in the same commit
        batch: dict[bytes, None] = {}
        while self._queue and len(batch) < BATCH:
            taken = self._take(self._queue.popleft(), batch)
            self._at_hand.append(taken)
            if taken.record is not None:
                batch[taken.digest] = None
        records = [taken.record for taken in self._at_hand if taken.record is not None]
        if not records:
            self._answer({})
            return None
        return Batch(records, {}, more=bool(self._queue))

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """Answers the messages of the batch."""
        self._answer({id(rejection.record): rejection.reason for rejection in rejections})

    async def reread(self, key: str) -> Record | None:
        """None: a message is gone; its sender sends it again."""
        return None

    async def state(self) -> SourceState:
        """The newest MSH-7 that was stored, and what waits."""
        waiting = [*(taken.arrival for taken in self._at_hand), *self._queue]
        return SourceState(self._last, len(waiting), waiting[0].at if waiting else None)

    async def close(self) -> None:
        """Ends the connections: what is not acknowledged is sent again."""
        self._queue.clear()
        self._at_hand.clear()
        if self._server is not None:
            await self._server.close()
            self._server, self.port = None, 0

    # --- one message

    def _take(self, arrival: Arrival, batch: Mapping[bytes, None]) -> _Taken:
        header = Header(arrival.frame.content)
        taken = _Taken(arrival, header, CHARSETS.get(self._records.charset(header), "ascii"))
        if refused := self._records.refused(header):
            taken.outcome = refused
            log.warning("refused a message", source=self._where, peer=arrival.connection.peer, reason=refused.reason)
            return taken
        digest = taken.digest = hashlib.blake2b(arrival.frame.content, digest_size=16).digest()
        if digest in self._seen:
            taken.outcome = ACCEPTED
        elif digest not in batch:
            taken.record = self._records.record(header, arrival.frame, digest, arrival.connection.peer)
        return taken

    # --- answers

    def _answer(self, reasons: Mapping[int, str]) -> None:
        """Answers what is at hand, each connection in one write and in its order."""
        now = datetime.now(self._context.timezone)
        refused = {
            taken.digest: Outcome("E", Fault.DATA if taken.record.fault else Fault.APPLICATION, reason)
            for taken in self._at_hand
            if taken.record is not None and (reason := reasons.get(id(taken.record))) is not None
        }
        answers: dict[Connection, list[_Taken]] = {}
        for taken in self._at_hand:
            outcome = taken.outcome = taken.outcome or refused.get(taken.digest, ACCEPTED)
            answers.setdefault(taken.arrival.connection, []).append(taken)
            if outcome.code == "A":
                self._seen[taken.digest] = None
                if taken.record is not None and taken.record.at is not None:
                    self._last = taken.record.at.isoformat()
        for connection, some in answers.items():
            size = sum(len(taken.arrival.frame.content) for taken in some)
            texts = [
                answer(taken.header, taken.outcome or ACCEPTED, now, taken.encoding)
                for taken in some
                if taken.header.text(9) != "ACK"  # an answer to an answer would go round for ever
            ]
            connection.answer(texts, len(some), size)
        self._at_hand.clear()
        for digest in list(islice(self._seen, max(0, len(self._seen) - SEEN))):
            del self._seen[digest]


def _here(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
