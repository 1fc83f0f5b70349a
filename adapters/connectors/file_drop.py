"""Source ``file_drop``: reads the files that an office drops into a folder, and tells a clerk what became of them.

Sees updates (a known key with other content), no deletes: a row missing from today's file says nothing. A row is its
key (the columns named, or else its content) and how often that came in the file; a file dropped again brings no event
twice. What a crash interrupts is read again from the last batch whose fate is known.

File names stand in logs and in `bus status`, long numbers in them masked: name files by what they are, not by persons.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import structlog

from adapters.connectors.drop_folder import DropFolder, Dropped, shown
from adapters.connectors.drop_lookup import find
from adapters.connectors.drop_options import DropOptions
from adapters.connectors.drop_reading import OpenFile, Reading
from bus.config import secret
from bus.ports import Batch, ConnectorConfig, Context, Position, Record, Rejection, Sees, SourceState

_log = structlog.get_logger()


class FileDropConfig(DropOptions):
    """The options of ``file_drop``."""


class FileDrop:
    """Reads one folder, one file at a time, oldest first."""

    Config: ClassVar[type[ConnectorConfig]] = FileDropConfig
    sees: ClassVar[Sees] = Sees(updates=True, deletes=False)

    def __init__(self, config: FileDropConfig, context: Context) -> None:
        self._config, self._context = config, context
        self._where = f"{context.app} source.{context.name}"
        self._columns = config.record_columns()
        self._layout = config.layout(self._columns)
        self._folder: DropFolder | None = None
        self._reading: Reading | None = None
        self._at_work = threading.Lock()  # a thread outlives the task that was told to end
        self._closed = True
        self.position: Position = {}  #: how far the file at hand, or the last one, is stored

    @property
    def idle(self) -> float:
        """Seconds between two looks into the folder."""
        return self._config.poll

    async def open(self, position: Position | None) -> None:
        """Looks whether the folder is there. Raises ConfigError (it never was), Unavailable, AccessError."""
        root = self._context.folder / secret(self._config.folder, where=f"{self._where}.folder")
        folder = DropFolder(root, self._config.pattern, self._config.settle, where=self._where)
        await asyncio.to_thread(folder.check, seen_before=self._folder is not None)
        self._folder, self.position, self._closed = folder, position or {}, False

    async def read(self) -> Batch | None:
        """The next rows of the file at hand, or of the next once it has settled. Raises AccessError, Unavailable."""
        batch = await asyncio.to_thread(self._read)
        if batch is None and self._reading is None and (seconds := self._opened().settles_in()):
            await asyncio.sleep(seconds)
            batch = await asyncio.to_thread(self._read)
        return batch

    def _read(self) -> Batch | None:
        folder = self._opened()
        with self._at_work, folder.errors(), self._taken_up_again():
            if self._closed:
                return None
            reading = self._reading or self._begin(folder)
            if reading is None or reading.waiting:
                return None  # nothing new, or the file's last batch is not stored yet
            return reading.batch(self._config.batch)

    def _begin(self, folder: DropFolder) -> Reading | None:
        while dropped := folder.next():
            same = all(self.position.get(name) == value for name, value in dropped.identity.items())
            stored = int(self.position.get("row", 0)) if same else 0
            try:
                self._reading = Reading(folder, dropped, self._open_file, stored=stored)
            except FileNotFoundError:
                continue  # taken away meanwhile
            return self._reading
        return None

    def _went_on(self, reading: Reading, batch: Batch, rejections: Sequence[Rejection]) -> None:
        name = shown(reading.dropped.path.name)
        stored = reading.stored(batch, rejections)
        if stored and not reading.ended():
            return
        if not stored or not reading.finish(self._context.timezone):
            _log.warning("file changed or taken away while it was read", source=self._where, file=name)
        elif reading.failure:
            _log.warning("file could not be read", source=self._where, file=name)
        else:
            _log.info("file read", source=self._where, file=name)
        self._let_go()

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """Notes what was rejected; after the last batch of a file writes its report and moves it."""
        await asyncio.to_thread(self._commit, batch, rejections)

    def at_hand(self, batch: Batch) -> bool:
        """Whether this is the batch whose turn it is to be stored: one of a file that was let go of is not."""
        return self._reading_of(batch) is not None

    def _reading_of(self, batch: Batch) -> Reading | None:
        return self._reading if self._reading is not None and self._reading.handed(batch) else None

    def _commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        folder = self._opened()
        with self._at_work, folder.errors(), self._taken_up_again():
            if reading := self._reading_of(batch):  # else read again by now: the folder was away, or the file changed
                self.position = batch.position
                self._went_on(reading, batch, rejections)

    @contextmanager
    def _taken_up_again(self) -> Iterator[None]:
        """After an error inside, the file is opened anew at the last row that is noted."""
        try:
            yield
        except OSError:
            self._let_go()
            raise

    def _let_go(self) -> None:
        if self._reading:
            self._reading.close()
        self._reading = None

    async def reread(self, key: str) -> Record | None:
        """The row as it stands in the newest file that has it; None where none has. Raises AccessError, Unavailable."""
        return await asyncio.to_thread(self._reread, key)

    def _reread(self, key: str) -> Record | None:
        folder = self._opened()
        with folder.errors():
            left = folder.left()
            for path in [*([left.path] if left else []), *folder.processed()]:
                if found := self.find(path, key):
                    return found
        return None

    def find(self, path: Path, key: str) -> Record | None:
        """The row of that key in one file; None where it has none, is gone, or cannot be read. Raises OSError."""
        return find(path, key, self._config.form, lambda path: self._open_file(Dropped.at(path)))

    async def state(self) -> SourceState:
        """How many files wait, the one at hand among them; since when; which row of the last one is stored."""
        return await asyncio.to_thread(self._state)

    def _state(self) -> SourceState:
        folder = self._opened()
        with folder.errors():
            left = folder.left()
            return state_of(self.position, [each.mtime for each in (*([left] if left else []), *folder.waiting())])

    def _open_file(self, dropped: Dropped) -> OpenFile:
        return OpenFile(dropped, self._columns, self._layout, self._config.form(dropped.path.name))

    async def close(self) -> None:
        """Closes the file at hand; the next `open` takes it up again."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._at_work:
            self._closed = True
            self._let_go()

    def _opened(self) -> DropFolder:
        if self._folder is None:
            raise RuntimeError("file_drop is not open")
        return self._folder


def state_of(position: Position, mtimes: Sequence[int]) -> SourceState:
    """A folder's state: how far it was read, and the times of the files that wait, in nanoseconds."""
    row = f"{shown(position['file'])} baris {position['row']}" if "file" in position else ""
    oldest = datetime.fromtimestamp(min(mtimes) / 1e9, UTC) if mtimes else None
    return SourceState(position=row, waiting=len(mtimes), oldest=oldest)
