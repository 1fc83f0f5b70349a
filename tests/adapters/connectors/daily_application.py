"""People who read daily files, as an application of the sinks' conformance suite."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from adapters.connectors import daily_formats
from adapters.formats import Layout, form
from bus.ports import Sink
from bus.testing import Crash, SinkContract
from bus.testing.events import APP
from bus.testing.targets import MemoryMessage, Target, numbered

COLUMNS = {"kunci": "kunci", "nilai": "nilai", "peristiwa": "$id"}


class Readers:
    """A folder with daily files. A workbook's cell takes 32,767 characters; here far fewer, so that it refuses some."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        folder.mkdir()

    def files(self) -> list[Path]:
        """What people see in the folder."""
        return sorted(path for path in self.folder.iterdir() if not path.name.startswith("."))

    def lines(self) -> list[dict[str, str]]:
        """The rows of all files, each in its order."""
        rows: list[dict[str, str]] = []
        for path in self.files():
            table = form(path.name).open(path, Layout())
            rows += [
                {name: str(cell) for name, cell in zip(table.header, row.cells, strict=False)} for row in table.rows()
            ]
            table.close()
        return rows

    async def rows(self) -> Mapping[str, str]:
        return {row["kunci"]: row["nilai"] for row in self.lines()}

    async def writes(self) -> Sequence[str]:
        return [row["peristiwa"] for row in self.lines()]

    heard = writes

    async def refuse(self, value: str | None) -> None:
        self._monkeypatch.setattr(daily_formats, "LONGEST", len(value) - 1 if value else 32_767)

    def stranger(self) -> Sink | None:
        return None  # a folder asks for no credentials

    async def kill(self) -> bool:
        return False

    async def start(self) -> None:
        """It is always there."""

    async def disturb(self) -> bool:
        return False

    async def calm(self) -> None:
        """There was nothing."""

    def suffered(self) -> int:
        return 0

    async def extend(self) -> None:
        """People add a column of their own, and write into it."""
        for path in self.files():
            if path.suffix == ".csv":
                header, *rows = path.read_bytes().splitlines()
                path.write_bytes(b"".join([header, b";catatan\r\n", *(row + b";sudah\r\n" for row in rows)]))
            else:
                book = load_workbook(path)
                book.worksheets[0]["D1"], book.worksheets[0]["D2"] = "catatan", "sudah"
                book.save(path)

    async def withdraw(self) -> None:
        self.folder.rename(self.folder.with_name("dilepas"))

    async def restore(self) -> None:
        self.folder.with_name("dilepas").rename(self.folder)

    away, back = withdraw, restore


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, place: type[Any], step: str, when: str, at: int) -> Iterator[None]:
    """The process dies before or after a step's call number ``at``, which is expected; it need not get there."""
    proper, calls = getattr(place, step), 0

    async def call(self: Any, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at and when == "before":
            raise Crash
        result = await proper(self, *arguments)
        if calls == at:
            raise Crash
        return result

    with monkeypatch.context() as patched, contextlib.suppress(Crash):
        patched.setattr(place, step, call)
        yield


class DailyContract(SinkContract):
    """As far as it applies: a daily file is a list of events, each with its row, so an older one overwrites nothing."""

    @pytest.fixture
    def large(self) -> int:
        return 20_000

    @pytest.fixture
    def filling(self) -> str:
        return ""  # a day's file is written anew as a whole, and is as large as a day's rows

    async def test_an_older_event_overwrites_no_newer_one(self, application: Readers, target: Target) -> None:  # type: ignore[override]
        await target.deliver(numbered([("k1", "baru"), ("k2", "tetap")], first=10))
        old = MemoryMessage(900, "k1", "lama", event_id="a" * 32, origin=f"{APP.stream}:3")
        await target.deliver([old])

        assert [row["nilai"] for row in application.lines()] == ["baru", "tetap", "lama"]
        assert old.settled == "ack"
