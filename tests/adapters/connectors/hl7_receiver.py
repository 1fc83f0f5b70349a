"""A hospital system that receives HL7 messages, in a process of its own: another library's MLLP server and parser.

    python -m tests.adapters.connectors.hl7_receiver <descriptor of the listening socket> <of the controlling one>

It applies a message once by its MSH-10, and an older one never over a newer one. A second socket takes lines of JSON
that say what it is to do, and answers each with what it has seen.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hl7
from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server

from tests.servers.server import HOST


class Hospital:
    """What it has."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[int, str]] = {}
        self.heard: list[str] = []
        self.writes: dict[str, str] = {}  # event id by MSH-10
        self.refused: str | None = None
        self.code = ""  #: answers with this, whatever comes
        self.silent = False  #: applies and says nothing
        self.enough: int | None = None  #: says nothing any more once it has applied so many
        self.repeated = 0  #: messages that it had applied before
        self.adds = False  #: answers with a segment more
        self.gone = False  #: takes messages of this type no more
        self.last = ""

    async def serve(self, reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                message = await reader.readmessage()
                self.last = str(message)
                code = self.code or self.take(message)
                if not self.silent and (self.enough is None or len(self.writes) < self.enough):
                    added = "ZXX|baru\r" * self.adds + "ERR|||200^Unsupported message type|E\r" * self.gone
                    writer.writemessage(hl7.parse(str(message.create_ack(code)) + added))
                    await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    def take(self, message: hl7.Message) -> str:
        """Applies a message; returns what it is answered with."""
        if self.gone:
            return "AR"
        control = str(message.segment("MSH")[10])
        number, identity = (str(message.segment("ZBS")[field]) for field in (1, 2))
        self.heard.append(identity)
        if control in self.writes:
            self.repeated += 1
            return "AA"
        key, value = (message.unescape(str(message.segment("PID")[field])) for field in (3, 5))
        if value == self.refused:
            return "AE"
        self.writes[control] = identity
        if self.rows.get(key, (0, ""))[0] < int(number):
            self.rows[key] = int(number), value
        return "AA"

    def told(self, what: dict[str, Any]) -> dict[str, Any]:
        """Does what a test says."""
        if what.pop("kosong", False):
            self.__init__()  # type: ignore[misc]
        for name, value in what.items():
            setattr(self, name, value)
        rows = {key: value for key, (_, value) in self.rows.items()}
        writes = {"writes": list(self.writes.values()), "controls": list(self.writes)}
        return {"rows": rows, "last": self.last, "heard": self.heard, "repeated": self.repeated, **writes}


async def _main(listening: int, controlling: int) -> None:
    hospital = Hospital()

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(hospital.told(json.loads(line))).encode() + b"\n")
        writer.close()

    server = await start_hl7_server(hospital.serve, sock=socket.socket(fileno=listening), encoding="utf-8")
    other = await asyncio.start_server(control, sock=socket.socket(fileno=controlling))
    async with server, other:
        await asyncio.Event().wait()


class Receiver:
    """The running hospital, and what a test does to it."""

    def __init__(self, port: int, control: int) -> None:
        self.port, self._control = port, control
        self._socket: socket.socket | None = None
        self._line: Any = None

    def control(self, **what: Any) -> dict[str, Any]:
        """Does something to it, past everything that stands between it and the bus; returns what it has seen."""
        if self._line is None:
            self._socket = socket.create_connection((HOST, self._control))
            self._line = self._socket.makefile("rwb")
        self._line.write(json.dumps(what).encode() + b"\n")
        self._line.flush()
        seen: dict[str, Any] = json.loads(self._line.readline())
        return seen

    def close(self) -> None:
        """Lets go of it."""
        if self._socket is not None:
            self._line.close()
            self._socket.close()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """The hospital on a free port of loopback."""
    with socket.create_server((HOST, 0), backlog=100) as listening, socket.create_server((HOST, 0)) as controlling:
        numbers = listening.fileno(), controlling.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.adapters.connectors.hl7_receiver", *map(str, numbers)],
            pass_fds=numbers,
            stdin=subprocess.DEVNULL,
        )
        receiver = Receiver(listening.getsockname()[1], controlling.getsockname()[1])
        try:
            yield receiver  # connections wait in the backlog until it has started
        finally:
            receiver.close()
            process.terminate()
            process.wait(timeout=30)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
