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
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network
from time import time
from typing import ClassVar

from adapters.connectors.hl7_answer import ACCEPTED, Fault, Header, Outcome, answer, stamp
from adapters.connectors.hl7_connections import Arrival, Bounds, Connection, Connections
from adapters.connectors.hl7_options import Hl7MllpConfig
from adapters.connectors.hl7_records import Records
from adapters.connectors.hl7_tls import ServerCertificates
from adapters.connectors.left_out import left_out
from adapters.formats.hl7 import CHARSETS
from bus.config import secret
from bus.errors import ConfigError
from bus.ports import Batch, ConnectorConfig, Context, Position, Record, Rejection, Sees, SourceState

BATCH = 500
PAUSE = 0.2  #: seconds that a read waits for a message
SEEN = 10_000  #: stored messages that are remembered, some 150 bytes each


@dataclass(slots=True)
class _Taken:
    """A message of the batch at hand, and what is decided already."""

    arrival: Arrival
    header: Header
    encoding: str
    digest: bytes = b""
    record: Record | None = None
    first: _Taken | None = None  #: the same message, at hand when it came again
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
        self._at_hand: deque[list[_Taken]] = deque()  # a list for each batch
        self._arrived = asyncio.Event()
        self._coming: dict[bytes, _Taken] = {}  # what is at hand, by digest
        self._stored: dict[bytes, None] = {}  # and of what was stored last
        self._last: datetime | None = None  # MSH-7 of what was stored last
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
        tls = ServerCertificates(config.tls, self._context.folder, self._where) if config.tls else None
        bounds = Bounds(config.largest, config.ahead, config.connections, config.whole, config.quiet)
        server = Connections(bounds, [ip_network(peer) for peer in config.peers], self._arrive, self._where)
        self.port = await server.listen(host, int(port), tls)
        self._server = server

    def _arrive(self, arrival: Arrival) -> None:
        self._queue.append(arrival)
        self._arrived.set()

    async def read(self) -> Batch | None:
        """The messages that wait; None where none comes for a moment."""
        if not self._queue:
            self._arrived.clear()
            try:
                async with asyncio.timeout(PAUSE):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        await asyncio.sleep(0)  # what has come over other connections meanwhile is stored in the same commit
        some: list[_Taken] = []
        self._at_hand.append(some)
        while self._queue and len(some) < BATCH:
            some.append(self._take(self._queue.popleft()))
        # Without a record too: an answer waits for those before it. While these are stored the next ones are awaited.
        records = [taken.record for taken in some if taken.record is not None]
        return Batch(records, {}, more=True, ahead=True)

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """Answers the messages of the batch."""
        reasons = {id(rejection.record): rejection.reason for rejection in rejections}
        some = self._at_hand.popleft()
        for taken in some:
            if taken.record is not None:
                reason = reasons.get(id(taken.record))
                fault = Fault.DATA if taken.record.fault else Fault.APPLICATION
                taken.outcome = ACCEPTED if reason is None else Outcome("E", fault, reason)
                self._remember(taken)
            elif taken.first is not None:
                taken.outcome = taken.first.outcome
        self._answer(some)

    async def reread(self, key: str) -> Record | None:
        """None: a message is gone; its sender sends it again."""
        return None

    async def state(self) -> SourceState:
        """The newest MSH-7 that was stored, and what waits."""
        waiting = [*(taken.arrival for some in self._at_hand for taken in some), *self._queue]
        position = self._last.isoformat() if self._last else ""
        return SourceState(position, len(waiting), waiting[0].at if waiting else None)

    async def close(self) -> None:
        """Ends the connections: what is not acknowledged is sent again."""
        self._queue.clear()
        self._at_hand.clear()
        self._coming.clear()
        if self._server is not None:
            await self._server.close()
            self._server, self.port = None, 0

    # --- one message

    def _take(self, arrival: Arrival) -> _Taken:
        header = Header(arrival.frame.content)
        taken = _Taken(arrival, header, CHARSETS.get(self._records.charset(header), "ascii"))
        if refused := self._records.refused(header):
            taken.outcome = refused
            arrival.connection.tell("refused messages", reason=refused.reason)
            return taken
        digest = taken.digest = hashlib.blake2b(arrival.frame.content, digest_size=16).digest()
        if digest in self._stored:
            taken.outcome = ACCEPTED
        elif (first := self._coming.get(digest)) is not None:
            taken.first = first
        else:
            record = self._records.record(header, arrival.frame, digest, arrival.connection.peer)
            if left_out(self._config.skip, record.data.get):
                taken.outcome = ACCEPTED
            else:
                self._coming[digest], taken.record = taken, record
        return taken

    def _remember(self, taken: _Taken) -> None:
        """What is stored is not stored again; what is refused may fit after a repair of the contract."""
        del self._coming[taken.digest]
        if taken.outcome is ACCEPTED:
            self._stored[taken.digest] = None
            if len(self._stored) > SEEN:
                del self._stored[next(iter(self._stored))]
            if taken.record is not None and taken.record.at is not None:
                self._last = taken.record.at

    def _answer(self, some: Sequence[_Taken]) -> None:
        """Answers messages, each connection's in one write and in their order."""
        stamped = stamp(int(time()), self._context.timezone)
        answers: dict[Connection, list[bytes]] = {}
        sizes: Counter[Connection] = Counter()
        for taken in some:
            connection = taken.arrival.connection
            sizes[connection] += len(taken.arrival.frame.content)
            texts = answers.setdefault(connection, [])
            # An answer to an answer would go round for ever.
            known = not taken.header.shape.type.startswith("ACK")
            texts.append(answer(taken.header, taken.outcome or ACCEPTED, stamped, taken.encoding) if known else b"")
        for connection, texts in answers.items():
            connection.answer(texts, sizes[connection])


def _here(host: str) -> bool:
    """Whether only this machine reaches it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
