"""Listens for the calls of an application that tells of its changes by itself (webhooks).

A call is proven by a signature of Standard Webhooks or by a bearer token. It is answered with 2xx only when its events
are stored, and says then how many records were rejected and why. While the bus cannot store, calls wait; what waits
longer than `wait`, or does not fit into `queue`, is answered with 503 and Retry-After. The application calls again
with the same `webhook-id`: events and answer are the same then, however often it does. A call holds one record or a
list. Where an application may tell of the same change in another call too (it sends everything again after a repair),
name the fields that tell its changes from each other in `version`. What the bus wrote into the application and the
application calls out again `skip` leaves out, where a field tells it.

It sees what the application calls for, deletes too, in the order of its calls.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from secrets import token_bytes
from typing import Any, ClassVar, Self

import structlog
from aiohttp import web
from pydantic import Field, model_validator

from adapters.connectors.http_records import Shape, items
from adapters.connectors.http_signature import SigningKey
from adapters.connectors.left_out import Skip, left_out
from bus.config import secret
from bus.errors import ConfigError, Unavailable
from bus.ports import Batch, ConnectorConfig, Context, Position, Record, Rejection, Sees, SourceState

BATCH = 500  #: records of one batch, unless a single call has more
PAUSE = 0.2  #: seconds that a read waits for a call
RETRY = 5  #: seconds after which an application should call again
SEEN = 10_000  #: stored calls, and rejections in their answers, that are remembered: some 300 bytes each
LONGEST_ID = 256

log = structlog.get_logger(__name__)

Name = tuple[str, bytes]  #: a call's id and the digest of its body
Rejected = Sequence[Mapping[str, Any]]  #: of a call's records, with number and reason
Answer = tuple[int, Rejected]  #: to a call that is stored: how many records were accepted, and those that were not


class HttpWebhookConfig(ConnectorConfig):
    """Options of a source with ``connector = "http_webhook"``."""

    usual: ClassVar[tuple[str, ...]] = ("signing_secret",)

    listen: str = Field(default="127.0.0.1:8091", description="host:port, as it is or by reference: env:NAME")
    path: str = Field(default="/", pattern="^/", description="the path that is called")
    signing_secret: str | None = Field(
        default=None, description="calls are signed by Standard Webhooks: whsec_…, by reference: env:NAME"
    )
    bearer_token: str | None = Field(default=None, description="or they have this token, by reference: env:NAME")
    id_header: str = Field(default="webhook-id", description="with bearer_token: the header that names a call for ever")
    records: str = Field(default="", description="the path to the record or list in a call; empty: its top")
    key: tuple[str, ...] = Field(default=(), description="fields that name a record; none: each is one of its own")
    optional: tuple[str, ...] = Field(default=(), description="fields that a record may leave out: they are null then")
    version: tuple[str, ...] = Field(
        default=(), description="fields that tell a record's changes apart, in whichever call; none: the call does"
    )
    required: tuple[str, ...] = Field(default=(), description="fields that no record may leave out or empty")
    skip: Skip = Field(default_factory=dict)
    watermark: str | None = Field(default=None, description="field with the time of the change")
    wait: float = Field(default=20, gt=0, description="seconds that a call may wait until it is stored")
    queue: int = Field(default=2_000, ge=1, description="records that may wait")
    largest: int = Field(default=1024 * 1024, ge=1024, description="bytes of one call")

    @model_validator(mode="after")
    def _proven(self) -> Self:
        if bool(self.signing_secret) == bool(self.bearer_token):
            raise ValueError("either signing_secret or bearer_token proves a call")
        return self


@dataclass(slots=True, eq=False)
class _Call:
    """A call whose records wait, by their numbers in it; ``size`` counts those that are left out too.

    ``done`` gets its answer, or None where it will not be stored.
    """

    name: Name
    records: Mapping[int, Record]
    size: int
    arrived: datetime = field(default_factory=lambda: datetime.now(UTC))
    done: asyncio.Future[Answer | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class HttpWebhook:
    """A source that is called."""

    Config: ClassVar[type[ConnectorConfig]] = HttpWebhookConfig
    sees: ClassVar[Sees] = Sees(updates=True, deletes=True)
    idle: float = 0.0  # a read waits for calls by itself

    def __init__(self, config: HttpWebhookConfig, context: Context) -> None:
        self._config = config
        self._where = f"{context.app} source.{context.name}"
        self._shape = Shape(config.key, config.watermark, config.optional, context.timezone)
        self._runner: web.AppRunner | None = None
        self._calls: dict[Name, _Call] = {}  # all that wait, oldest first
        self._queue: deque[_Call] = deque()
        self._at_hand: deque[list[_Call]] = deque()  # by the batches that are being stored
        self._waiting = 0  # records
        self._answered = 0  # calls that are stored
        self._arrived = asyncio.Event()
        self._seen: dict[Name, Answer] = {}  # what was answered last, oldest first
        self._kept = 0  # of that
        self.port = 0  #: where it listens

    async def open(self, position: Position | None) -> None:
        """Reads the secrets and listens. Raises ConfigError, and Unavailable while another process has the port."""
        await self.close()
        self._read_secrets()
        host, port = self._listen()
        application = web.Application(client_max_size=self._config.largest)
        application.router.add_post(self._config.path, self._called)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=2)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.close()
            told = f"cannot listen on {host}:{port} ({errno.errorcode.get(error.errno or 0, type(error).__name__)})"
            if error.errno == errno.EADDRINUSE:
                raise Unavailable(told, where=self._where, hint="another process listens there") from None
            raise ConfigError(told, where=self._where, hint="check `listen`") from None
        self.port = self._runner.addresses[0][1]
        self._answered = 0

    def _read_secrets(self) -> None:
        signing, bearer = self._config.signing_secret, self._config.bearer_token
        where = f"{self._where}.{'signing_secret' if signing else 'bearer_token'}"
        self._signing = SigningKey(secret(signing, where=where), where) if signing else None
        self._bearer = f"Bearer {secret(bearer or '', where=where)}".encode()

    def _listen(self) -> tuple[str, int]:
        host, _, port = secret(self._config.listen, where=self._where).rpartition(":")
        if not host or not port.isdecimal():
            raise ConfigError("`listen` is not host:port", where=self._where)
        return host.strip("[]"), int(port)

    async def read(self) -> Batch | None:
        """The records of the calls that wait, whole calls at a time; None where none comes for a moment."""
        try:
            async with asyncio.timeout(PAUSE):
                await self._arrived.wait()
        except TimeoutError:
            return None
        records: list[Record] = []
        calls: list[_Call] = []
        while self._queue and (not records or len(records) + len(self._queue[0].records) <= BATCH):
            call = self._queue.popleft()
            calls.append(call)
            records += call.records.values()
        if not self._queue:
            self._arrived.clear()
        self._at_hand.append(calls)
        return Batch(records, {}, more=bool(self._queue), ahead=True)

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """Answers the calls of the batch."""
        reasons = {id(rejection.record): rejection.reason for rejection in rejections}
        for call in self._at_hand.popleft():
            rejected = [
                {"urutan": number, "alasan": reasons[id(record)]}
                for number, record in call.records.items()
                if id(record) in reasons
            ]
            self._answered += 1
            self._finish(call, (call.size - len(rejected), rejected))

    async def state(self) -> SourceState:
        """What is called for and not stored yet. How far the application has come is known to itself alone."""
        oldest = next(iter(self._calls.values()), None)
        return SourceState(
            f"{self._answered} calls since it listens", self._waiting, oldest.arrived if oldest else None
        )

    async def reread(self, key: str) -> Record | None:
        """None: a call is gone, the application calls again."""
        return None

    async def close(self) -> None:
        """Tells the calls that wait to come again, and listens no more."""
        for call in list(self._calls.values()):
            self._finish(call, None)
        self._queue.clear()
        self._at_hand.clear()
        self._arrived.clear()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner, self.port = None, 0

    def _finish(self, call: _Call, answer: Answer | None) -> None:
        """A call is stored, with this answer, or is let go."""
        del self._calls[call.name]
        self._waiting -= len(call.records)
        call.done.set_result(answer)
        if answer is not None:
            self._seen[call.name] = answer
            self._kept += 1 + len(answer[1])
        while self._kept > SEEN:
            _, rejected = self._seen.pop(next(iter(self._seen)))
            self._kept -= 1 + len(rejected)

    # --- calls

    async def _called(self, request: web.Request) -> web.StreamResponse:
        if self._waiting >= self._config.queue:
            raise _busy("antrean penuh")
        try:
            async with asyncio.timeout(self._config.wait):
                body = await request.read()
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        if fault := self._fault(request.headers, body):
            raise self._refused(web.HTTPUnauthorized, fault)
        identity = request.headers.get(self._id_header, "")
        # What has no name is another call each time, whatever it holds.
        name = (identity, hashlib.blake2b(body, digest_size=16).digest() if identity else token_bytes(16))
        if name in self._seen:
            return _told(self._seen[name])  # the caller may not have heard it
        return await self._stored(self._calls.get(name) or self._take(name, body))

    def _take(self, name: Name, body: bytes) -> _Call:
        """A new call in the queue. Raises what answers one that cannot be."""
        try:
            records, size = self._records(name[0], body)
        except ConfigError as error:
            raise self._refused(web.HTTPBadRequest, error.what) from None
        if len(records) > self._config.queue:
            raise self._refused(web.HTTPUnprocessableEntity, f"more than {self._config.queue} records in one call")
        if self._waiting + len(records) > self._config.queue or self._runner is None:
            raise _busy("antrean penuh")
        call = _Call(name, records, size)
        self._calls[name] = call
        self._queue.append(call)
        self._waiting += len(records)
        self._arrived.set()
        return call

    async def _stored(self, call: _Call) -> web.StreamResponse:
        """Waits until the call is stored. One that waits too long stays in the queue: when it comes again, it may be
        stored already.
        """
        try:
            async with asyncio.timeout(self._config.wait):
                answer = await asyncio.shield(call.done)
        except TimeoutError:
            raise _busy("belum tersimpan") from None
        if answer is None:
            raise _busy("belum tersimpan")
        return _told(answer)

    def _refused(self, kind: type[web.HTTPException], reason: str) -> web.HTTPException:
        log.warning("refused a call", source=self._where, reason=reason)
        return kind(text=json.dumps({"pesan": reason}), content_type="application/json")

    @property
    def _id_header(self) -> str:
        return "webhook-id" if self._signing else self._config.id_header

    def _fault(self, headers: Mapping[str, str], body: bytes) -> str:
        """Why a call is not proven; "" where it is."""
        if self._signing:
            return self._signing.fault(headers, body, time.time())
        given = headers.get("Authorization", "").encode(errors="surrogateescape")
        return "" if hmac.compare_digest(given, self._bearer) else "the bearer token does not fit"

    def _records(self, identity: str, body: bytes) -> tuple[dict[int, Record], int]:
        """The records of a call by their numbers, and how many it lists. Raises ConfigError where it holds none."""
        if len(identity) > LONGEST_ID or (not identity and not self._config.key):
            raise ConfigError(f"{self._id_header} is missing or too long")
        try:
            document = json.loads(body, parse_float=Decimal)
        except (ValueError, RecursionError):
            raise ConfigError("the body is no JSON") from None
        listed = items(document, self._config.records, "")
        records = {}
        for number, item in enumerate(listed):
            name = f"{identity}/{number}"
            record = self._record(item, name, name if identity else None)
            if not left_out(self._config.skip, record.data.get):
                records[number + 1] = record
        return records, len(listed)

    def _record(self, item: Any, key: str, version: str | None) -> Record:
        record = self._shape.record(item, key=key, version=version)
        naming = self._config.version
        wanted = (*self._config.required, *naming)
        missing = [name for name in wanted if record.data.get(name) in (None, "")]  # no set: lists have no hash
        if record.fault:
            return record
        if missing:
            return record._replace(fault=f"kolom {', '.join(missing)}: belum diisi")
        return record._replace(version=json.dumps([str(record.data[name]) for name in naming])) if naming else record


def _told(answer: Answer) -> web.Response:
    accepted, rejected = answer
    return web.json_response({"diterima": accepted, "ditolak": rejected})


def _busy(reason: str) -> web.HTTPException:
    text = json.dumps({"pesan": reason})
    return web.HTTPServiceUnavailable(text=text, content_type="application/json", headers={"Retry-After": str(RETRY)})
