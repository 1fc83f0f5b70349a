"""One dropped file on its way: read batch by batch, its rejected rows noted, moved away with a report at its end."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from adapters.connectors import drop_report
from adapters.connectors.drop_folder import DONE, FAILED, DropFolder, Dropped, readable, rejected_of, report_of, shown
from adapters.connectors.drop_journal import Journal, RejectedRow
from adapters.connectors.drop_records import Columns, ReadRow, records
from adapters.formats import Format, Layout, Table, Unreadable, open_table
from bus.ports import Batch, Record, Rejection


class OpenFile:
    """A file opened as records. Raises Unreadable at once where it cannot be one of this source. Must be closed."""

    def __init__(self, dropped: Dropped, columns: Columns, layout: Layout, form: Format) -> None:
        self.form = form
        self.table: Table = open_table(dropped.path, form, layout)
        try:
            self.rows = records(
                self.table,
                columns,
                place=shown(dropped.path.name),
                at=datetime.fromtimestamp(dropped.mtime / 1e9, UTC),
            )
        except BaseException:
            self.table.close()
            raise

    def close(self) -> None:
        """Closes the file."""
        self.table.close()


Opening = Callable[[Dropped], OpenFile]


class _Handed(NamedTuple):
    """A batch that was handed out and is not stored yet, and its rows by key."""

    batch: Batch
    rows: Mapping[str, ReadRow]


class Reading:
    """The file that is being read, from the row after the last one whose fate is known. All methods raise OSError."""

    def __init__(self, folder: DropFolder, dropped: Dropped, opening: Opening, *, stored: int) -> None:
        self._folder = folder
        self.dropped = dropped
        self.failure: Unreadable | None = None
        self._journal = Journal(folder.journal(dropped), dropped, stored=stored if folder.claimed(dropped) else -1)
        self._file: OpenFile | None = None
        self._handed: deque[_Handed] = deque()
        self._ahead: deque[ReadRow] = deque()
        self._rows: Iterator[ReadRow] = iter(())
        try:
            self._file = opening(dropped)
            start = self._journal.row
            self._rows = (row for row in self._file.rows if row.number > start)
        except Unreadable as error:
            self.failure = error
        except PermissionError:
            self.failure = Unreadable("berkas tidak boleh dibuka", hint="beri izin baca, lalu taruh lagi")

    @property
    def waiting(self) -> bool:
        """Nothing more is read before what was handed out is stored."""
        return bool(self._handed) and not self._handed[-1].batch.ahead

    def handed(self, batch: Batch) -> bool:
        """Whether this is the batch whose turn it is to be stored."""
        return bool(self._handed) and self._handed[0].batch is batch

    def ended(self) -> bool:
        """Every row was handed out and stored, or the file cannot be read: it can go."""
        return not self._handed and (self.failure is not None or not self._more())

    def batch(self, size: int) -> Batch:
        """The next rows, at most ``size``, none at the end; for a file that cannot be read, one record that says so.

        Nothing is written or moved before the batch is stored: whoever only looks leaves the folder as it was."""
        taken: list[ReadRow] = []
        if self.failure:
            batch = Batch([self._unreadable(self.failure)], {**self.dropped.identity, "row": 0}, more=True)
        else:
            taken = [*self._ahead, *islice(self._rows, size - len(self._ahead))]
            self._ahead.clear()
            row = taken[-1].number if taken else self._journal.row
            position = {**self.dropped.identity, "row": row}
            batch = Batch([each.record for each in taken], position, more=True, ahead=self._more())
        self._handed.append(_Handed(batch, {each.record.key: each for each in taken}))
        return batch

    def _more(self) -> bool:
        self._ahead.extend(islice(self._rows, 1 - len(self._ahead)))
        return bool(self._ahead)

    def _unreadable(self, failure: Unreadable) -> Record:
        key = ":".join(map(str, self.dropped.identity.values()))
        fault = f"berkas tidak terbaca: {failure.what}; {failure.hint}"
        return Record(f"berkas:{key}", {}, place=shown(self.dropped.path.name), fault=fault)

    def stored(self, batch: Batch, rejections: Sequence[Rejection]) -> bool:
        """The batch is safe: claims the file and notes its rejected rows; False where the file changed or is gone.

        Such a file is read again from its beginning: rows that are the same then are no news to the bus."""
        _, rows = self._handed.popleft()
        claimed = self._folder.claim(self.dropped)
        if claimed is None:
            return False
        self.dropped = claimed
        if self.failure:
            return True
        rejected = [
            RejectedRow(row.number, each.reason, row.original)
            for each in rejections
            if (row := rows.get(each.record.key))
        ]
        if batch.records:
            self._journal.add(batch.position["row"], len(batch.records), sorted(rejected))
        return True

    def finish(self, timezone: tzinfo) -> bool:
        """Writes the reports and moves the file, each step safe to repeat; False as ``stored``."""
        self.close()
        if not self.dropped.unchanged():
            self._journal.remove()
            return False
        folder, kind, name = self._folder, FAILED if self.failure else DONE, self.dropped.path.name
        (folder.root / kind).mkdir(exist_ok=True)
        if self._journal.target is None:
            self._journal.aim(folder.free(kind, name).name)
        target = folder.root / kind / str(self._journal.target)
        name = readable(name)
        moment = datetime.now(timezone)
        if self.failure:
            text = drop_report.failed(
                name, moment, reason=self.failure.what, advice=self.failure.hint, folder=folder.root.name
            )
        else:
            text = self._reported(target, name, moment)
        _write(report_of(target), [text.encode()])
        self.dropped.path.replace(target)
        self._journal.remove()
        return True

    def _reported(self, target: Path, name: str, moment: datetime) -> str:
        """The report of a file read to its end; its rejected rows are written beside it."""
        if self._file is None:
            raise RuntimeError("only a file that could be opened has a report of its rows")
        repair = rejected_of(target, self._file.form.repair)
        if self._journal.rejected:
            _write(repair, self._file.table.rejected(row.original for row in self._journal.rejections()))
        return drop_report.done(
            name,
            moment,
            read=self._journal.read,
            rejected=self._journal.rejected,
            rows=self._journal.rejections(),
            numbered=self._file.form.numbered,
            repair=readable(repair.name),
            folder=self._folder.root.name,
        )

    def close(self) -> None:
        """Closes the file; what is not noted yet will be read again."""
        if self._file:
            self._file.close()


def _write(path: Path, parts: Iterable[bytes]) -> None:
    """Writes a file that is there whole or not at all."""
    draft = path.with_name(f".{path.name}.tmp")
    with draft.open("wb") as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
