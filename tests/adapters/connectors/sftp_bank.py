"""A bank's folder on an SFTP server, and an engine that stores positions as the bus does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.connectors.sftp_drop import SftpDrop, SftpDropConfig
from bus.ports import Context, Position, Record, Rejection
from bus.subjects import AppName
from tests.adapters.connectors.office import Judge, accept
from tests.servers.openssh import SftpFolder

CONTEXT = Context(AppName("bppkad", "pajak"), "bank", Path(), ZoneInfo("Asia/Jakarta"))


class Bank:
    """A folder on a server, and an engine that stores positions as the bus does."""

    def __init__(self, folder: SftpFolder) -> None:
        self.folder = folder
        self.position: Position | None = None
        self.stored: list[Record] = []  # every record of every stored batch, repeats after a crash included
        self.rejected: list[Rejection] = []

    def drop(self, name: str, text: str | bytes, *, age: int = 0) -> Path:
        draft = self.folder.path / ".draft"
        draft.write_bytes(text.encode() if isinstance(text, str) else text)
        os.utime(draft, (1_700_000_000 - age, 1_700_000_000 - age))
        return self.folder.own(draft).rename(self.folder.path / name)

    def source(self, **options: Any) -> SftpDrop:
        given = {
            "folder": self.folder.url,
            "host_key": self.folder.host_key,
            "user_key": f"file:{self.folder.user_key}",
            "settle": 0,
            **options,
        }
        return SftpDrop(SftpDropConfig.model_validate(given), CONTEXT)

    async def run(self, source: SftpDrop, *, judge: Judge = accept, dies_before_commit: int = 0) -> None:
        """Reads until there is nothing new, or dies once the batch of that number is stored."""
        try:
            await source.open(self.position)
            for number in range(1, 10**6):
                batch = await source.read()
                if batch is None:
                    return
                rejections = [Rejection(record, reason) for record in batch.records if (reason := judge(record))]
                self.position = dict(batch.position)
                self.stored += batch.records
                self.rejected += rejections
                if number == dies_before_commit:
                    return
                await source.commit(batch, rejections)
        finally:
            await source.close()

    def report(self, name: str, kind: str = "done") -> str:
        return (self.folder.path / kind / f"{name}.laporan.txt").read_text(encoding="utf-8")

    def names(self, kind: str = "") -> set[str]:
        folder = self.folder.path / kind
        return {path.name for path in folder.iterdir() if path.is_file()} if folder.is_dir() else set()


def spools(folder: Path) -> list[Path]:
    return sorted(folder.glob("bus-sftp-*"))


def bad(reference: str) -> Judge:
    return lambda record: record.fault or ("tidak boleh" if record.data["ref"] == reference else "")
