"""Reads a stream without leaving a trace on it: for operations, not for applications.

A push consumer that the server forgets when its reader is gone. It is made anew behind the last message after a
reconnect, a server's restart or a silence, so that a reader sees each message once and in order.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from time import monotonic
from typing import Any

import structlog
from nats.aio.msg import Msg
from nats.errors import Error

from bus.broker.connection import ApiError, Connection
from bus.broker.consume import NANOSECOND, Incoming
from bus.errors import Unavailable

HEARTBEAT = 2.0  #: seconds between the server's signs of life
SILENCE = 3 * HEARTBEAT
APART = 0.05  #: seconds between two batches that a follower gets: one costs it as much for one message as for many
_CONTROL = "100"

log = structlog.get_logger(__name__)


async def read_stream(
    connection: Connection,
    stream: str,
    *,
    after: int = 0,
    filters: Sequence[str] = (),
    headers_only: bool = False,
    follow: bool = True,
    start: Mapping[str, Any] | None = None,
) -> AsyncIterator[list[Incoming]]:
    """Yields the messages behind ``after`` in batches, as many as have arrived.

    With ``follow`` it goes on for ever and yields an empty list in idle times; else it ends where the stream ended
    when it began.
    ``start`` overrides where it begins (``deliver_policy`` …). Raises ApiError where there is no such stream,
    AccessError, and without ``follow`` Unavailable where the server falls silent before the end.
    """
    while True:
        begin = start or {"deliver_policy": "by_start_sequence", "opt_start_seq": after + 1}
        async with contextlib.aclosing(
            _once(connection, stream, {**_config(filters, headers_only), **begin}, follow)
        ) as batches:
            async for batch in batches:
                if batch:
                    after, start = batch[-1].sequence, None
                yield batch
        if not follow:
            return
        log.debug("reading a stream anew", stream=stream, after=after)


def _config(filters: Sequence[str], headers_only: bool) -> dict[str, Any]:
    return {
        "ack_policy": "none",
        "headers_only": headers_only,
        "filter_subjects": list(filters),
        "mem_storage": True,
        "num_replicas": 1,
        "flow_control": True,
        "idle_heartbeat": int(HEARTBEAT * NANOSECOND),
        "inactive_threshold": int(5 * SILENCE * NANOSECOND),
    }


async def _once(
    connection: Connection, stream: str, config: dict[str, Any], follow: bool
) -> AsyncGenerator[list[Incoming], None]:
    """One consumer's messages, until the server is silent (or, without ``follow``, until the present end)."""
    arrived: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = connection.client.new_inbox()
    subscription = await connection.client.subscribe(inbox, cb=arrived.put, pending_msgs_limit=0, pending_bytes_limit=0)
    try:
        info = await _create(connection, stream, {**config, "deliver_subject": inbox}, follow)
        left, given = info["num_pending"] if info else 0, 0.0
        while info and (follow or left > 0):
            try:
                async with asyncio.timeout(SILENCE):
                    messages = [await arrived.get()]
            except TimeoutError:
                if not follow:
                    raise Unavailable(f"the server is silent, {left:,} messages before the end", where=stream) from None
                return
            if follow:
                await asyncio.sleep(given + APART - monotonic())
            while not arrived.empty():
                messages.append(arrived.get_nowait())
            batch = [Incoming(each) for each in messages if not await _is_control(connection, each)]
            left, given = left - len(batch), monotonic()
            yield batch
    finally:
        with contextlib.suppress(Error):
            await subscription.unsubscribe()


async def _create(connection: Connection, stream: str, config: dict[str, Any], patient: bool) -> dict[str, Any] | None:
    """Makes the consumer; a patient reader waits for a server that is away."""
    try:
        return await connection.api(f"CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": config})
    except ApiError:
        raise
    except Unavailable:
        if not patient:
            raise
        await asyncio.sleep(1.0)
        return None


async def _is_control(connection: Connection, message: Msg) -> bool:
    """Answers the server's flow control, and says whether the message was one of its own."""
    headers = message.headers or {}
    if headers.get("Status") != _CONTROL:
        return False
    if reply := message.reply or headers.get("Nats-Consumer-Stalled"):
        await connection.client.publish(reply)
    return True
