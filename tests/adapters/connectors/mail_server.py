"""A real mail server for tests (aiosmtpd), and the people who read its mails. It lives in the test's event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import Message
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.servers.server import HOST

USER, PASSWORD = "bus", "sandi-uji"


class MailServer:
    """What it was sent, and what it is told to answer."""

    def __init__(self) -> None:
        self.port = 0
        self.contents: list[bytes] = []
        self.forbidden: str | None = None  #: mails with this text are refused for good
        self.answers: dict[str, str] = {}  #: a recipient -> how it is answered
        self.busy: list[str] = []  #: answers to the next mails, before they are taken
        self.taken = "250 OK"  #: the answer to a mail that it took
        self.users: list[str] = []  #: who logged in
        self.when_received: Callable[[], Awaitable[None]] | None = None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's names
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.busy:
            return self.busy.pop(0)
        if self.forbidden and self.forbidden.encode() in envelope.content:
            return f"554 5.7.1 {self.forbidden} refused"
        self.contents.append(envelope.content)
        if self.when_received:
            await self.when_received()
        return self.taken

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        """Whether a user may log in."""
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        if right:
            self.users.append(USER)
        return AuthResult(success=right, handled=False)

    @property
    def received(self) -> list[Message]:
        """Every mail that it took."""
        return [message_from_bytes(content) for content in self.contents]

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
    *, context: ssl.SSLContext | None = None, implicit: bool = False, login: bool = False
) -> AsyncIterator[MailServer]:
    """The server; with a context it does STARTTLS, or TLS from the first byte on."""
    server, loop = MailServer(), asyncio.get_running_loop()
    options: dict[str, Any] = {"hostname": HOST, "loop": loop, "enable_SMTPUTF8": False}
    if context is not None and not implicit:
        options |= {"tls_context": context, "require_starttls": True}
    if login:
        secured = context is not None  # who demands a login without TLS is warned by aiosmtpd: it is offered only
        options |= {"authenticator": server.authenticate, "auth_required": secured, "auth_require_tls": secured}
    listening = await loop.create_server(lambda: SMTP(server, **options), HOST, 0, ssl=context if implicit else None)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()
