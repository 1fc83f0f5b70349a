"""The files of a server's folder on their way: copied to the spool, read there by ``file_drop``, given back.

    <folder>/a.csv        copied; with its first stored batch it is claimed
    reading/a.csv         its rows are read from the copy; after the last one is stored the outcome goes back:
    done/a.csv.laporan.txt, done/a.ditolak.csv, and then the file itself

The name under which it is claimed is one that is free in all these folders, so that everything of one file is found
together. Each step is safe to repeat: a file that is not in ``done`` or ``failed`` is read from its beginning.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from adapters.connectors.drop_folder import DONE, FAILED, READING, shown
from adapters.connectors.file_drop import FileDrop, state_of
from adapters.connectors.sftp_folder import RemoteFile, RemoteFolder
from adapters.connectors.sftp_spool import Spool
from bus.errors import Unavailable
from bus.ports import Batch, Record, Rejection, SourceState

DRAFT = ".salinan"  #: a copy that is not whole yet

_log = structlog.get_logger()


@dataclass(slots=True)
class InHand:
    """The file that is being read: where it is on the server, and the name of its copy."""

    remote: RemoteFile
    name: str
    claimed: bool


class RemoteDrop:
    """One folder of a server. Methods raise what folder and ``file_drop`` raise, and Unavailable for a full disk."""

    def __init__(self, folder: RemoteFolder, spool: Spool, local: FileDrop, *, where: str) -> None:
        self._folder, self._spool, self._local, self._where = folder, spool, local, where
        self._hand: InHand | None = None

    async def read(self) -> Batch | None:
        """The next rows of the file at hand, or of the next once it has settled."""
        if self._hand is None and not await self._bring():
            seconds = self._folder.settles_in()
            if not seconds:
                return None
            await asyncio.sleep(seconds)
            if not await self._bring():
                return None
        return await self._local.read()

    async def _bring(self) -> bool:
        """Copies the next file; False where there is none."""
        found = await self._folder.next()
        if found is None:
            return False
        name = await self._folder.free(found)
        if not await self._copy(found, self._spool.folder / name):
            return False  # taken away meanwhile
        self._hand = InHand(found, name, claimed=found.path.parent.name == READING)
        return True

    async def _copy(self, found: RemoteFile, target: Path) -> bool:
        """Copies a file with its time; False where it is gone, and then there is no copy."""
        draft = target.with_name(DRAFT)
        with self._room():
            with await asyncio.to_thread(draft.open, "wb") as copy:
                there = await self._folder.fetch(found, copy)
            if there:
                os.utime(draft, ns=(found.mtime_ns, found.mtime_ns))
                os.replace(draft, target)
        return there

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            hint = "is there room for temporary files (TMPDIR)?"
            raise Unavailable(f"a file cannot be copied: {error.strerror}", where=self._where, hint=hint) from None

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """Claims the file with its first batch; after its last one gives it back with its report."""
        hand = self._hand
        if hand is None or not self._local.at_hand(batch):
            return  # read again by now, since the server did not answer or the file changed
        if not hand.claimed:
            await self._claim(hand)
        await self._local.commit(batch, rejections)
        await self._give_back()

    async def _claim(self, hand: InHand) -> None:
        """A file that has changed since it was copied, or is gone, is let go of; what is in ``reading`` comes again."""
        claimed = await self._folder.claim(hand.remote, hand.name)
        if claimed is None or not await self._folder.unchanged(claimed):
            self._let_go()
            return
        hand.remote, hand.claimed = claimed, True

    async def _give_back(self) -> None:
        """Where every row of the file at hand is stored: its report and rejected rows, then the file, go in place."""
        hand, kind = self._hand, self._outcome()
        if hand is None or kind is None:
            return
        if await self._folder.unchanged(hand.remote):
            for path in sorted((self._spool.folder / kind).iterdir()):
                if path.name != hand.name:
                    await self._folder.put(path, kind)
            await self._folder.finish(hand.remote, kind)
        else:
            _log.warning("file changed or taken away while it was read", source=self._where, file=shown(hand.name))
        self._let_go()

    def _outcome(self) -> str | None:
        """Whether the copy went to ``done`` or ``failed``; None: it is still read."""
        if self._hand is None:
            return None
        folder, name = self._spool.folder, self._hand.name
        return next((kind for kind in (DONE, FAILED) if (folder / kind / name).exists()), None)

    def _let_go(self) -> None:
        self._hand = None
        self._spool.clear()

    async def reread(self, key: str) -> Record | None:
        """The row as it stands in the newest file that has it: such files are copied one by one."""
        for found in await self._folder.left():
            if record := await self._search(found, key):
                return record
        async for found in self._folder.processed():
            if record := await self._search(found, key):
                return record
        return None

    async def _search(self, found: RemoteFile, key: str) -> Record | None:
        copy = self._spool.searched / found.path.name
        if not await self._copy(found, copy):
            return None
        try:
            with self._room():
                return await asyncio.to_thread(self._local.find, copy, key)
        finally:
            copy.unlink()

    async def state(self) -> SourceState:
        """How many files wait, the one at hand among them; since when; which row of the last one is stored."""
        files = [*await self._folder.left(), *await self._folder.waiting()]
        return state_of(self._local.position, [each.mtime_ns for each in files])

    async def close(self) -> None:
        """Nothing is at hand; what is on the server stays."""
        await self._local.close()
        self._spool.remove()
