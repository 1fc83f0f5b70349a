"""The bytes on the wire are those of the client itself."""

from __future__ import annotations

from unittest.mock import AsyncMock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.errors import ConnectionClosedError

from bus.broker import wire
from bus.errors import ContractError

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=60)
HEADERS = st.dictionaries(NAMES, VALUES, max_size=12)


async def by_the_client(subject: str, reply: str, headers: dict[str, str], body: bytes) -> bytes:
    client = Client()
    client._send_command = AsyncMock()
    client._flush_queue = None
    await client._send_publish(subject, reply, body, len(body), headers)
    return bytes(client._send_command.await_args.args[0])


@given(HEADERS, st.binary(max_size=200), st.sampled_from(["", "_INBOX.a.1"]))
async def test_a_message_is_encoded_as_the_client_does(headers: dict[str, str], body: bytes, reply: str) -> None:
    command, size = wire.encode("opd.a.b", reply, wire.header_lines(headers, ""), body)

    assert command == await by_the_client("opd.a.b", reply, headers, body)
    assert f" {size}\r\n".encode() in command.splitlines(keepends=True)[0]


@given(
    HEADERS,
    st.sampled_from(["", "\r\nohne Doppelpunkt", "\r\nzwei Worte: x", "\r\nleer:", "\r\nEng:x", "\r\n Rand : x "]),
)
def test_headers_are_read_as_the_client_does(headers: dict[str, str], oddity: str) -> None:
    block = ("\r\n".join(f"{name}: {value}" for name, value in headers.items()) + oddity + "\r\n\r\n").encode()

    assert wire.parse_headers(block) == Client._parse_header_lines(block)


@pytest.mark.parametrize("value", ["a\r\nNats-Rollup: all", "a\nb", "a\rb"])
def test_no_header_begins_another(value: str) -> None:
    with pytest.raises(ContractError, match="line break"):
        wire.header_lines({"Bus-Reason": value}, "opd.a")


async def test_nothing_is_kept_for_a_later_connection() -> None:
    with pytest.raises(ConnectionClosedError):
        await wire.write(Client(), b"", 1, 0)
