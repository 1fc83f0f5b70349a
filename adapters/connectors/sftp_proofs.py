"""How an SFTP server and its user prove themselves to each other: options, keys, fingerprints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import asyncssh
from pydantic import Field, field_validator

from bus.config import secret
from bus.errors import ConfigError
from bus.ports import ConnectorConfig

_FINGERPRINT = "SHA256:"
_KEY_TYPES = ("ssh-", "ecdsa-", "sk-")  # how a public key begins; what else there is begins with a host


class SftpOptions(ConnectorConfig):
    """How a server is recognised, and how one logs in."""

    usual: ClassVar[tuple[str, ...]] = ("host_key", "user_key")

    host_key: str | None = Field(
        default=None,
        description="how the server proves itself: its public key, SHA256:… fingerprints, or known_hosts lines; "
        "as it is or by reference: file:PATH, or env:NAME that may hold file:PATH. Never done without",
    )
    user_key: str | None = Field(
        default=None,
        description="the user's private key, without a passphrase, by reference, as `host_key`",
    )
    password: str | None = Field(default=None, description="or the user's password, by reference: env:NAME")
    timeout: float = Field(default=30, gt=0, description="seconds that the server may be silent")

    @field_validator("user_key", "password")
    @classmethod
    def _by_reference(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("env:", "file:")):
            raise ValueError("stands in no contract: write env:NAME or file:PATH")
        return value


@dataclass(frozen=True, slots=True)
class Proofs:
    """How a server proves itself, and how its user does: as asyncssh takes it."""

    known_hosts: Any
    fingerprints: frozenset[str]
    client_keys: list[asyncssh.SSHKey] | None
    password: str | None


class Verifier(asyncssh.SSHClient):
    """Knows a server by its fingerprints; notes which one an unknown server has."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self.offered = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Whether a key that no known_hosts line names is the server's."""
        self.offered = key.get_fingerprint()
        return self.offered in self._allowed


def proofs(options: SftpOptions, where: str) -> Proofs:
    """What the options tell, their references read. Raises ConfigError."""
    if not options.host_key:
        hint = "ask its owner for the public key or its fingerprint"
        raise ConfigError("`host_key` is missing: the server must prove itself", where=where, hint=hint)
    if not options.user_key and not options.password:
        raise ConfigError("neither user_key nor password", where=where, hint="write one of them, by reference")
    known, fingerprints = _host_keys(_told(options.host_key, f"{where}.host_key"), f"{where}.host_key")
    keys = [_user_key(_told(options.user_key, f"{where}.user_key"), f"{where}.user_key")] if options.user_key else None
    password = secret(options.password, where=f"{where}.password") if options.password else None
    return Proofs(known, fingerprints, keys, password)


def _user_key(text: str, where: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(text)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        hint = "an OpenSSH or PEM file without a passphrase, readable for this user alone"
        raise ConfigError("no private key that can be used", where=where, hint=hint) from None


def _told(reference: str, where: str) -> str:
    """The text behind a reference; a variable may say in which file it stands. Raises ConfigError."""
    return secret(secret(reference, where=where), where=where)


def _host_keys(text: str, where: str) -> tuple[Any, frozenset[str]]:
    """What may prove a server: keys as asyncssh takes them, and fingerprints. Raises ConfigError."""
    words = text.split()
    if words and all(word.startswith(_FINGERPRINT) for word in words):
        return ([], [], []), frozenset(words)
    try:
        if text.startswith(_KEY_TYPES):
            keys = [asyncssh.import_public_key(line) for line in text.splitlines() if line.strip()]
            return (keys, [], []), frozenset()
        return asyncssh.import_known_hosts(text), frozenset()
    except (asyncssh.KeyImportError, ValueError):
        hint = "write a public key, SHA256:… or known_hosts lines"
        raise ConfigError("no host key", where=where, hint=hint) from None
