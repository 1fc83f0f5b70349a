"""Messages as bytes of the NATS protocol: what the client's own ``publish`` and header parser do, for many messages
at once.

The client checks, strips and translates each header by itself and wakes its writer for each message; for a batch
that costs more than validating its events. Here a message is encoded in one go and a batch is handed over as one
write. Tests hold both directions to what the client does. https://docs.nats.io/reference/reference-protocols/nats-protocol
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError

from bus.errors import ContractError
from bus.headers import Headers

_VERSION = "NATS/1.0\r\n"
_ACK_V1_TOKENS = 9

#: The first header of a message with a ``traceparent``, which the server takes for a request to trace its own routing:
#: to find out that the account wants none it would make a map of all headers, a tenth of the work of storing an event.
#: https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-41.md
UNTRACED = {"Nats-Trace-Dest": "trace disabled"}


def header_lines(headers: Mapping[str, str], subject: str) -> str:
    """Headers as lines of a message. Raises ContractError for a line break within one, which would begin another."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise ContractError("a line break in a header", where=place_of(subject))
    return lines


def place_of(subject: str) -> str:
    """A subject for an error's text: without its last token, which may stand for a person."""
    return subject.rpartition(".")[0]


def encode(subject: str, reply: str, lines: str, body: bytes) -> tuple[bytes, int]:
    """An ``HPUB`` command, and the size that counts towards the server's limit: headers and body."""
    block = f"{_VERSION}{lines}\r\n".encode()
    size = len(block) + len(body)
    return b"%b%b%b\r\n" % (f"HPUB {subject} {reply} {len(block)} {size}\r\n".encode(), block, body), size


def encode_empty(subject: str) -> bytes:
    """A ``PUB`` command without a body: an acknowledgement."""
    return b"PUB %b  0\r\n\r\n" % subject.encode()


def origin(reply: str) -> list[str]:
    """Where a delivered message is from, by its reply subject: stream, consumer, how often it was delivered, its
    number in the stream, the delivery's own number, stored at (Unix nanoseconds), how many wait behind it.

    ``$JS.ACK.`` and these; its second version has domain and account before, and more behind them.
    """
    tokens = reply.split(".")
    return tokens[2 if len(tokens) == _ACK_V1_TOKENS else 4 :]


def delivery(reply: str) -> int:
    """The number of a delivery: a consumer's deliveries are counted from 1, anew after a reset."""
    return int(origin(reply)[4])


async def write(client: Client, commands: bytes, messages: int, size: int) -> None:
    """Hands encoded commands to the client's writer. Raises ConnectionClosedError while the server is away.

    Not buffered for a later connection: what was sent in part before would be repeated in part after.
    """
    if not client.is_connected:
        raise ConnectionClosedError
    client.stats["out_msgs"] += messages
    client.stats["out_bytes"] += size
    await client._send_command(commands)
    await client._flush_pending()


def forget_unsent(client: Client) -> None:
    """Drops what the client would send over its next connection: its senders are told that this one is lost."""
    client._pending.clear()
    client._pending_data_size = 0


def arrivals(subscription: Subscription) -> asyncio.Queue[Msg | None]:
    """What has arrived for a subscription without a callback. Its own ways to it make a task or a timer a message."""
    return subscription._pending_queue  # type: ignore[return-value]


def parse_headers(block: bytes) -> Headers:
    """The headers of a received message, as the client's parser reads them."""
    return Headers(block.decode("utf-8", "replace"))


def quicken(client: Client) -> None:
    """Lets a client read headers by ``parse_headers``, where they are asked for: its own looks at every character of
    every name.
    """
    client._parse_header_lines = parse_headers  # type: ignore[assignment, method-assign]
