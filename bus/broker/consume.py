"""Out of JetStream into an application: a durable consumer, pulled in batches through a FastStream subscriber.

FastStream owns the pull loop and the life of the subscriber; acknowledging is the engine's (``AckPolicy.MANUAL``).
The consumer must exist: it is provisioned by the bus, since FastStream would make one with its own settings and
never update it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import time_ns
from typing import Any

import structlog
from faststream import AckPolicy
from faststream.nats import JStream, NatsMessage, PullSub
from nats.aio.msg import Msg
from nats.errors import Error, MsgAlreadyAckdError

from bus.broker import spans, wire
from bus.broker.connection import Connection
from bus.broker.pull import Pull
from bus.errors import BusError, Unavailable
from bus.tasks import heeding

NANOSECOND = 1_000_000_000
ACK_TIMEOUT = 5.0  #: seconds
AGAIN = 0.5  #: seconds between two attempts to go on after a lost connection

log = structlog.get_logger(__name__)


class Incoming:
    """A message of a stream, with the ways to settle it."""

    __slots__ = ("_message", "_stored_ns", "body", "headers", "sequence", "stream", "subject")

    def __init__(self, message: Msg) -> None:
        self._message = message
        self.subject: str = message.subject
        self.headers: Mapping[str, str] = message.headers or {}
        self.body: bytes = message.data
        origin = wire.origin(message.reply)
        self.stream, self.sequence, self._stored_ns = origin[0], int(origin[3]), origin[5]

    @property
    def stored_ms(self) -> int:
        """When the stream stored it, Unix milliseconds."""
        return int(self._stored_ns) // 1_000_000

    @staticmethod
    async def ack_all(incomings: Sequence[Incoming]) -> None:
        """These are settled, in one write, without waiting for the server. Raises Unavailable.

        For where a repetition does no harm, or ``ack_sync`` of a later message follows: on one connection
        acknowledgements arrive in their order, and where the last is known to have arrived, all have.
        """
        if not incomings:
            return
        words = b"".join([wire.encode_empty(each._message.reply) for each in incomings])
        try:
            await wire.write(incomings[0]._message._client, words, len(incomings), 0)
        except Error as error:
            raise Unavailable(f"cannot settle messages ({type(error).__name__})", where=incomings[0].stream) from None

    async def ack_sync(self) -> None:
        """Settled, and the server knows. Raises Unavailable."""
        await self._say(self._message.ack_sync(timeout=ACK_TIMEOUT))

    async def term(self) -> None:
        """Never to be delivered again. Raises Unavailable."""
        await self._say(self._message.term())

    async def in_progress(self) -> None:
        """Still being worked on: begins the server's ack_wait anew. Without a server there is nobody to tell."""
        with contextlib.suppress(Error):
            await self._message.in_progress()

    async def _say(self, word: Awaitable[Any]) -> None:
        try:
            await heeding(word)
        except MsgAlreadyAckdError:
            return  # settled once already, by an attempt whose answer was lost
        except (TimeoutError, Error) as error:
            raise Unavailable(f"cannot settle a message ({type(error).__name__})", where=self.stream) from None


Handle = Callable[[Sequence[Incoming]], Awaitable[None]]


class Subscription:
    """Pulls one durable consumer and hands each batch to ``handle``, which settles it.

    The next is pulled when it returns; with ``overlap`` one more is handed over meanwhile, for ``handle`` to keep them
    in order.
    """

    def __init__(
        self, connection: Connection, stream: str, durable: str, handle: Handle, *, batch: int, overlap: bool = False
    ) -> None:
        self._connection, self._stream, self._durable, self._handle = connection, stream, durable, handle
        self._batch = batch
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ahead = 1 if overlap else 0
        self._in_hand: deque[asyncio.Task[None]] = deque()
        self._begun = asyncio.Event()  #: ``handle`` has the newest batch: FastStream's own ways there may differ
        self.ack_wait = 30.0  #: seconds until the server delivers an unsettled message again; known after the start
        self._subscriber: Any = connection.broker.subscriber(
            f"{stream}.{durable}",  # a name only: the durable's own filter decides
            stream=JStream(stream, declare=False),
            durable=durable,
            pull_sub=PullSub(batch_size=batch, batch=True),
            ack_policy=AckPolicy.MANUAL,
            decoder=_undecoded,
            no_reply=True,
            persistent=False,  # the broker would keep it beyond its end, one for each restart of its flow
        )
        self._subscriber(self._on_batch)

    async def start(self) -> None:
        """Goes back to the consumer's ack floor, so that all that is unsettled comes again in order, and starts
        pulling.

        Raises ConfigError where the consumer does not exist, AccessError, Unavailable.
        """
        pull = await self._rewind()
        await self._subscriber.start()
        self._subscriber.add_task(self._consume, (pull,), restart_on_failure=False)

    async def _rewind(self) -> Pull:
        # Opened first: if the connection is lost meanwhile, this one shows it.
        pull = await Pull.open(self._connection, self._stream, self._durable)
        try:
            config = await pull.rewind()
        except BaseException:
            with contextlib.suppress(Error):  # else the client keeps it, and subscribes it anew at each connection
                await pull.unsubscribe()
            raise
        self.ack_wait = config["ack_wait"] / NANOSECOND
        # FastStream makes no subscription of its own where there is one; its pull loop is replaced by ours.
        self._subscriber.subscription = pull
        return pull

    async def failed(self) -> None:
        """Waits until pulling or the handler fails, and raises its error."""
        await asyncio.shield(self._failure)

    async def stop(self, *, grace: float) -> None:
        """Pulls no more and waits for what is in hand, ``grace`` seconds at most; what is unsettled then comes
        again.
        """
        self._subscriber.running = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await asyncio.gather(*map(asyncio.shield, self._in_hand))
        with contextlib.suppress(Exception):  # the server may be away; the next start resets the consumer
            await asyncio.wait_for(self._subscriber.stop(), grace)
        self._failure.cancel()

    async def _consume(self, pull: Pull) -> None:
        try:
            while self._subscriber.running:
                await self._handled(self._ahead)
                since = time_ns()
                messages = await pull.batch(self._batch)
                if pull.lost:
                    # What is in hand will come again: it must be settled, or still in hand, when it does.
                    await self._handled(0)
                    pull = await self._resume(pull)
                elif messages:
                    # A sign of its own: that an earlier batch is done says nothing of this one.
                    begun = self._begun = asyncio.Event()
                    self._in_hand.append(asyncio.create_task(self._hand_over(messages, since, begun)))
                    await begun.wait()
        except BusError as error:
            self._fail(error)
        finally:
            for each in self._in_hand:
                each.cancel()
            await asyncio.gather(*self._in_hand, return_exceptions=True)

    async def _handled(self, left: int) -> None:
        """Waits until no more than so many batches are in hand."""
        while len(self._in_hand) > left:
            await asyncio.wait([self._in_hand[0]])
            self._in_hand.popleft()

    async def _hand_over(self, messages: list[Msg], since_ns: int, begun: asyncio.Event) -> None:
        try:
            with spans.received(self._stream, self._durable, len(messages), since_ns):
                await self._subscriber.consume(messages)
        finally:
            begun.set()

    async def _resume(self, lost: Pull) -> Pull:
        """Begins anew where deliveries were lost: they would come again only after ack_wait, behind newer messages of
        the same key.
        """
        await lost.unsubscribe()
        while True:
            try:
                await self._connection.ready()
                return await self._rewind()
            except Unavailable as error:
                log.debug("cannot go on pulling yet", consumer=self._durable, error=str(error))
                await asyncio.sleep(AGAIN)

    async def _on_batch(self, _body: Any, message: NatsMessage) -> None:
        raw: Any = message.raw_message
        handling = self._handle([Incoming(each) for each in raw])
        self._begun.set()  # whoever waits for it runs when ``handle`` does not
        try:
            await handling
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._subscriber.running = False
        if not self._failure.done():
            self._failure.set_exception(error)


async def _undecoded(_message: Any) -> None:
    """The engine validates bodies itself, once."""
