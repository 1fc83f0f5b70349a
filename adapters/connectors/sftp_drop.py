"""Reads the files that somebody, a bank for one, drops into a folder of an SFTP server.

It is `file_drop` with the folder elsewhere: the same formats and reports, the same `reading/`, `done/` and `failed/`,
which stand on the server. A file that has settled is copied to a private folder of this machine and read there; with
its first stored rows it moves to `reading/`, after its last ones to `done/` or `failed/`, its report and its rejected
rows beside it. After a crash or a lost connection the file in `reading/` is read from its beginning: what is known of
it is no news to the bus then.

The server must prove itself by its `host_key`; one that changes stops the source. A `folder` that is no `sftp://…` is
one of this machine, for samples and trials.

A row missing from today's file says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from adapters.connectors.drop_options import DropOptions
from adapters.connectors.file_drop import FileDrop, FileDropConfig
from adapters.connectors.sftp import SCHEME, SftpServer
from adapters.connectors.sftp_folder import RemoteFolder
from adapters.connectors.sftp_proofs import SftpOptions
from adapters.connectors.sftp_reading import RemoteDrop
from adapters.connectors.sftp_spool import Spool
from bus.config import secret
from bus.errors import Unavailable
from bus.ports import Batch, ConnectorConfig, Context, Position, Record, Rejection, Sees, SourceState

UNNAMED = "utama"  #: what reports call the folder of the login, or the root


class SftpDropConfig(SftpOptions, DropOptions):
    """The options of ``sftp_drop``."""

    folder: str = Field(
        description="where files are dropped: sftp://user@host:22/folder, or /~/folder below the login's, or env:NAME"
    )


class SftpDrop:
    """Reads one folder, one file at a time, oldest first."""

    Config: ClassVar[type[ConnectorConfig]] = SftpDropConfig
    sees: ClassVar[Sees] = FileDrop.sees

    def __init__(self, config: SftpDropConfig, context: Context) -> None:
        self._config, self._context = config, context
        self._where = f"{context.app} source.{context.name}"
        self._server = SftpServer(config, self._where)
        self._drop: FileDrop | RemoteDrop | None = None
        self._seen_before = False

    @property
    def idle(self) -> float:
        """Seconds between two looks into the folder."""
        return self._config.poll

    async def open(self, position: Position | None) -> None:
        """Connects, and looks whether the folder is there. Raises ConfigError, AccessError, Unavailable."""
        folder = secret(self._config.folder, where=f"{self._where}.folder")
        if folder.startswith(SCHEME):
            self._drop = await self._open_remote(folder, position)
        else:
            self._drop = self._drop if isinstance(self._drop, FileDrop) else self._local(folder)
            await self._drop.open(position)

    async def _open_remote(self, url: str, position: Position | None) -> RemoteDrop:
        config, where = self._config, self._where
        root = await self._server.open(url)
        folder = RemoteFolder(self._server, root, config.pattern, config.settle, where=where)
        await folder.check(seen_before=self._seen_before)
        self._seen_before = True
        owner = f"{self._context.app.prefix}.{self._context.name}"
        try:
            spool = await asyncio.to_thread(Spool.make, owner, root.name or UNNAMED)
        except OSError as error:
            hint = "is there room for temporary files (TMPDIR)?"
            raise Unavailable(f"files cannot be copied here: {error.strerror}", where=where, hint=hint) from None
        local = self._local(str(spool.folder), pattern="*", settle=0)
        await local.open(position)
        return RemoteDrop(folder, spool, local, where=where)

    def _local(self, folder: str, **options: object) -> FileDrop:
        given = {name: getattr(self._config, name) for name in DropOptions.model_fields}
        return FileDrop(FileDropConfig.model_validate(given | {"folder": folder, **options}), self._context)

    async def read(self) -> Batch | None:
        """The next rows of the file at hand, or of the next once it has settled. Raises AccessError, Unavailable."""
        return await self._opened().read()

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """Notes what was rejected; after the last batch of a file writes its report and moves it."""
        await self._opened().commit(batch, rejections)

    async def reread(self, key: str) -> Record | None:
        """The row as it stands in the newest file that has it; None where none has. Raises AccessError, Unavailable."""
        return await self._opened().reread(key)

    async def state(self) -> SourceState:
        """How many files wait, the one at hand among them; since when; which row of the last one is stored."""
        return await self._opened().state()

    async def close(self) -> None:
        """Ends the connection; what is at hand is taken up again by the next `open`."""
        if self._drop is not None:
            await self._drop.close()
        if isinstance(self._drop, RemoteDrop):
            self._drop = None
        await self._server.close()

    def _opened(self) -> FileDrop | RemoteDrop:
        if self._drop is None:
            raise RuntimeError("sftp_drop is not open")
        return self._drop
