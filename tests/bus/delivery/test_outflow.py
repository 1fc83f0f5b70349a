"""Batches are on their way into the streams while others are stored, and no event overtakes another of its key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from bus.broker.publish import Message, Outgoing, Stored
from bus.delivery import outflow
from bus.errors import BusError, ContractError, Fenced, Unavailable
from bus.ports import Batch, Position, Record, Rejection, SourceState
from bus.testing.lines import Line, Process, until
from bus.testing.memory import MemoryStreams

SIZE, BATCHES = 20, 4


class Rows:
    """A source that can be read ahead: batches of rows, with their number as position."""

    idle = 0.01

    def __init__(self) -> None:
        self.read_up_to = 0
        self.committed: list[int] = []
        self.pause = 0.0  #: seconds that a read takes
        self.reading = asyncio.Event()

    async def open(self, position: Position | None) -> None:
        self.read_up_to = position["batch"] if position else 0

    async def read(self) -> Batch | None:
        self.reading.set()
        await asyncio.sleep(self.pause)
        if self.read_up_to == BATCHES:
            return None
        first = SIZE * self.read_up_to
        self.read_up_to += 1
        rows = [Record(str(n), {"kunci": str(n), "nilai": "a"}, version="1") for n in range(first, first + SIZE)]
        return Batch(rows, {"batch": self.read_up_to}, more=True, ahead=True)

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        self.committed.append(batch.position["batch"])

    async def reread(self, key: str) -> Record | None:
        return None

    async def state(self) -> SourceState:
        return SourceState("", 0, None)

    async def close(self) -> None:
        pass


class Slow(MemoryStreams):
    """Streams that store a batch only when they are told to."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Semaphore(0)
        self.staged: list[str] = []
        self.ended: list[str] = []
        self.refusal: BusError | None = None

    async def stage(self, outgoing: Outgoing) -> None:
        outgoing.staged = outgoing.messages[0].id
        self.staged.append(outgoing.staged)

    async def send_batch(self, outgoing: Outgoing, cursor: Message, *, after: int, together: bool = True) -> Stored:
        await self.told.acquire()
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            raise refusal
        self.ended.append(outgoing.staged)
        return await super().send_batch(outgoing, cursor, after=after, together=together)


def line(tmp_path: Path, streams: MemoryStreams) -> Line:
    made = Line(cast(Any, None), tmp_path)
    made.streams = streams
    return made


@asynccontextmanager
async def working(process: Process) -> AsyncIterator[None]:
    """It reads and publishes; it is killed at the end."""
    running = asyncio.create_task(process.outflow.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        process.ledger.close()


async def test_the_next_batches_are_on_their_way_meanwhile(tmp_path: Path) -> None:
    streams, rows = Slow(), Rows()
    async with working(line(tmp_path, streams).process(rows)):
        await until(lambda: len(streams.staged) == outflow.AHEAD)
        assert (streams.count, rows.read_up_to, rows.committed) == (0, 1 + outflow.AHEAD, [])

        for stored in range(1, BATCHES + 1):
            streams.told.release()
            ahead = min(stored + outflow.AHEAD, BATCHES - 1)  # nothing is sent ahead of the first
            await until(
                lambda stored=stored, ahead=ahead: (len(rows.committed), len(streams.staged)) == (stored, ahead)
            )
            assert streams.count == SIZE * stored

    assert streams.ended == ["", *streams.staged]
    assert rows.committed == [1, 2, 3, 4]


class Calls(Rows):
    """A source without a position: whoever calls is answered when it is stored. Batches of one row, with these keys."""

    def __init__(self, *keys: str) -> None:
        super().__init__()
        self.answered: list[str] = []
        self._keys = list(keys)

    async def open(self, position: Position | None) -> None:
        pass

    async def read(self) -> Batch | None:
        if not self._keys:
            return None
        key, self.read_up_to = self._keys.pop(0), self.read_up_to + 1
        row = Record(key, {"kunci": key, "nilai": str(self.read_up_to)}, version=str(self.read_up_to))
        return Batch([row], {}, more=True, ahead=True)

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        self.answered.append(batch.records[0].version or "")


class Halting(MemoryStreams):
    """Streams that store some values only when they are told to."""

    def __init__(self, *values: str) -> None:
        super().__init__()
        self.told = asyncio.Event()
        self.tried: list[str] = []
        self._values = values
        self.refusing = ""  #: this value, once

    async def send_all(self, messages: Sequence[Message], *, tracestate: str = "") -> list[Stored]:
        (value,) = [json.loads(message.body)["nilai"] for message in messages]
        self.tried.append(value)
        if value == self.refusing:
            self.refusing = ""
            raise Unavailable("away for a moment", where="memory")
        if value in self._values:
            await self.told.wait()
        return await super().send_all(messages, tracestate=tracestate)

    @property
    def values(self) -> list[str]:
        return [json.loads(message.body)["nilai"] for message in self.events]


async def test_what_needs_no_cursor_waits_for_its_own_key_alone(tmp_path: Path) -> None:
    """Its answers keep their order all the same."""
    calls, streams = Calls("satu", "dua", "tiga", "dua"), Halting("2")
    async with working(line(tmp_path, streams).process(calls)):
        await until(lambda: calls.read_up_to == 4)
        await until(lambda: streams.values == ["1", "3"])  # the first has the cursor
        assert calls.answered == ["1"]
        assert streams.tried == ["2", "3"]

        streams.told.set()
        await until(lambda: calls.answered == ["1", "2", "3", "4"])

    assert streams.values == ["1", "3", "2", "4"]


async def test_what_could_not_be_sent_ahead_is_sent_in_its_turn(tmp_path: Path) -> None:
    calls, streams = Calls("satu", "dua", "tiga"), Halting("2")
    streams.refusing = "3"
    async with working(line(tmp_path, streams).process(calls)):
        await until(lambda: streams.tried == ["2", "3"])
        streams.told.set()
        await until(lambda: calls.answered == ["1", "2", "3"])

    assert streams.tried == ["2", "3", "3"]
    assert streams.values == ["1", "2", "3"]


@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["meanwhile", "before it is read"])
@pytest.mark.parametrize("refusal", [Fenced("moved"), ContractError("too large")], ids=["fenced", "refused"])
async def test_what_follows_a_batch_that_is_refused_is_not_stored(
    tmp_path: Path, refusal: BusError, pause: float
) -> None:
    streams, rows = Slow(), Rows()
    rows.pause, streams.refusal = pause, refusal
    process = line(tmp_path, streams).process(rows)
    running = asyncio.create_task(process.outflow.run())
    if not pause:
        await until(lambda: len(streams.staged) == outflow.AHEAD)
    for _ in range(BATCHES):
        streams.told.release()

    with pytest.raises(type(refusal)):
        await running

    process.ledger.close()
    assert (streams.count, streams.ended, rows.committed) == (0, [], [])


@pytest.mark.parametrize("cancelled", [False, True], ids=["whose batch is refused", "that is cancelled"])
async def test_a_redrive_beside_a_batch_on_its_way(tmp_path: Path, cancelled: bool) -> None:
    """It waits for the batch, and neither its end nor the batch's is the other's."""
    streams, rows = Slow(), Rows()
    rows.pause = 0.02
    process = line(tmp_path, streams).process(rows)
    running = asyncio.create_task(process.outflow.run())
    await rows.reading.wait()
    redriving = asyncio.create_task(process.reread("0"))  # has its turn behind the first batch
    await asyncio.sleep(10 * rows.pause)
    if cancelled:
        redriving.cancel()
    else:
        streams.refusal = ContractError("refused")
    await asyncio.wait({redriving}, timeout=rows.pause)
    for _ in range(BATCHES):
        streams.told.release()
    try:
        if cancelled:
            await until(lambda: rows.committed == [1, 2, 3, 4])
            assert redriving.cancelled()
            assert streams.count == SIZE * BATCHES
        else:
            with pytest.raises(ContractError, match="refused"):
                await running
            with pytest.raises(Unavailable):
                await redriving
            assert (streams.count, rows.committed) == (0, [])
    finally:
        running.cancel()
        await asyncio.gather(running, redriving, return_exceptions=True)
        process.ledger.close()


async def test_a_source_tells_what_waits_while_the_stream_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Filling(Rows):
        waiting = 0

        async def state(self) -> SourceState:
            self.waiting += 1
            return SourceState("", self.waiting, None)

    monkeypatch.setattr(outflow, "LOOK", 0.0)
    made = Line(cast(Any, None), tmp_path)
    made.streams.full = True
    process = made.process(Filling())
    running = asyncio.create_task(process.outflow.run())
    try:
        await until(lambda: (made.health.waiting or 0) > 3)
        assert made.streams.count == 0
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        process.ledger.close()


async def test_a_process_that_runs_by_day_alone_keeps_its_cursor_alive(tmp_path: Path) -> None:
    """Each start counts from when the cursor was written, not from its own beginning."""
    streams, rows = MemoryStreams(), Rows()
    async with working(line(tmp_path, streams).process(rows)):
        await until(lambda: rows.committed == list(range(1, BATCHES + 1)))
    (subject,) = streams._last
    written = streams._last[subject]
    state = json.loads(written.body)
    yesterday = datetime.fromisoformat(state["at"]) - timedelta(seconds=outflow.REWRITE)
    streams._last[subject] = replace(written, body=json.dumps({**state, "at": yesterday.isoformat()}).encode())

    async with working(line(tmp_path, streams).process(Rows())):
        await until(lambda: streams._last[subject].sequence > written.sequence)

    assert json.loads(streams._last[subject].body)["position"] == state["position"]
    assert streams.count == SIZE * BATCHES


async def test_a_redrive_waits_for_a_source_that_is_away(tmp_path: Path) -> None:
    """A connector that is not open calls for a person; the engine knows that it opens it again."""
    process = line(tmp_path, MemoryStreams()).process(Rows())
    with pytest.raises(Unavailable, match="not open at the moment"):
        await process.reread("1")
    async with working(process):
        await until(lambda: process.outflow._opened)
        with pytest.raises(ContractError, match="the record is gone"):
            await process.reread("1")
    with pytest.raises(Unavailable):
        await process.reread("1")
