"""Writes events into daily files in a folder, CSV or XLSX, for people who work with lists.

One row per event, in the file of the event's day, in the order in which events come; a late event goes into the file
of its own day, a correction is a row of its own event type. The file is replaced as a whole: whoever opens it sees all
of a batch or nothing. A folder has no transactions, so the ids of a file's events are kept in a hidden journal beside
it: after a crash at any point no row is there twice and none is missing. What people change in the file stays; a file
that they move away begins anew, without the rows it had; one whose header they changed is put aside as `name (2)`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from adapters.connectors.daily_sink import DailyOptions, DailyRows, fields_of
from bus.config import secret
from bus.errors import AccessError, ConfigError, Unavailable
from bus.ports import ConnectorConfig, Context, Delivery, FollowUp

_Result = TypeVar("_Result")


class FileWriteConfig(DailyOptions):
    """Options of a target with ``connector = "file_write"``."""


class LocalPlace:
    """A folder of this machine, or a share mounted here."""

    def __init__(self, root: Path, where: str) -> None:
        self._root, self._where = root, where

    async def check(self) -> None:
        """Raises ConfigError where there is no such folder, AccessError where it is not ours."""
        if not await asyncio.to_thread(self._root.is_dir):
            raise ConfigError(f"no folder {self._root}", where=self._where, hint="create it, or correct `folder`")
        if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
            raise self._refused()

    async def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none."""
        with suppress(FileNotFoundError):
            return await self._run((self._root / name).read_bytes)
        return None

    async def write(self, name: str, content: bytes) -> None:
        """Writes a file anew, to the disk."""
        await self._run(_put, self._root / name, content, "wb")

    async def append(self, name: str, content: bytes) -> None:
        """Adds to a file, to the disk."""
        await self._run(_put, self._root / name, content, "ab")

    async def replace(self, name: str, target: str) -> None:
        """A file takes the place of another, to the disk."""
        try:
            await self._run((self._root / name).replace, self._root / target)
        except AccessError:
            if os.access(self._root, os.W_OK):  # on a share: somebody has it open
                raise Unavailable(f"{target} may be open in another program", where=self._where) from None
            raise
        await self._run(_sync, self._root)

    async def remove(self, name: str) -> None:
        """Removes a file, where it is there."""
        with suppress(FileNotFoundError):
            await self._run((self._root / name).unlink)

    async def names(self, start: str) -> Sequence[str]:
        """The names in the folder that start so."""
        return [name for name in await self._run(os.listdir, self._root) if name.startswith(start)]

    async def _run(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        with self._errors():
            return await asyncio.to_thread(function, *arguments)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except PermissionError:
            raise self._refused() from None
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self._root.is_dir():
                raise
            hint = "is the share still mounted, is the disk full?"
            raise Unavailable(f"the folder does not answer: {error.strerror}", where=self._where, hint=hint) from None

    def _refused(self) -> AccessError:
        hint = f"let this user read and write in {self._root}"
        return AccessError("the folder may not be used", where=self._where, hint=hint)


def _put(path: Path, content: bytes, mode: str) -> None:
    with path.open(mode) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class FileWrite:
    """A sink into the daily files of one folder."""

    Config: ClassVar[type[ConnectorConfig]] = FileWriteConfig

    def __init__(self, config: FileWriteConfig, context: Context) -> None:
        self._where = f"{context.app} {context.name}"
        self._config, self._context = config, context
        self._rows = DailyRows(config, context, self._where)
        self._place: LocalPlace | None = None
        self.database: str | None = None
        self.atomic = True

    @staticmethod
    def needs(config: FileWriteConfig) -> frozenset[str]:
        """The fields that a subscription must let through; `bus check` asks for them."""
        return fields_of(config)

    async def open(self) -> None:
        """Looks whether the folder is there. Raises ConfigError, AccessError."""
        root = self._context.folder / secret(self._config.folder, where=f"{self._where}.folder")
        place = LocalPlace(root, self._where)
        await place.check()
        self._place = place

    async def apply(self, deliveries: Sequence[Delivery], transaction: Any) -> Sequence[FollowUp]:
        """Adds the events' rows. Raises Rejected, Unavailable, AccessError, ConfigError."""
        if self._place is None:
            raise RuntimeError("file_write is not open")
        await self._rows.apply(self._place, deliveries)
        return ()

    async def close(self) -> None:
        """Nothing stays open."""
        self._rows.forget()
