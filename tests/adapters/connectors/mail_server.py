"""A real mail server for tests (aiosmtpd), and the people who read its mails."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from email import message_from_string
from email.message import Message
from typing import Any, ClassVar

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.servers.kept import Kept
from tests.servers.program import Program
from tests.servers.server import HOST

USER, PASSWORD = "bus", "sandi-uji"


class MailServer:
    """What it was sent, and what it is told to answer: kept where another process may look at it, and tell it."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.port = 0
        self.users: list[str] = []  #: who logged in
        self.when_received: Callable[[], Awaitable[None]] | None = None

    def tell(self, **what: Any) -> None:
        """``forbidden``: mails with this text are refused for good; ``answers``: by recipient, how it is answered;
        ``busy``: the answers to the next mails, before they are taken; ``taken``: the answer to a mail that it took.
        """
        self.kept.set(**what)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's names
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        answers = self.kept.values().get("answers", {})
        if address in answers:
            return str(answers[address])
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        told = self.kept.values()
        if busy := told.get("busy"):
            self.kept.set(busy=busy[1:])
            return str(busy[0])
        content = envelope.content.decode("ascii")
        if (forbidden := told.get("forbidden")) and forbidden in content:
            return f"554 5.7.1 {forbidden} refused"
        self.kept.add("mails", content)
        if self.when_received:
            await self.when_received()
        return str(told.get("taken", "250 OK"))

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        """Whether a user may log in."""
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        if right:
            self.users.append(USER)
        return AuthResult(success=right, handled=False)

    @property
    def received(self) -> list[Message]:
        """Every mail that it took."""
        return [message_from_string(content) for content in self.kept.lines("mails")]

    def mailbox(self) -> list[Message]:
        """The mails as a mail program shows them: those of one Message-ID are one."""
        first: dict[str, Message] = {}
        for mail in self.received:
            first.setdefault(mail["Message-ID"], mail)
        return list(first.values())


def text(mail: Message) -> str:
    """What a mail says."""
    content = mail.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode().replace("\r\n", "\n")


def events(mail: Message) -> list[Mapping[str, str]]:
    """The labels and values that a mail tells, for each of its events; the event's code is the last of them."""
    found: list[dict[str, str]] = [{}]
    for line in text(mail).splitlines():
        label, told, value = line.partition(" : ")
        if told and not line.startswith(" "):  # what is set in belongs to the value above it
            found[-1][label.strip()] = value
            if label.strip() == "kode":
                found.append({})
    return list(found[:-1])


@asynccontextmanager
async def serving(
    kept: Kept,
    *,
    port: int = 0,
    context: ssl.SSLContext | None = None,
    implicit: bool = False,
    login: bool = False,
) -> AsyncIterator[MailServer]:
    """The server in this event loop; with a context it does STARTTLS, or TLS from the first byte on."""
    server, loop = MailServer(kept), asyncio.get_running_loop()
    options: dict[str, Any] = {"hostname": HOST, "loop": loop, "enable_SMTPUTF8": False}
    if context is not None and not implicit:
        options |= {"tls_context": context, "require_starttls": True}
    if login:
        secured = context is not None  # who demands a login without TLS is warned by aiosmtpd: it is offered only
        options |= {"authenticator": server.authenticate, "auth_required": secured, "auth_require_tls": secured}
    ssl_context = context if implicit else None
    listening = await loop.create_server(lambda: SMTP(server, **options), HOST, port, ssl=ssl_context)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()


class MailProgram(Program):
    """The server in a process of its own, with a login."""

    scheme: ClassVar[str] = "smtp"

    def module(self) -> Sequence[str]:
        return [__name__, str(self.port)]

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=5) as connection:
            return connection.recv(3) == b"220"
        return False


async def _main(port: int) -> None:
    async with serving(Kept(), port=port, login=True):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
