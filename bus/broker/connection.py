"""One connection to NATS: of one application, or of the bus itself.

FastStream's broker owns the client, so that subscribers and plain requests share one connection. It never gives up
reconnecting; what the server's permissions refuse arrives on the error callback, after the publisher's time-out, and
becomes an AccessError here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import nkeys
import structlog
from faststream.nats import NatsBroker
from faststream.nats.security import NatsCredentials
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, Error, NoRespondersError, OutboundBufferLimitError

from bus.broker import wire
from bus.errors import AccessError, ConfigError, Fenced, StreamFull, Unavailable
from bus.tasks import heed_cancellation, heeding

CONNECT_TIMEOUT = 10.0  #: seconds until a first connection is given up
REQUEST_TIMEOUT = 5.0  #: seconds; JetStream's default of half a second is short for a disk that syncs
CLOSE_TIMEOUT = 5.0

_VIOLATION = re.compile(r'permissions violation for (?:publish|subscription) to "([^"]+)"', re.IGNORECASE)
_SEED = re.compile(r"-----BEGIN USER NKEY SEED-----\s+(\w+)\s+-+END USER NKEY SEED-----")
_REMEMBERED = 64

log = structlog.get_logger(__name__)
_quiet = logging.getLogger("bus.broker.faststream")
_quiet.setLevel(logging.ERROR)  # what FastStream warns of, the callbacks below say in one line


class Connection:
    """A connected client. ``inbox`` is the prefix where its replies arrive."""

    def __init__(self, url: str, *, name: str, inbox: str, credential: Path | None) -> None:
        self.url, self.name, self.inbox = url, name, inbox
        self._denied: OrderedDict[str, str] = OrderedDict()
        self._refused: str | None = None
        self._closing = False
        self._closed = asyncio.Event()
        self._up = asyncio.Event()
        self.when_lost: set[Callable[[], None]] = set()  #: called at each loss, so that nobody waits for an answer
        if credential is not None:
            _check(credential)
        self.broker = NatsBroker(
            url,
            name=name,
            security=NatsCredentials.from_file(credential) if credential else None,
            inbox_prefix=inbox.encode(),
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            allow_reconnect=True,
            pending_size=8 * 1024 * 1024,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnect,
            reconnected_cb=self._on_reconnect,
            closed_cb=self._on_close,
            logger=_quiet,
            log_level=logging.DEBUG,
            graceful_timeout=CLOSE_TIMEOUT,
        )
        self._client: Client | None = None
        self.replies: Replies

    @classmethod
    async def open(cls, url: str, *, name: str, inbox: str = "_INBOX", credential: Path | None = None) -> Self:
        """Connects. Raises Unavailable where nobody answers, AccessError where the credential is refused."""
        connection = cls(url, name=name, inbox=inbox, credential=credential)
        try:
            connection._client = await asyncio.wait_for(connection.broker.connect(), CONNECT_TIMEOUT)
        except (TimeoutError, OSError, Error) as error:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.broker.stop(), CLOSE_TIMEOUT)
            heed_cancellation()  # asyncio's wait_for, in the client too, loses one that comes with what it waits for
            if connection._refused or "uthorization" in str(error):
                raise AccessError(
                    "the server refuses the credential", where=url, hint="is it this server's, and not revoked?"
                ) from None
            raise Unavailable("no NATS server answers", where=url, hint="start `bus up`, or set BUS_NATS_URL") from None
        wire.quicken(connection.client)
        connection._up.set()
        connection.replies = await Replies.open(connection)
        await connection._check_inbox()
        return connection

    @property
    def client(self) -> Client:
        """The connected client."""
        if self._client is None:
            raise ConfigError("the connection is not open", where=self.name)
        return self._client

    @property
    def connected(self) -> bool:
        """Whether the server is reachable now."""
        return self._client is not None and bool(self._client.is_connected)

    async def ready(self, patience: float = REQUEST_TIMEOUT) -> None:
        """Waits while the server is away, so that nothing piles up to be sent to it. Raises Unavailable."""
        try:
            async with asyncio.timeout(patience):
                await self._up.wait()
        except TimeoutError:
            raise Unavailable("the NATS server is away", where=self.url) from None

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        patience: float = REQUEST_TIMEOUT,
    ) -> Msg:
        """A request and its reply. Raises AccessError, Unavailable."""
        try:
            return await heeding(self.client.request(subject, payload, timeout=patience, headers=headers))
        except NoRespondersError:
            raise Unavailable(
                "nobody answers this request", where=subject, hint="is JetStream up, and does the stream exist?"
            ) from None
        except TimeoutError:
            self.raise_if_denied(subject)
            raise Unavailable(f"no answer within {patience:g} s", where=subject) from None
        except (ConnectionClosedError, OutboundBufferLimitError, Error) as error:
            raise Unavailable(f"the connection failed ({type(error).__name__})", where=subject) from None

    async def api(self, subject: str, body: object = None, *, patience: float = REQUEST_TIMEOUT) -> dict[str, Any]:
        """A request to the JetStream API. Raises ApiError's translations, see ``api_error``."""
        payload = b"" if body is None else json.dumps(body).encode()
        reply = json.loads((await self.request(f"$JS.API.{subject}", payload, patience=patience)).data)
        if error := reply.get("error"):
            raise ApiError(error, where=subject)
        return reply  # type: ignore[no-any-return]

    async def _check_inbox(self) -> None:
        """Asks for a sign that the server has judged the first subscription. Raises AccessError, Unavailable."""
        try:
            for _ in range(2):  # the client sends a ping ahead of what it has buffered: the second one comes after it
                await self.client.flush(int(REQUEST_TIMEOUT))
            self.raise_if_denied(self.inbox)
        except (TimeoutError, Error):
            await self.close()
            raise Unavailable("no NATS server answers", where=self.url) from None
        except AccessError:
            await self.close()
            raise

    def _is_inbox(self, subject: str) -> bool:
        return subject.lower().startswith(f"{self.inbox}.".lower())

    def raise_if_denied(self, subject: str) -> None:
        """Raises AccessError where the server said that this subject is not permitted."""
        if any(map(self._is_inbox, self._denied)):
            raise AccessError("this credential is another one's", where=self.name, hint="see BUS_CREDENTIAL")
        if subject.lower() in self._denied:
            raise AccessError(
                "not permitted", where=subject, hint="is it in the contract, and was the credential made after it?"
            )

    @property
    def closed(self) -> bool:
        """Whether the server has ended the connection for good."""
        return self._closed.is_set()

    async def lost(self) -> None:
        """Waits until the server ends the connection for good, and raises Fenced: its credential was replaced or
        revoked.
        """
        await self._closed.wait()
        raise Fenced("the server ended the connection", where=self.name, hint="its credential was replaced or revoked")

    async def close(self) -> None:
        """Closes within a bound, also while the server is away."""
        self._closing = True
        with contextlib.suppress(Exception):  # a server that is away cannot be said good-bye to
            await asyncio.wait_for(self.broker.stop(), CLOSE_TIMEOUT)
        if self._client is not None and not self._client.is_closed:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._client.close(), CLOSE_TIMEOUT)

    async def _on_error(self, error: Exception) -> None:
        text = str(error)
        if match := _VIOLATION.search(text):
            self._denied[match[1].lower()] = text  # the client gives it in lower case, whatever it was
            if len(self._denied) > _REMEMBERED:
                self._denied.popitem(last=False)
            if not self._is_inbox(match[1]):  # whoever opens the connection says that
                log.error("permission denied", subject=match[1], connection=self.name)
        elif "uthorization" in text or "uthentication" in text:
            self._refused = text
            log.error("credential refused", connection=self.name)
        else:
            log.warning("connection error", error=type(error).__name__, connection=self.name)

    async def _on_disconnect(self) -> None:
        self._up.clear()
        if self._client is not None:
            wire.forget_unsent(self._client)
        for tell in tuple(self.when_lost):
            tell()
        if not self._closing:
            log.warning("disconnected", connection=self.name, server=self.url)

    async def _on_close(self) -> None:
        if not self._closing:
            self._closed.set()

    async def _on_reconnect(self) -> None:
        self._up.set()
        log.info("reconnected", connection=self.name, server=self.url)


def _check(credential: Path) -> None:
    """Raises ConfigError where a file is no credential: the client would fail with whatever it stumbles over."""
    hint = "`bus app credentials OPD/APP` makes it"
    try:
        text = credential.read_text(encoding="ascii")
    except FileNotFoundError:
        # Its subscribers' consumers are declared beside it: else they would never get what it publishes until then.
        new = "start `bus up` again; where none runs: `bus streams apply`, then `bus app credentials OPD/APP`"
        raise ConfigError("no such credential", where=str(credential), hint=new) from None
    except OSError as error:
        raise ConfigError(f"cannot read the credential: {error.strerror}", where=str(credential), hint=hint) from None
    except UnicodeDecodeError:
        text = ""
    seed = _SEED.search(text)
    if "-----BEGIN NATS USER JWT-----" not in text or seed is None:
        raise ConfigError("not a NATS credential", where=str(credential), hint=hint)
    try:
        nkeys.from_seed(bytearray(seed[1].encode())).wipe()
    except nkeys.NkeysError:
        raise ConfigError("not a NATS credential: its seed is damaged", where=str(credential), hint=hint) from None


class Replies:
    """Replies to messages that are sent in a pipeline: one subscription, a future per message.

    nats-py's own ``publish_async`` takes a semaphore with a time-out per message, which costs more than the message.
    """

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._waiting: dict[str, asyncio.Future[Msg | None]] = {}
        self._count = 0

    @classmethod
    async def open(cls, connection: Connection) -> Self:
        """Subscribes to the inbox of replies."""
        replies = cls(connection, connection.client.new_inbox() + ".")
        await connection.client.subscribe(
            replies._prefix + "*", cb=replies._on_reply, pending_msgs_limit=0, pending_bytes_limit=0
        )
        connection.when_lost.add(replies._on_lost)
        return replies

    def expect(self) -> tuple[str, asyncio.Future[Msg | None]]:
        """A reply subject and the future of what arrives on it: None where the connection was lost before."""
        self._count += 1
        token = str(self._count)
        future: asyncio.Future[Msg | None] = asyncio.get_running_loop().create_future()
        self._waiting[token] = future
        return self._prefix + token, future

    def forget(self, reply: str) -> None:
        """No longer waits for this reply."""
        self._waiting.pop(reply[len(self._prefix) :], None)

    async def _on_reply(self, message: Msg) -> None:
        future = self._waiting.pop(message.subject[len(self._prefix) :], None)
        if future is not None and not future.done():
            future.set_result(message)

    def _on_lost(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_result(None)


_HINTS = {10047: "each stream reserves BUS_MAX_BYTES: free disk space, or lower it"}


class ApiError(Unavailable):
    """An error answer of JetStream, with its ``err_code``."""

    def __init__(self, error: dict[str, Any], *, where: str) -> None:
        self.err_code = int(error.get("err_code", 0))
        told = f"{error.get('description', 'JetStream refuses')} ({self.err_code})"
        super().__init__(told, where=where, hint=_HINTS.get(self.err_code, ""))


NOT_FOUND = (10014, 10059, 10037)  #: consumer, stream, message not found
WRONG_LAST_SEQUENCE = (10071, 10164)
NOT_TOGETHER = (10201, 10174)  #: of an atomic batch: one is a duplicate; the stream takes no batches
GIVEN_UP = 10176  #: an atomic batch of which some messages never came, or whose end came too late
STORE_FULL = (10077, 10047, 10052, 10023)


def stream_full(error: dict[str, Any], where: str) -> StreamFull | None:
    """StreamFull where an answer says that a limit is reached, else None."""
    if "maximum" in str(error.get("description", "")) or error.get("err_code") in STORE_FULL:
        return StreamFull(
            "the stream is full: new events wait where they come from",
            where=where,
            hint="raise max_bytes and run `bus streams apply`, or wait until older ones expire",
        )
    return None
