"""A batch is on its way into the streams while the one before is being stored, and never overtakes it."""

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


async def test_the_next_batch_is_on_its_way_meanwhile(tmp_path: Path) -> None:
    streams, rows = Slow(), Rows()
    async with working(line(tmp_path, streams).process(rows)):
        await until(lambda: len(streams.staged) == 1)
        assert (streams.count, rows.read_up_to, rows.committed) == (0, 2, [])

        for stored in range(1, BATCHES + 1):
            streams.told.release()
            ahead = min(stored + 1, BATCHES - 1)  # nothing is sent ahead of the first
            await until(
                lambda stored=stored, ahead=ahead: (len(rows.committed), len(streams.staged)) == (stored, ahead)
            )
            assert streams.count == SIZE * stored

    assert streams.ended == ["", *streams.staged]
    assert rows.committed == [1, 2, 3, 4]


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
        await until(lambda: len(streams.staged) == 1)
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
    redriving = asyncio.create_task(process.outflow.reread("0"))  # has its turn behind the first batch
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
        await process.outflow.reread("1")
    async with working(process):
        await until(lambda: process.outflow._opened)
        with pytest.raises(ContractError, match="the record is gone"):
            await process.outflow.reread("1")
    with pytest.raises(Unavailable):
        await process.outflow.reread("1")
