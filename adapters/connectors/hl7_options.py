"""The options of an hl7_mllp source."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from ipaddress import ip_network
from typing import Literal, Self

from pydantic import Field, model_validator

from adapters.connectors.hl7_tls import TlsConfig
from adapters.connectors.left_out import Skip
from adapters.formats.hl7 import CHARSETS, Malformed, Paths
from bus.ports import ConnectorConfig


class Hl7MllpConfig(ConnectorConfig):
    """Options of a source with ``connector = "hl7_mllp"``."""

    listen: str = Field(default="127.0.0.1:2575", description="host:port, as it is or by reference: env:NAME")
    peers: tuple[str, ...] = Field(
        default=(), examples=[["10.1.2.0/24"]], description="addresses or networks that may connect: 10.1.2.0/24"
    )
    tls: TlsConfig | None = Field(default=None, description="certificates: connections are encrypted then")
    fields: Mapping[str, str] = Field(
        min_length=1,
        examples=[{"no_rm": "PID-3(MR).1", "lahir": "PID-7:date", "asal": "MSH-3"}],
        description='name = path: no_rm = "PID-3(MR).1"',
    )
    key: tuple[str, ...] = Field(
        default=(), description="fields that name a record, not all of them empty; none: each message is its own"
    )
    skip: Skip = Field(default_factory=dict, examples=[{"asal": "BUS"}])
    messages: tuple[str, ...] = Field(
        default=("ADT^A01", "ADT^A03", "ADT^A04", "ADT^A08", "ADT^A28", "ADT^A31"),
        description="what is taken; anything else is answered with AR",
    )
    versions: tuple[str, ...] = Field(default=("2.3", "2.3.1", "2.4", "2.5", "2.5.1"), description="MSH-12")
    processing: Literal["P", "T", "D"] = Field(default="P", description="MSH-11: production, training or debugging")
    charset: str = Field(default="ASCII", description="of messages without MSH-18: ASCII, 8859/1, UNICODE UTF-8, …")
    largest: int = Field(default=1024 * 1024, ge=4096, description="bytes of one message; a larger one is refused")
    ahead: int = Field(default=200, ge=1, description="messages that one connection may send before the first answer")
    connections: int = Field(default=32, ge=1, description="connections at a time")
    whole: float = Field(default=30, gt=0, description="seconds within which a message that has begun must end")
    quiet: float = Field(default=86_400, gt=0, description="seconds after which a silent connection is closed")

    @property
    def known_columns(self) -> frozenset[str]:
        """What a record has."""
        return frozenset(self.fields) | {"_pesan", "_waktu"}

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.charset not in CHARSETS:
            raise ValueError(f"charset: there are {', '.join(CHARSETS)}")
        for option, names in (("key", self.key), ("skip", self.skip)):
            if unknown := sorted(set(names) - self.fields.keys()):
                raise ValueError(f"{option} names {', '.join(unknown)}, which is not in fields")
        try:
            Paths(self.fields, UTC)
        except Malformed as error:
            raise ValueError(f"fields: {error}") from None
        for peer in self.peers:
            ip_network(peer)  # its own ValueError says what is wrong
        return self
