"""Reads again what lies on an application's own cursors, by a durable consumer that settles nothing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from nats.errors import Error

from bus.broker.connection import Connection
from bus.broker.consume import Incoming
from bus.broker.pull import Pull
from bus.errors import Unavailable

AT_ONCE = 50  #: messages: a cursor may have half a megabyte


async def read_again(
    connection: Connection, stream: str, durable: str, *, first: int, last: int
) -> AsyncIterator[Incoming]:
    """The consumer's messages from one sequence to another, of which the last is there, in order.

    Raises ConfigError where the consumer does not exist, AccessError, Unavailable.
    """
    pull = await Pull.open(connection, stream, durable)
    try:
        await pull.rewind(max(first, 1))
        reached = 0
        while reached < last:
            messages = [Incoming(each) for each in await pull.batch(AT_ONCE)]
            if not messages:
                raise Unavailable("what was read before is not to be had now", where=f"{stream}/{durable}")
            for message in messages:
                if message.sequence <= last:
                    yield message
            reached = messages[-1].sequence
    finally:
        with contextlib.suppress(Error):
            await pull.unsubscribe()
