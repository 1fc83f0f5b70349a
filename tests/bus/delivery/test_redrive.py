"""Rejected records, read again: what came by itself meanwhile is not told twice."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest

from bus.delivery.health import PlaceHealth
from bus.delivery.reading import DISCARD
from bus.delivery.redrive import SourceRedrive
from bus.errors import Unavailable
from bus.ports import Batch, Record
from bus.testing.lines import APP, until
from bus.testing.memory import MemoryStreams
from tests.bus.delivery.test_outflow import Rows, line, working


class Versioned(Rows):
    """A source that knows its records' versions, but not where it reads one again."""

    def __init__(self, *rows: dict[str, str]) -> None:
        super().__init__()
        self._rows, self.now = list(rows), rows[0]
        self.looks = 0

    async def read(self) -> Batch | None:
        self.looks += 1
        await asyncio.sleep(self.pause)
        if not self._rows:
            return None
        self.read_up_to, self.now = self.read_up_to + 1, self._rows.pop(0)
        return Batch([Record("1", self.now, version=str(self.read_up_to))], {"batch": self.read_up_to})

    async def reread(self, key: str) -> Record | None:
        return Record(key, self.now)


GOOD, BETTER = {"kunci": "1", "nilai": "a"}, {"kunci": "1", "nilai": "b"}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"kunci": "1"}, GOOD], ["a"]),
        ([{"kunci": "1"}, GOOD, BETTER], ["a", "b"]),
        ([{"kunci": "1"}, GOOD, {"kunci": "1"}, GOOD], ["a", "a"]),
    ],
    ids=["mended", "and changed", "and spoilt and mended"],
)
async def test_a_rejected_record_that_came_by_itself_is_not_told_again(
    tmp_path: Path, rows: list[dict[str, str]], told: list[str]
) -> None:
    """Nor by a process that remembers only what is stored."""
    made, source = line(tmp_path, MemoryStreams()), Versioned(*rows)
    process = made.process(source)
    async with working(process):
        await until(lambda: len(source.committed) == len(rows))
        assert await process.reread("1") is None
    again = made.process(source)
    async with working(again):
        await until(lambda: again.outflow._opened)
        assert await again.reread("1") is None
        source.now = {"kunci": "1", "nilai": "c"}
        assert (event := await again.reread("1")) is not None
        assert json.loads(event.data)["nilai"] == "c"
    assert [value for _, value in made.emitted()] == [*told, "c"]


class Request:
    """A request to read a record again."""

    sequence = 1

    def __init__(self, key: str, **headers: str) -> None:
        self.headers, self.settled = headers, False
        self.body = json.dumps({"key": key}).encode()

    async def ack_sync(self) -> None:
        self.settled = True


async def test_many_redrives_do_not_wait_for_a_look_each(tmp_path: Path) -> None:
    streams, source = MemoryStreams(), Versioned(GOOD)
    source.pause = 0.05
    process = line(tmp_path, streams).process(source)
    redrive = SourceRedrive(APP, "source-baris", process.outflow, streams, PlaceHealth())
    requests = [Request(str(number)) for number in range(50)]
    async with working(process):
        await until(lambda: len(source.committed) == 1)
        before = source.looks
        await redrive.handle(cast(Any, requests))
        assert source.looks - before < 10
    assert all(each.settled for each in requests)


async def test_a_record_that_is_mended_beside_its_rejection(tmp_path: Path) -> None:
    """In one batch."""

    class AtOnce(Versioned):
        async def read(self) -> Batch | None:
            if not self._rows:
                return None
            records = [Record("1", row, version=str(number)) for number, row in enumerate(self._rows)]
            self.now = self._rows[-1]
            self._rows.clear()
            return Batch(records, {"batch": 1})

    made, source = line(tmp_path, MemoryStreams()), AtOnce({"kunci": "1"}, GOOD)
    process = made.process(source)
    async with working(process):
        await until(lambda: bool(source.committed))
        assert await process.reread("1") is None
    assert [value for _, value in made.emitted()] == ["a"]


async def test_what_is_discarded_needs_no_source(tmp_path: Path) -> None:
    process = line(tmp_path, MemoryStreams()).process(Versioned(GOOD))  # which nobody has opened
    redrive = SourceRedrive(APP, "source-baris", process.outflow, MemoryStreams(), PlaceHealth())
    discarded, again = Request("1", **{DISCARD: "true"}), Request("2")
    with pytest.raises(Unavailable):
        await redrive.handle(cast(Any, [again, discarded]))
    assert (discarded.settled, again.settled) == (True, False)
    process.ledger.close()


async def test_nothing_is_read_again_while_a_source_recovers(tmp_path: Path) -> None:
    class Ailing(Versioned):
        ill = False

        async def read(self) -> Batch | None:
            if self.ill:
                raise Unavailable("the database is away")
            return await super().read()

    source = Ailing(GOOD)
    process = line(tmp_path, MemoryStreams()).process(source)
    async with working(process):
        await until(lambda: bool(source.committed))
        source.ill = True
        await until(lambda: not process.outflow._opened)
        with pytest.raises(Unavailable, match="not open at the moment"):
            await process.reread("1")
