"""Sends events by mail, for people who have nothing else: a mail per event, or one per batch (`digest`).

The text is plain and in Bahasa Indonesia, with the subscription's fields and nothing else of the event; the subject is
the same for all mails and holds no data. A mail goes to all recipients or, where one is refused, to none.

A mail server cannot be asked whether it has a mail already: after a crash the events that were in hand, a batch at
most, are sent once more. Such mails have one Message-ID, made of the event's id, by which mail programs know them for
the same (of a digest: of the ids of all its events, so that after a crash an event may stand in two different ones).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from adapters.connectors import smtp_text
from adapters.connectors.event_attributes import identity_of
from adapters.connectors.smtp import MailServer, Tls
from bus.config import secret
from bus.errors import ConfigError
from bus.ports import ConnectorConfig, Context, Delivery, FollowUp
from bus.subjects import TYPE_PREFIX

PORTS: Mapping[str, int] = {"starttls": 587, "implicit": 465, "none": 25}


class SmtpSendConfig(ConnectorConfig):
    """Options of a target with ``connector = "smtp_send"``."""

    server: str = Field(description="the mail server, host:port, as it is or by reference: env:NAME")
    tls: Tls = Field(
        default="starttls", description="starttls (587), implicit (465), or none: readable for everybody on the way"
    )
    ca: str | None = Field(default=None, description="a PEM file with the authority that the server trusts in")
    user: str | None = Field(default=None, description="who logs in, by reference or as it is; none: nobody does")
    password: str | None = Field(default=None, description="the user's password, by reference: env:NAME")
    sender: str = Field(description="the sender's address, as it is or by reference: env:NAME")
    to: tuple[str, ...] = Field(
        min_length=1,
        description="the recipients' addresses, each as it is or by reference; env:NAME may hold several, by ,",
    )
    subject: str = Field(default="", description="the subject of every mail; none: Pemberitahuan and the event's type")
    intro: str = Field(default="", description="a text above the fields")
    columns: Mapping[str, str] | None = Field(
        default=None,
        examples=[{"Nomor": "$key"}],
        description="label = field, or $id, $time, $source, $subject, $type of the event; none: each field",
    )
    digest: bool = Field(default=False, description="one mail for all events of a batch")
    timeout: float = Field(default=30, gt=0, description="seconds that the server may be silent")

    @field_validator("password")
    @classmethod
    def _by_reference(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("env:", "file:")):
            raise ValueError("stands in no contract: write env:NAME or file:PATH")
        return value

    @field_validator("subject")
    @classmethod
    def _without_data(cls, subject: str) -> str:
        if not subject.isprintable() or "{" in subject:
            raise ValueError("is one line, the same for every mail: a subject is read by whoever carries it")
        return subject

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.user) != bool(self.password):
            raise ValueError("user and password go together")
        return self


class SmtpSend:
    """A sink whose target are mailboxes."""

    Config: ClassVar[type[ConnectorConfig]] = SmtpSendConfig

    def __init__(self, config: SmtpSendConfig, context: Context) -> None:
        self._config, self._context = config, context
        self._where = f"{context.app} {context.name}"
        self._server: MailServer | None = None
        self._sender = self._domain = ""
        self._to: list[str] = []
        self.database: str | None = None
        self.atomic = config.digest

    @staticmethod
    def needs(config: SmtpSendConfig) -> frozenset[str]:
        """The fields that a subscription must let through; `bus check` asks for them."""
        return frozenset(source for source in (config.columns or {}).values() if not source.startswith("$"))

    async def open(self) -> None:
        """Reads addresses and secrets. Raises ConfigError; the server is met with the first event."""
        config, where = self._config, self._where
        host, _, port = secret(config.server, where=f"{where}.server").partition(":")
        if not host or (port and not port.isdecimal()):
            raise ConfigError("not host:port", where=f"{where}.server", hint="write mail.example:587")
        (sender,) = _addresses([config.sender], f"{where}.sender")[:1]
        self._sender, self._domain = sender.addr_spec, sender.domain
        self._to = [address.addr_spec for address in _addresses(config.to, f"{where}.to")]
        login = None
        if config.user and config.password:
            login = (secret(config.user, where=f"{where}.user"), secret(config.password, where=f"{where}.password"))
        self._server = MailServer(
            host,
            int(port) if port else PORTS[config.tls],
            tls=config.tls,
            ca=config.ca,
            login=login,
            domain=self._domain,
            timeout=config.timeout,
            where=where,
        )

    async def apply(self, deliveries: Sequence[Delivery], transaction: Any) -> Sequence[FollowUp]:
        """Sends the events in their order. Raises Rejected, Unavailable, AccessError, ConfigError."""
        if self._server is None:
            raise RuntimeError("smtp_send is not open")
        for part in [deliveries] if self._config.digest else [[each] for each in deliveries]:
            await self._server.send(self._sender, self._to, self._mail(part))
        return ()

    def _mail(self, deliveries: Sequence[Delivery]) -> bytes:
        config, first = self._config, deliveries[0].event
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._to)
        mail["Subject"] = config.subject or f"Pemberitahuan: {first.type.removeprefix(TYPE_PREFIX)}"
        mail["Date"] = format_datetime(datetime.now(UTC).astimezone(self._context.timezone))
        mail["Message-ID"] = self._message_id([each.event.id for each in deliveries])
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer of an absent person
        mail["Content-Language"] = "id"
        mail.set_content(
            smtp_text.body(deliveries, config.columns, self._context.timezone, intro=config.intro, where=self._where)
        )
        return mail.as_bytes()

    def _message_id(self, event_ids: Sequence[str]) -> str:
        """The same for the same events of this subscription, whenever they are sent."""
        place = re.sub(r"[^A-Za-z0-9_-]", "-", f"{self._context.app}_{self._context.name}")
        return f"<{identity_of(event_ids)}.{place}@{self._domain}>"

    async def close(self) -> None:
        """Ends the connection."""
        if self._server is not None:
            await self._server.close()


def _addresses(references: Sequence[str], where: str) -> list[Address]:
    """The addresses behind references. Raises ConfigError, without the address."""
    texts = [text for reference in references for text in secret(reference, where=where).split(",")]
    try:
        addresses = [Address(addr_spec=text.strip()) for text in texts]
    except (ValueError, IndexError, HeaderParseError):
        raise ConfigError("not a mail address", where=where, hint="write name@office.example") from None
    if any(not address.domain or not address.addr_spec.isascii() for address in addresses):
        raise ConfigError("not a mail address", where=where, hint="write name@office.example")
    return addresses
