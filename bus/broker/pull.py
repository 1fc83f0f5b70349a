"""Pulls a durable consumer: a whole batch at once where there is one, the next message at once where there is none.

The client's own ``fetch`` waits for each message with a timer of its own, which costs more than the message, and its
time-outs are of a kind that FastStream's pull loop takes for a crash. Here nothing is requested that is not waited
for, so that no message lies in a queue while its ack_wait runs.

The server numbers a consumer's deliveries, from 1 after each reset. A number left out went elsewhere: to another
instance that believes to be the active one too. Whoever goes on behind such a gap overtakes it; here it shows as lost.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, Error

from bus.broker import wire
from bus.broker.connection import NOT_FOUND, ApiError, Connection
from bus.errors import ConfigError, Unavailable

FILL = 0.012  #: seconds that a batch which is not full waits for more: a transaction and a receipt cost as much
LINGER = 2.0  #: seconds that a request for the next message stays with the server
ANSWER = 5.0  #: seconds until the server, asked for what there is, must have answered

log = structlog.get_logger(__name__)

_DONE = {"404", "408"}  #: no (more) messages; the request has expired
_BUSY = "409"  #: the consumer cannot deliver now, or is gone: the description tells


class Pull:
    """Pulls one durable consumer over one inbox."""

    def __init__(self, connection: Connection, stream: str, durable: str, subscription: Subscription) -> None:
        self._connection, self._where, self._subscription = connection, f"{stream}/{durable}", subscription
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._info, self._reset = f"CONSUMER.INFO.{stream}.{durable}", f"CONSUMER.RESET.{stream}.{durable}"
        self._arrived = wire.arrivals(subscription)
        self._delivered = 0  #: the number of the latest delivery, counted by the server since the consumer's reset
        self.lost = False  #: deliveries went elsewhere, or into a connection that was lost: they never arrived here
        connection.when_lost.add(self._on_lost)

    @classmethod
    async def open(cls, connection: Connection, stream: str, durable: str) -> Self:
        """Subscribes to an inbox of its own. Raises Unavailable."""
        client = connection.client
        try:
            inbox = await client.subscribe(client.new_inbox(), pending_msgs_limit=0, pending_bytes_limit=0)
        except Error as error:
            raise Unavailable(f"the connection failed ({type(error).__name__})", where=f"{stream}/{durable}") from None
        return cls(connection, stream, durable, inbox)

    async def batch(self, size: int) -> list[Msg]:
        """Up to ``size`` messages as soon as there are any; an empty list when none came for a while, or ``lost``.

        Raises ConfigError where the consumer is gone, AccessError, Unavailable.
        """
        messages = await self._request({"batch": size, "no_wait": True}, ANSWER)
        if not messages:
            messages = await self._request({"batch": 1, "expires": int(LINGER * 1e9)}, LINGER + ANSWER)
        if messages and len(messages) < size:
            messages += await self._request({"batch": size - len(messages), "expires": int(FILL * 1e9)}, FILL + ANSWER)
        return messages if self._follow(messages) else []

    async def rewind(self, first: int = 0) -> dict[str, Any]:
        """Goes back to a sequence, or (0) to the consumer's ack floor, so that all that is unsettled comes again in
        order; returns the consumer's configuration. Raises ConfigError where it does not exist, AccessError,
        Unavailable.
        """
        try:
            info = await self._connection.api(self._info)
            await self._connection.api(self._reset, {"seq": first} if first else None)
        except ApiError as error:
            if error.err_code in NOT_FOUND:
                raise ConfigError(
                    "this consumer does not exist",
                    where=self._where,
                    hint="an administrator runs `bus streams apply`",
                ) from None
            raise
        config: dict[str, Any] = info["config"]
        return config

    async def unsubscribe(self) -> None:
        """Ends the inbox; a request that the server still has ends with it."""
        self._connection.when_lost.discard(self._on_lost)
        if not self._connection.client.is_closed:
            await self._subscription.unsubscribe()

    async def _request(self, request: dict[str, object], patience: float) -> list[Msg]:
        if self.lost:
            return []
        wanted = int(str(request["batch"]))
        command, size = wire.encode(self._next, self._subscription.subject, "", json.dumps(request).encode())
        try:
            # Written at once: a request that the client kept for the next connection would be served after the reset
            # of the consumer, for nobody, and what it got would come again only after ack_wait.
            await wire.write(self._connection.client, command, 1, size)
        except ConnectionClosedError:
            self.lost = True
            return []
        messages: list[Msg] = []
        arrived = self._arrived
        try:
            async with asyncio.timeout(patience):
                while len(messages) < wanted:
                    message = await arrived.get() if arrived.empty() else arrived.get_nowait()
                    if message is None:
                        break
                    if message.reply:
                        messages.append(message)
                    elif self._ends(message):
                        break
        except TimeoutError:
            # The server went away with the request; what it had delivered is still ours.
            self._connection.raise_if_denied(self._next)
        return messages

    def _follow(self, messages: list[Msg]) -> bool:
        """Whether none is left out before or between them. Numbers only grow: the first and the last tell."""
        if messages:
            before, self._delivered = self._delivered, wire.delivery(messages[-1].reply)
            if wire.delivery(messages[0].reply) != before + 1 or self._delivered != before + len(messages):
                log.warning("deliveries went to another instance", consumer=self._where)
                self.lost = True
        return not self.lost

    def _on_lost(self) -> None:
        self.lost = True
        self._arrived.put_nowait(None)

    def _ends(self, message: Msg) -> bool:
        headers = message.headers or {}
        status, description = headers.get("Status", ""), headers.get("Description", "")
        if status == _BUSY and "eleted" in description:
            raise ConfigError(
                "the consumer was deleted", where=self._where, hint="an administrator runs `bus streams apply`"
            )
        return status in _DONE or status == _BUSY
