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

from adapters.connectors.sftp_proofs import SftpOptions, Verifier, proofs
from bus.errors import AccessError, ConfigError, Unavailable

SCHEME = "sftp://"
PORT = 22
LARGEST = 256 * 1024  #: bytes that are asked for or sent at a time, where the server takes so many
AHEAD = 8  #: pieces that are asked for at once
SILENCE = 3  #: questions without an answer after which a connection counts as lost, within `timeout`

_Result = TypeVar("_Result")


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
        told = proofs(self._options, self._where)
        self._fingerprints = told.fingerprints
        self._arguments = {
            "host": host,
            "port": port,
            "username": unquote(parts.username),
            "known_hosts": told.known_hosts,
            "client_keys": told.client_keys,
            "password": told.password,
            "config": None,  # neither the files nor the agent of whoever runs this
            "agent_path": None,
            "connect_timeout": self._options.timeout,
            "login_timeout": self._options.timeout,
            "keepalive_interval": self._options.timeout / SILENCE,
            "keepalive_count_max": SILENCE,
        }
        await self.do(lambda client: client.realpath("."))
        path = unquote(parts.path) or "/"
        return PurePosixPath(path.removeprefix("/~/") or ".") if path.startswith("/~/") else PurePosixPath(path)

    async def do(self, operation: Callable[[asyncssh.SFTPClient], Awaitable[_Result]]) -> _Result:
        """The result of something that is done over the connection, within `timeout`."""
        with self._errors():
            async with asyncio.timeout(self._options.timeout):
                return await operation(await self._connected())

    @asynccontextmanager
    async def file(self, path: PurePosixPath, mode: str) -> AsyncIterator[OpenFile]:
        """An open file; one that was written is on the server's disk at the end, where the server can tell."""
        opened, limits = await self.do(lambda client: _open(client, str(path), mode))
        try:
            yield OpenFile(self, opened, limits)
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
                await self.close()
                self._connection = await self._connect()
                self._client = await self._connection.start_sftp_client(path_errors="surrogateescape")
            return self._client

    async def _connect(self) -> asyncssh.SSHClientConnection:
        verifier = Verifier(self._fingerprints)
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
        except asyncssh.ChannelOpenError:
            raise self._lost("it opens no SFTP session") from None
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
    """A file on the server, read or written from its beginning on, in pieces that the server can take.

    Several pieces are asked for at once, since a line may be long. asyncssh's own way of doing so leaves an error in
    the log for each that was on its way when a connection broke.
    """

    def __init__(self, server: SftpServer, file: asyncssh.SFTPClientFile, limits: asyncssh.SFTPLimits) -> None:
        self._server, self._file, self._offset = server, file, 0
        self._longest, self._largest = min(limits.max_read_len, LARGEST), min(limits.max_write_len, LARGEST)

    async def read(self) -> bytes:
        """The next bytes; none at the end."""
        starts = range(self._offset, self._offset + AHEAD * self._longest, self._longest)
        pieces = await self._server.do(
            lambda _: asyncio.gather(*(self._file.read(self._longest, start) for start in starts))
        )
        content = b""
        for piece in pieces:
            content += cast(bytes, piece)
            if len(piece) < self._longest:
                break  # the end, or all that the server gives at a time: what lies behind is asked for again
        self._offset += len(content)
        return content

    async def write(self, content: bytes) -> None:
        """Adds to what was written."""
        for start in range(0, len(content), self._largest):
            piece = content[start : start + self._largest]
            await self._server.do(lambda _, piece=piece: self._file.write(piece))  # type: ignore[misc]


async def _open(
    client: asyncssh.SFTPClient, path: str, mode: str
) -> tuple[asyncssh.SFTPClientFile, asyncssh.SFTPLimits]:
    return await client.open(path, mode, block_size=0), client.limits


async def _sync(file: asyncssh.SFTPClientFile) -> None:
    with suppress(asyncssh.SFTPOpUnsupported):
        await file.fsync()
