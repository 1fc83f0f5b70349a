"""A device that speaks MLLP over plain TCP: it keeps each message until it is acknowledged, and sends it again."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from adapters.connectors.hl7_frames import Frames, framed
from adapters.connectors.hl7_mllp import Hl7Mllp
from bus.ports import Source
from tests.adapters.connectors.at_once import AtOnce
from tests.adapters.connectors.outbox import Calls
from tests.servers.proxy import Proxy

AHEAD = 300  #: messages that are sent before the first answer
LATE = 0.005  #: seconds that a bad network takes, each way
CUT = 40  #: answers after which a bad network cuts


def adt(
    kunci: object, nilai: object, number: object, *, event: str = "A08", version: str = "2.5", charset: str = ""
) -> str:
    """A message about a patient."""
    head = f"MSH|^~\\&|ALAT|RSUD|BUS|KEDIRI|20260315081500||ADT^{event}|{number}|P|{version}||||||{charset}".rstrip("|")
    return f"{head}\rEVN|{event}|20260315081500\rPID|1||{kunci}^^^RSUD^MR||{nilai}\rPV1|1|O\r"


def said(answer: bytes) -> list[str]:
    """MSA-1, MSA-2 and MSA-3 of an answer."""
    (line,) = (line for line in answer.decode().split("\r") if line.startswith("MSA|"))
    return [*line.split("|")[1:], "", ""][:3]


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._frames, self._come = Frames(1_000_000), deque[bytes]()

    @classmethod
    async def connect(cls, port: int, **options: Any) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port, **options))

    def send(self, *messages: str | bytes) -> None:
        """Sends messages in one go."""
        self.writer.write(b"".join(framed(each.encode() if isinstance(each, str) else each) for each in messages))

    async def answer(self) -> bytes:
        """The next answer. Raises ConnectionError where the connection has ended."""
        while not self._come:
            data = await self._reader.read(65536)
            if not data:
                raise ConnectionResetError
            self._come += (frame.content for frame in self._frames.feed(data))
        return self._come.popleft()

    async def says(self) -> list[str]:
        """What the next answer says."""
        return said(await self.answer())

    async def close(self) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


class Bedside:
    """A device that has one message on its way at a time, over one connection, and sends it until it is answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.kept: deque[str] = deque()  #: messages that have no answer yet
        self.acknowledged: list[str] = []  #: MSH-10 of those with AA
        self.refused: list[str] = []  #: reasons of AE and AR

    async def run(self) -> None:
        """Goes on until cancelled, whoever listens or does not."""
        while True:
            with contextlib.suppress(OSError):
                await self._session()
            await asyncio.sleep(LATE)

    async def _session(self) -> None:
        client = await Client.connect(self._port)
        try:
            while True:
                if self.kept:
                    client.send(self.kept[0])
                    code, number, reason = await client.says()
                    self.kept.popleft()
                    (self.acknowledged if code == "AA" else self.refused).append(number if code == "AA" else reason)
                else:
                    await asyncio.sleep(LATE)
        finally:
            await client.close()


class Device(AtOnce, Calls):
    """The application: rows are patients; whatever changes is a message. It sends ahead, to any of the bus's addresses
    that answers.
    """

    def __init__(self, make: Callable[[], Hl7Mllp]) -> None:
        super().__init__()
        self._make = make
        self._sources: list[Hl7Mllp] = []
        self._rows: dict[int, str] = {}
        self._numbers = count(1)
        self._suffered = 0
        self._more, self._nameless = "", False
        self.refused: list[str] = []  #: reasons of AE and AR

    def source(self) -> Source:
        self._sources.append(self._make())
        return self._sources[-1]

    async def write(self, rows: Iterable[tuple[int, str]]) -> None:
        for key, value in rows:
            if self._rows.get(key) != value:
                self._rows[key] = value
                message = adt(key, "" if self._nameless else value, next(self._numbers)) + self._more
                self._keep(message.encode())

    async def delete(self, key: int) -> None:
        self._keep(adt(key, self._rows.pop(key), next(self._numbers), event="A29").encode())

    async def widen(self) -> None:
        self._more = "NK1|1|KELUARGA\rZUJ|1|baru\r"

    async def lose_column(self) -> None:
        self._nameless = True

    async def regain_column(self) -> None:
        self._nameless = False

    async def write_oversized(self, key: int) -> None:
        await self.write([(key, "x" * 1_500_000)])

    def stranger(self) -> Source | None:
        return None  # MLLP knows no credentials; certificates have tests of their own

    def suffered(self) -> int:
        return self._suffered

    async def _call(self) -> None:
        while self._outbox:
            for source in [source for source in self._sources if source.port and not self._silent]:
                with contextlib.suppress(OSError):
                    await self._session(source)
            await asyncio.sleep(0.005)

    async def _session(self, source: Hl7Mllp) -> None:
        """Sends what is kept over one connection, until it ends."""
        async with contextlib.AsyncExitStack() as stack:
            port, bad = source.port, None
            if self._disturbed:
                bad = await stack.enter_async_context(Proxy(port))
                bad.delay, port = LATE, bad.port
            client = await Client.connect(port)
            stack.push_async_callback(client.close)
            sent = answered = 0
            while self._outbox and source.port and not self._silent:
                while sent < min(len(self._outbox), AHEAD):
                    client.send(self._outbox[sent])
                    sent += 1
                async with asyncio.timeout(5):
                    code, _, reason = await client.says()
                self._outbox.popleft()
                sent, answered = sent - 1, answered + 1
                if code != "AA":
                    self.refused.append(reason)
                if bad and answered == CUT:
                    await bad.cut()
                    self._suffered += bad.suffered()
                    return
