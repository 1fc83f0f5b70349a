"""A drop folder on an SFTP server, laid out as a local one (see ``drop_folder``).

Files move by renaming within the server. Names come from there: what could leave a folder is no file for us.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import asyncssh

from adapters.connectors.drop_folder import DONE, FAILED, READING
from adapters.connectors.drop_settling import REPORT, Settling, free_name, wanted
from adapters.connectors.sftp import SftpServer
from bus.errors import ConfigError, Unavailable

CHUNK = 1024 * 1024  #: bytes of a report that are in memory at a time

_NANOSECONDS = 10**9


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file and what identifies it: its place, size in bytes, time of its last change in seconds."""

    path: PurePosixPath
    size: int
    mtime: int

    @property
    def mtime_ns(self) -> int:
        """The time of its last change in nanoseconds, as a local file has it."""
        return self.mtime * _NANOSECONDS


class RemoteFolder:
    """The folder of one source. Methods raise Unavailable and AccessError."""

    def __init__(self, server: SftpServer, root: PurePosixPath, pattern: str, settle: float, *, where: str) -> None:
        self.root, self._server, self._pattern, self._where = root, server, pattern, where
        self._settling = Settling[RemoteFile](settle)

    async def check(self, *, seen_before: bool) -> None:
        """Raises ConfigError where there is no such folder (Unavailable, if it was here)."""
        try:
            async for _ in self._files(self.root):
                break
        except FileNotFoundError:
            if seen_before:
                hint = "is it still mounted?"
                raise Unavailable(f"{self._server.name}: the folder is gone", where=self._where, hint=hint) from None
            hint = "create it, or correct `folder`"
            raise ConfigError(f"{self._server.name}: no such folder", where=self._where, hint=hint) from None

    async def next(self) -> RemoteFile | None:
        """The file left in ``reading``, else the oldest that has settled; None where there is none."""
        left, waiting = await asyncio.gather(self.left(), self.waiting())
        settled = self._settling.settled({found.path.name: found for found in waiting})
        return min(left or settled, key=_age, default=None)

    def settles_in(self) -> float:
        """Seconds until the first of the files seen last may have settled; 0 where there is none."""
        return self._settling.settles_in()

    async def waiting(self) -> list[RemoteFile]:
        """The files that were dropped, settled or not, without the one in ``reading``."""
        return [found for found in await self._list() if wanted(found.path.name, self._pattern)]

    async def left(self) -> list[RemoteFile]:
        """The file in ``reading``."""
        return await self._list(READING)

    async def processed(self) -> AsyncIterator[RemoteFile]:
        """The files in ``done`` with a report, the last one read first."""
        files = {found.path.name: found for found in await self._list(DONE)}
        reported = [(found.mtime, name.removesuffix(REPORT)) for name, found in files.items() if name.endswith(REPORT)]
        for _, name in sorted(reported, reverse=True):
            if name in files:
                yield files[name]

    async def free(self, found: RemoteFile) -> str:
        """The file's name, or one like it that neither a file nor a report has wherever it may go."""
        if found.path.parent.name == READING:
            return found.path.name
        lists = await asyncio.gather(*(self._list(kind) for kind in (READING, DONE, FAILED)))
        return free_name(found.path.name, [each.path.name for files in lists for each in files])

    async def fetch(self, found: RemoteFile, copy: BinaryIO) -> bool:
        """Copies a file to this machine; False where it is gone. Memory stays flat. Raises OSError for the copy."""
        try:
            async with self._server.file(found.path, "rb") as file:
                while chunk := await file.read():
                    await asyncio.to_thread(copy.write, chunk)
        except FileNotFoundError:
            return False
        return True

    async def claim(self, found: RemoteFile, name: str) -> RemoteFile | None:
        """Moves the file to ``reading`` under that name; None where it is gone. Whether it has changed is seen later:
        what is in ``reading`` is read in any case.
        """
        target = self.root / READING / name
        await self._make(READING)
        try:
            await self._server.rename(found.path, target)
        except FileNotFoundError:
            return None
        self._settling.forget(found.path.name)
        return replace(found, path=target)

    async def unchanged(self, found: RemoteFile) -> bool:
        """Whether the file is still as it was."""
        try:
            attributes = await self._server.do(lambda client: client.lstat(str(found.path)))
        except FileNotFoundError:
            return False
        return _file(found.path, attributes) == found

    async def finish(self, found: RemoteFile, kind: str) -> bool:
        """Moves a file that was read to ``done`` or ``failed``; False where it is gone."""
        await self._make(kind)
        try:
            await self._server.rename(found.path, self.root / kind / found.path.name)
        except FileNotFoundError:
            return False
        return True

    async def put(self, source: Path, kind: str) -> None:
        """Copies a small file into ``done`` or ``failed``: it is there whole or not at all."""
        await self._make(kind)
        target = self.root / kind / source.name
        draft = target.with_name(f".{source.name}.tmp")
        # Not opened in a thread: what that opens while this task is being cancelled, nobody would close.
        with source.open("rb") as content:
            async with self._server.file(draft, "wb") as file:
                while chunk := await asyncio.to_thread(content.read, CHUNK):
                    await file.write(chunk)
        await self._server.rename(draft, target)

    async def _make(self, kind: str) -> None:
        if not await self._server.do(lambda client: client.isdir(str(self.root / kind))):
            await self._server.do(lambda client: client.mkdir(str(self.root / kind)))

    async def _list(self, kind: str = "") -> list[RemoteFile]:
        try:
            return [found async for found in self._files(self.root / kind)]
        except FileNotFoundError:
            if not kind:
                raise Unavailable(f"{self._server.name}: the folder is gone", where=self._where) from None
            return []

    async def _files(self, folder: PurePosixPath) -> AsyncIterator[RemoteFile]:
        """Plain files alone: no links out of the folder, no hidden ones, no lock files of a spreadsheet."""
        for entry in await self._server.do(lambda client: client.readdir(str(folder))):
            name = str(entry.filename)
            if "/" not in name and "\0" not in name and wanted(name, "*") and _plain(entry.attrs):
                yield _file(folder / name, entry.attrs)


def _plain(attributes: asyncssh.SFTPAttrs) -> bool:
    return attributes.permissions is None or stat.S_ISREG(attributes.permissions)


def _file(path: PurePosixPath, attributes: asyncssh.SFTPAttrs) -> RemoteFile:
    return RemoteFile(path, attributes.size or 0, attributes.mtime or 0)


def _age(found: RemoteFile) -> tuple[int, str]:
    return found.mtime, found.path.name
