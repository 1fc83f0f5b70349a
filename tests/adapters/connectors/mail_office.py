"""People with a mailbox, reached by smtp_send over a real mail server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.connectors.smtp_send import SmtpSend, SmtpSendConfig
from bus.ports import Context, Sink
from bus.subjects import AppName
from tests.adapters.connectors.mail_server import USER, MailProgram, MailServer, events
from tests.servers.kept import Kept
from tests.servers.proxy import Proxy
from tests.servers.server import HOST

CONTEXT = Context(AppName("satpolpp", "penertiban"), "izin_terbit", Path(), ZoneInfo("Asia/Jakarta"))
SENDER, TO = "bus@kominfo.example", "loket@satpolpp.example"


def send(port: int, **options: Any) -> SmtpSend:
    given = {"server": f"{HOST}:{port}", "tls": "none", "sender": SENDER, "to": [TO], "timeout": 5, **options}
    return SmtpSend(SmtpSendConfig.model_validate(given), CONTEXT)


class Readers:
    """People with a mailbox. A mail server takes whatever comes, twice where it comes twice: what counts is what a mail
    program shows, which knows a mail by its Message-ID.
    """

    def __init__(self, program: MailProgram, way: Proxy, digest: bool) -> None:
        self._program, self._way, self._digest = program, way, digest
        self._server = MailServer(Kept(folder=program.folder))
        self.away, self.back, self.calm, self.suffered = way.refuse, way.accept, way.calm, way.suffered

    def sink(self, **options: Any) -> Sink:
        login = {"user": USER, "password": "env:BUS_TEST_PASSWORD"}
        return send(self._way.port, digest=self._digest, **login | options)

    def stranger(self) -> Sink | None:
        return self.sink(user=USER, password="env:BUS_TEST_WRONG_PASSWORD")

    def told(self) -> list[Mapping[str, str]]:
        """What the mails tell, one mapping per event."""
        return [event for mail in self._server.mailbox() for event in events(mail)]

    async def rows(self) -> Mapping[str, str]:
        return {event["kunci"]: event["nilai"] for event in self.told()}

    async def writes(self) -> Sequence[str]:
        return [event["kode"] for event in self.told()]

    async def heard(self) -> Sequence[str]:
        return [event["kode"] for mail in self._server.received for event in events(mail)]

    async def refuse(self, value: str | None) -> None:
        self._server.tell(forbidden=value)

    async def extend(self) -> None:
        self._server.tell(taken="250-2.0.0 taken\r\n250 2.0.0 queued as 4711")

    async def withdraw(self) -> None:
        self._server.tell(answers={TO: "550 5.1.1 no such mailbox"})

    async def restore(self) -> None:
        self._server.tell(answers={})

    async def kill(self) -> bool:
        await asyncio.to_thread(self._program.kill)
        return True

    async def start(self) -> None:
        await asyncio.to_thread(self._program.start)

    async def disturb(self) -> bool:
        await self._way.disturb()
        return True

    async def close(self) -> None:
        self._server.kept.clear()
        self._server.kept.close()
