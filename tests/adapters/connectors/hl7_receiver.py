"""A hospital system that receives HL7 messages, in a process of its own: another library's MLLP server and parser.

It applies a message once by its MSH-10, and an older one never over a newer one; what it has lies in its folder, where
a test looks into it and tells it what to do.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import hl7
from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server

from tests.servers.kept import Kept
from tests.servers.program import Program
from tests.servers.server import HOST


class Hospital:
    """What it has, and how it answers, as it is told to:

    ``code``: with this, whatever comes; ``refused``: with AE for this value; ``silent``: it applies and says nothing;
    ``enough``: so once it has applied so many; ``adds``: with a segment more; ``gone``: that it takes no such messages.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.kept = Kept(
            """
            CREATE TABLE IF NOT EXISTS patient (key TEXT PRIMARY KEY, number INTEGER, value TEXT);
            CREATE TABLE IF NOT EXISTS applied (control TEXT PRIMARY KEY, event TEXT);
            """,
            folder=folder,
        )

    async def serve(self, reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                message = await reader.readmessage()
                told = self.kept.values()
                with self.kept.whole():
                    self.kept.set(last=str(message))
                    code = told.get("code") or self._take(message, **told)
                if not told.get("silent") and not self._has(told.get("enough")):
                    added = "ZXX|baru\r" if told.get("adds") else ""
                    added += "ERR|||200^Unsupported message type|E\r" if told.get("gone") else ""
                    writer.writemessage(hl7.parse(str(message.create_ack(code)) + added))
                    await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    def _has(self, enough: int | None) -> bool:
        """Whether it has applied so many."""
        (applied,) = self.kept.db.execute("SELECT count(*) FROM applied").fetchone()
        return enough is not None and applied >= enough

    def _take(self, message: hl7.Message, *, gone: bool = False, refused: str | None = None, **_: Any) -> str:
        """Applies a message; returns what it is answered with."""
        if gone:
            return "AR"
        control = str(message.segment("MSH")[10])
        number, event = (str(message.segment("ZBS")[field]) for field in (1, 2))
        self.kept.add("heard", event)
        key, value = (message.unescape(str(message.segment("PID")[field])) for field in (3, 5))
        if self.kept.db.execute("SELECT 1 FROM applied WHERE control = ?", (control,)).fetchone():
            return "AA"
        if value == refused:
            return "AE"
        self.kept.db.execute("INSERT INTO applied VALUES (?, ?)", (control, event))
        newest = self.kept.db.execute("SELECT number FROM patient WHERE key = ?", (key,)).fetchone()
        if newest is None or newest[0] < int(number):
            self.kept.db.execute("INSERT OR REPLACE INTO patient VALUES (?, ?, ?)", (key, int(number), value))
        return "AA"

    def seen(self) -> dict[str, Any]:
        """What it has: ``rows``, the event of each that was applied (``writes``) and told (``heard``), each MSH-10
        (``controls``), and the ``last`` message.
        """
        applied = self.kept.db.execute("SELECT control, event FROM applied ORDER BY rowid").fetchall()
        return {
            "rows": dict(self.kept.db.execute("SELECT key, value FROM patient ORDER BY rowid").fetchall()),
            "writes": [event for _, event in applied],
            "controls": [control for control, _ in applied],
            "heard": self.kept.lines("heard"),
            "last": self.kept.values().get("last", ""),
        }


class Receiver(Program):
    """The running hospital, and what a test does to it."""

    scheme: ClassVar[str] = "mllp"

    def module(self) -> Sequence[str]:
        return [__name__, str(self.port)]

    def initialise(self) -> None:
        self._hospital = Hospital(self.folder)

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=5):
            return True
        return False

    def clear(self) -> None:
        """Forgets everything."""
        self._hospital.kept.clear()

    def control(self, **what: Any) -> dict[str, Any]:
        """Tells it something, past everything that stands between it and the bus; returns what it has seen."""
        self._hospital.kept.set(**what)
        return self._hospital.seen()

    def close(self) -> None:
        self._hospital.kept.close()
        super().close()


async def _main(port: int) -> None:
    async with await start_hl7_server(Hospital().serve, HOST, port, encoding="utf-8") as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
