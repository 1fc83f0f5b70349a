"""What the SFTP connectors share: a connection to a server that proves who it is, and the errors of the bus.

No error carries the name of a file; of a server its host and port are told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import PurePosixPath
from typing import Any, TypeVar, cast
from urllib.parse import unquote, urlsplit

import asyncssh
from pydantic import Field, field_validator

from bus.config import secret
from bus.errors import AccessError, ConfigError, Unavailable
from bus.ports import ConnectorConfig

SCHEME = "sftp://"
PORT = 22
CHUNK = 1024 * 1024  #: bytes that are read or written at a time
SILENCE = 3  #: questions without an answer after which a connection counts as lost, within `timeout`

_FINGERPRINT = "SHA256:"
_KEY_TYPES = ("ssh-", "ecdsa-", "sk-")  # how a public key begins; what else there is begins with a host

_Result = TypeVar("_Result")


class SftpOptions(ConnectorConfig):
    """How a server is recognised, and how one logs in."""

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


class SftpServer:
    """One user's connection to a server: made when it is needed, and again after it was lost.

    What is done over it raises FileNotFoundError for what is not there, AccessError for what the server refuses, and
    Unavailable for everything that may pass.
    """

    def __init__(self, options: SftpOptions, where: str) -> None:
        self._options, self._where = options, where
        self._arguments: dict[str, Any] = {}
        self._fingerprints: frozenset[str] = frozenset()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self._connecting = asyncio.Lock()
        self._ending: list[asyncssh.SSHClientConnection] = []
        self.name = ""  #: host and port

    async def open(self, url: str) -> PurePosixPath:
        """Connects to the server of ``sftp://user@host:port/folder`` and returns the folder; ``/~/`` is that of the
        login. Raises ConfigError, AccessError, Unavailable.
        """
        parts = urlsplit(url)
        where = f"{self._where}.folder"
        try:
            host, port = parts.hostname, parts.port or PORT
        except ValueError:
            host, port = None, PORT
        if not host or not parts.username or parts.query or parts.fragment:
            raise ConfigError("not an address of a folder", where=where, hint="write sftp://user@host:22/folder")
        if parts.password is not None:
            raise ConfigError("a password in the address", where=where, hint="write it as `password`, by reference")
        self.name = host if port == PORT else f"{host}:{port}"
        self._arguments = {"host": host, "port": port, "username": unquote(parts.username), **self._proofs()}
        await self.do(lambda client: client.realpath("."))
        path = unquote(parts.path) or "/"
        return PurePosixPath(path.removeprefix("/~/") or ".") if path.startswith("/~/") else PurePosixPath(path)

    def _proofs(self) -> dict[str, Any]:
        """The server's key and the user's. Raises ConfigError."""
        options, where = self._options, self._where
        if not options.host_key:
            hint = "ask its owner for the public key or its fingerprint"
            raise ConfigError("`host_key` is missing: the server must prove itself", where=where, hint=hint)
        if not options.user_key and not options.password:
            raise ConfigError("neither user_key nor password", where=where, hint="write one of them, by reference")
        known, self._fingerprints = _host_keys(_told(options.host_key, f"{where}.host_key"), f"{where}.host_key")
        keys = None
        if options.user_key:
            try:
                keys = [asyncssh.import_private_key(_told(options.user_key, f"{where}.user_key"))]
            except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
                hint = "an OpenSSH or PEM file without a passphrase, readable for this user alone"
                raise ConfigError("no private key that can be used", where=f"{where}.user_key", hint=hint) from None
        password = secret(options.password, where=f"{where}.password") if options.password else None
        return {
            "known_hosts": known,
            "client_keys": keys,
            "password": password,
            "config": None,  # neither the files nor the agent of whoever runs this
            "agent_path": None,
            "connect_timeout": options.timeout,
            "login_timeout": options.timeout,
            "keepalive_interval": options.timeout / SILENCE,
            "keepalive_count_max": SILENCE,
        }

    async def do(self, operation: Callable[[asyncssh.SFTPClient], Awaitable[_Result]]) -> _Result:
        """The result of something that is done over the connection, within `timeout`."""
        with self._errors():
            async with asyncio.timeout(self._options.timeout):
                return await operation(await self._connected())

    @asynccontextmanager
    async def file(self, path: PurePosixPath, mode: str) -> AsyncIterator[OpenFile]:
        """An open file; one that was written is on the server's disk at the end, where the server can tell."""
        opened = await self.do(lambda client: client.open(str(path), mode))
        try:
            yield OpenFile(self, opened)
        except BaseException:
            self._drop()  # the server closes the file, whatever it is busy with
            raise
        if mode != "rb":
            await self.do(lambda _: _sync(opened))
        await self.do(lambda _: opened.close())

    async def rename(self, source: PurePosixPath, target: PurePosixPath, *, atomic: bool = False) -> None:
        """Renames a file, in place of what has that name; ``atomic`` raises ConfigError where the server cannot do that
        at once. Raises FileNotFoundError.
        """
        await self.do(lambda client: self._rename(client, str(source), str(target), atomic))

    async def _rename(self, client: asyncssh.SFTPClient, source: str, target: str, atomic: bool) -> None:
        try:
            await client.posix_rename(source, target)
        except asyncssh.SFTPOpUnsupported:
            if atomic:
                what = f"{self.name} cannot replace a file at once (posix-rename@openssh.com)"
                raise ConfigError(what, where=self._where, hint="use OpenSSH's server, or another way") from None
            if await client.exists(target):  # SFTP's own renaming, of version 3, replaces nothing
                await client.remove(target)
            await client.rename(source, target)

    async def _connected(self) -> asyncssh.SFTPClient:
        async with self._connecting:
            if self._client is None or self._connection is None or self._connection.is_closed():
                self._drop()
                self._connection = await self._connect()
                self._client = await self._connection.start_sftp_client(path_errors="surrogateescape")
            return self._client

    async def _connect(self) -> asyncssh.SSHClientConnection:
        verifier = _Verifier(self._fingerprints)
        try:
            return await asyncssh.connect(**self._arguments, client_factory=lambda: verifier)
        except asyncssh.HostKeyNotVerifiable:
            raise AccessError(
                f"{self.name} proves itself with {verifier.offered or 'another kind of key'}, not with `host_key`",
                where=self._where,
                hint="another server, or it has a new key: ask its owner, then correct host_key",
            ) from None
        except asyncssh.PermissionDenied:
            hint = "ask the server's owner to allow this user and key or password"
            raise AccessError(f"{self.name} refuses the user", where=self._where, hint=hint) from None
        except (asyncssh.KeyExchangeFailed, asyncssh.ProtocolNotSupported):
            hint = "its host key is of another kind than `host_key`, or its SSH is too old"
            raise AccessError(f"{self.name} and this end do not agree", where=self._where, hint=hint) from None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except asyncssh.SFTPNoSuchFile:
            raise FileNotFoundError from None
        except asyncssh.SFTPPermissionDenied:
            hint = "let this user read, write and move files there"
            raise AccessError(f"{self.name}: the folder may not be used", where=self._where, hint=hint) from None
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError):
            raise self._lost("the connection is lost") from None
        except asyncssh.SFTPError as error:
            reason = f"it cannot do this (SFTP status {error.code})"
            hint = "is its disk full, is the folder in its place?"
            raise Unavailable(f"{self.name}: {reason}", where=self._where, hint=hint) from None
        except TimeoutError:
            raise self._lost("no answer in time") from None
        except (OSError, asyncssh.Error) as error:
            reason = (error.strerror if isinstance(error, OSError) else "") or "no connection"
            raise self._lost(reason) from None

    def _lost(self, reason: str) -> Unavailable:
        self._drop()
        return Unavailable(f"{self.name} does not answer: {reason}", where=self._where)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._ending.append(self._connection)
        self._connection = self._client = None

    async def close(self) -> None:
        """Ends the connection."""
        self._drop()
        while self._ending:
            await self._ending.pop().wait_closed()


class OpenFile:
    """A file on the server, read or written in pieces."""

    def __init__(self, server: SftpServer, file: asyncssh.SFTPClientFile) -> None:
        self._server, self._file = server, file

    async def read(self) -> bytes:
        """The next piece; empty at the end."""
        return cast(bytes, await self._server.do(lambda _: self._file.read(CHUNK)))

    async def write(self, content: bytes) -> None:
        """Adds to what was written."""
        for start in range(0, len(content), CHUNK):
            await self._server.do(lambda _, start=start: self._file.write(content[start : start + CHUNK]))  # type: ignore[misc]


class _Verifier(asyncssh.SSHClient):
    """Knows a server by its fingerprints; notes which one an unknown server has."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self.offered = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.offered = key.get_fingerprint()
        return self.offered in self._allowed


def _told(reference: str, where: str) -> str:
    """The text behind a reference; a variable may say in which file it stands. Raises ConfigError."""
    return secret(secret(reference, where=where), where=where)


async def _sync(file: asyncssh.SFTPClientFile) -> None:
    with suppress(asyncssh.SFTPOpUnsupported):
        await file.fsync()


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
