"""A drop folder with an office that fills it, and an engine that stores positions as the bus does."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from adapters.connectors.file_drop import FileDrop, FileDropConfig
from bus.ports import Batch, Context, Position, Record, Rejection
from bus.subjects import AppName

Judge = Callable[[Record], str]


def accept(record: Record) -> str:
    """A mapper that finds no fault of its own."""
    return record.fault


class Office:
    """A drop folder, and an engine that stores positions as the bus does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.position: Position | None = None
        self.stored: list[Record] = []  # every record of every stored batch, repeats after a crash included
        self.rejected: list[Rejection] = []

    def drop(self, name: str, text: str | bytes, *, age: int = 0) -> Path:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        stamp = 1_700_000_000 - age
        os.utime(path, (stamp, stamp))
        return path

    def source(self, **options: object) -> FileDrop:
        config = FileDropConfig.model_validate({"folder": str(self.folder), "settle": 0, **options})
        return FileDrop(config, Context(AppName("bppkad", "pajak"), "bank", self.folder, ZoneInfo("Asia/Jakarta")))

    async def run(self, source: FileDrop, *, judge: Judge = accept, crash: str = "", batches: int = 10**6) -> None:
        """Reads until there is nothing new, or dies at the given step of batch number ``batches``."""
        await source.open(self.position)
        for number in range(1, 10**6):
            batch = await source.read()
            if batch is None:
                break
            if number == batches and crash == "before storing":
                break
            self._store(batch, judge)
            if number == batches and crash == "before commit":
                break
            await source.commit(batch, self.rejections(batch, judge))
            if number == batches:
                break
        await source.close()

    def _store(self, batch: Batch, judge: Judge) -> None:
        self.position = dict(batch.position)
        self.stored += batch.records
        self.rejected += self.rejections(batch, judge)

    @staticmethod
    def rejections(batch: Batch, judge: Judge) -> Sequence[Rejection]:
        return [Rejection(record, reason) for record in batch.records if (reason := judge(record))]

    def report(self, name: str, kind: str = "done") -> str:
        return (self.folder / kind / f"{name}.laporan.txt").read_text(encoding="utf-8")

    def names(self, kind: str = "") -> set[str]:
        return {path.name for path in (self.folder / kind).iterdir() if path.is_file()}


def rows(count: int, start: int = 1) -> str:
    return "ref;jumlah\n" + "".join(f"R{n};{n}\n" for n in range(start, start + count))
