"""Writes events into daily files in a folder of an SFTP server, CSV or XLSX, for whoever fetches lists there.

It is `file_write` with the folder elsewhere: one row per event in the file of the event's day, replaced as a whole by
one renaming, so that whoever fetches it gets all of a batch or nothing; the ids of a file's events in a hidden journal
beside it, so that after a crash or a lost connection no row is there twice and none is missing.

The server must prove itself by its `host_key`, and be one that can replace a file at once (OpenSSH's can).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, ClassVar

from pydantic import Field

from adapters.connectors.daily_sink import DailyOptions, DailyRows, fields_of
from adapters.connectors.sftp import SCHEME, SftpServer
from adapters.connectors.sftp_proofs import SftpOptions
from bus.config import secret
from bus.errors import ConfigError, Unavailable
from bus.ports import ConnectorConfig, Context, Delivery, FollowUp


class SftpPutConfig(SftpOptions, DailyOptions):
    """Options of a target with ``connector = "sftp_put"``."""

    folder: str = Field(
        description="where the files are written: sftp://user@host:22/folder, or /~/folder below the login's, or "
        "env:NAME"
    )


class SftpPlace:
    """A folder on a server, as daily files need it."""

    def __init__(self, server: SftpServer, root: PurePosixPath, where: str) -> None:
        self._server, self._root, self._where = server, root, where

    async def check(self) -> None:
        """Raises ConfigError where there is no such folder."""
        if not await self._server.do(lambda client: client.isdir(str(self._root))):
            hint = "create it, or correct `folder`"
            raise ConfigError(f"{self._server.name}: no such folder", where=self._where, hint=hint)

    async def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none."""
        parts = []
        try:
            async with self._server.file(self._root / name, "rb") as file:
                while part := await file.read():
                    parts.append(part)
        except FileNotFoundError:
            return None
        return b"".join(parts)

    async def write(self, name: str, content: bytes) -> None:
        """Writes a file anew."""
        await self._put(name, content, "wb")

    async def append(self, name: str, content: bytes) -> None:
        """Adds to a file."""
        await self._put(name, content, "ab")

    async def _put(self, name: str, content: bytes, mode: str) -> None:
        try:
            async with self._server.file(self._root / name, mode) as file:
                await file.write(content)
        except FileNotFoundError:
            raise self._gone() from None

    async def replace(self, name: str, target: str) -> None:
        """A file takes the place of another, at once."""
        try:
            await self._server.rename(self._root / name, self._root / target, atomic=True)
        except FileNotFoundError:
            raise self._gone() from None

    async def remove(self, name: str) -> None:
        """Removes a file, where it is there."""
        try:
            await self._server.do(lambda client: client.remove(str(self._root / name)))
        except FileNotFoundError:
            return

    async def names(self, start: str) -> Sequence[str]:
        """The names in the folder that start so."""
        try:
            found = await self._server.do(lambda client: client.listdir(str(self._root)))
        except FileNotFoundError:
            raise self._gone() from None
        return [name for name in found if name.startswith(start)]

    def _gone(self) -> Unavailable:
        return Unavailable(f"{self._server.name}: the folder is gone", where=self._where, hint="is it still mounted?")


class SftpPut:
    """A sink into the daily files of one folder on a server."""

    Config: ClassVar[type[ConnectorConfig]] = SftpPutConfig

    def __init__(self, config: SftpPutConfig, context: Context) -> None:
        self._where = f"{context.app} {context.name}"
        self._config = config
        self._rows = DailyRows(config, context, self._where)
        self._server = SftpServer(config, self._where)
        self._place: SftpPlace | None = None
        self.database: str | None = None
        self.atomic = True

    @staticmethod
    def needs(config: SftpPutConfig) -> frozenset[str]:
        """The fields that a subscription must let through; `bus check` asks for them."""
        return fields_of(config)

    async def open(self) -> None:
        """Connects, and looks whether the folder is there. Raises ConfigError, AccessError, Unavailable."""
        folder = secret(self._config.folder, where=f"{self._where}.folder")
        if not folder.startswith(SCHEME):
            hint = "write sftp://user@host:22/folder; for a folder of this machine there is file_write"
            raise ConfigError("not a folder of an SFTP server", where=f"{self._where}.folder", hint=hint)
        place = SftpPlace(self._server, await self._server.open(folder), self._where)
        await place.check()
        self._place = place

    async def apply(self, deliveries: Sequence[Delivery], transaction: Any) -> Sequence[FollowUp]:
        """Adds the events' rows. Raises Rejected, Unavailable, AccessError, ConfigError."""
        if self._place is None:
            raise RuntimeError("sftp_put is not open")
        await self._rows.apply(self._place, deliveries)
        return ()

    async def close(self) -> None:
        """Ends the connection."""
        self._rows.forget()
        await self._server.close()
