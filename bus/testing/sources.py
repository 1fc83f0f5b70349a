"""The conformance suite of sources. A connector's tests subclass it and say how to write into the application:

    class TestSqlPoll(SourceContract):
        @pytest.fixture
        async def application(self, sqlite_url: str) -> AsyncIterator[SourceApplication]: ...

It runs the engine itself over streams in memory, kills it at each step, takes the application away, and counts at
both ends.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from bus.contracts import Contract
from bus.delivery.cursor import Cursor
from bus.delivery.health import PlaceHealth
from bus.delivery.ledger import Ledger
from bus.delivery.mapping import Drafting, Mapper
from bus.delivery.outflow import Outflow
from bus.errors import ContractError, Fenced
from bus.events.registry import KeyTokens
from bus.ports import Batch, Rejection, Source
from bus.testing.events import APP, CATALOGUE, NAME
from bus.testing.memory import Crash, MemoryStreams

PATIENCE = 20.0  #: seconds until something that should happen has not
BAD = "rusak"  #: a value that no event may have
LARGE = 200_000
MEMORY = 32 * 1024  #: KiB that a large backlog may add


class SourceApplication(Protocol):
    """An application under test. Rows have the columns ``kunci`` and ``nilai``; every method commits."""

    def source(self) -> Source:
        """A new connector over the application, as after a restart; it polls every few milliseconds."""

    async def write(self, rows: Iterable[tuple[int, str]]) -> None:
        """Inserts rows, or changes those that are there."""

    async def delete(self, key: int) -> None:
        """Removes a row, where the application can."""

    async def write_late(self, early: tuple[int, str], late: tuple[int, str], between: Callable[[], Any]) -> None:
        """Begins a change, commits a later one, awaits ``between``, and only then commits the first.

        Where the technology has no such thing: writes both, one after the other."""

    async def away(self) -> None:
        """The application stops answering."""

    async def back(self) -> None:
        """It answers again."""


@dataclass
class Process:
    """A process with one source in it."""

    source: Source
    ledger: Ledger
    outflow: Outflow
    task: asyncio.Task[None] = field(init=False)


class Line:
    """An application, its source and the engine, over streams that outlive their crashes."""

    def __init__(self, application: SourceApplication, folder: Path, *, keep: bool = True) -> None:
        self._application, self._ledger_path = application, folder / "ledger"
        self.streams = MemoryStreams(keep=keep)
        self.health = PlaceHealth()
        publish = [
            {"event": str(NAME), "from": "baris", "basis": "uji saja", "map": {"kunci": "kunci", "nilai": "nilai"}}
        ]
        document = {"app": APP.app, "opd": APP.opd, "title": "-", "owner": "-", "contact": "-", "stage": "pilot"}
        self._contract = Contract.model_validate({**document, "publish": publish})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Process]:
        """A process with the engine in it; it is killed at the end, or was fenced before."""
        process = self.process()
        process.task = asyncio.create_task(process.outflow.run())
        try:
            yield process
            if process.task.done() and not isinstance(process.task.exception(), Fenced):
                process.task.result()
        finally:
            process.task.cancel()
            _, hanging = await asyncio.wait({process.task}, timeout=PATIENCE)
            process.ledger.close()
            assert not hanging, f"it does not end when it is told to: {place_of(process.task)}"

    def process(self) -> Process:
        """A process that is about to start."""
        source, ledger = self._application.source(), Ledger(self._ledger_path)
        mapper = Mapper(self._contract, "baris", CATALOGUE, Drafting(KeyTokens(b"uji")))
        cursor = Cursor(self.streams, APP, "baris")
        return Process(source, ledger, Outflow(APP, "baris", source, mapper, ledger, cursor, self.streams, self.health))

    async def run_until(self, condition: Callable[[], bool]) -> None:
        """Runs a process until a condition holds."""
        async with self.running():
            await until(condition)

    async def run_until_dead(self, dying: Callable[[Process], None]) -> None:
        """Runs a process that dies by itself."""
        process = self.process()
        dying(process)
        try:
            with pytest.raises(Crash):
                async with asyncio.timeout(PATIENCE):
                    await process.outflow.run()
        finally:
            await process.source.close()
            process.ledger.close()

    def values(self, key: int) -> list[str]:
        """The values that were emitted for a key, in order."""
        return [value for found, value in self.emitted() if found == str(key)]

    def emitted(self) -> list[tuple[str, str]]:
        """Every emitted key and value, in order."""
        bodies = [json.loads(message.body) for message in self.streams.events]
        return [(body["kunci"], body["nilai"]) for body in bodies]


async def until(condition: Callable[[], bool]) -> None:
    """Waits until a condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - whatever the application is, it has no event for it
            await asyncio.sleep(0.005)


def place_of(task: asyncio.Task[Any]) -> str:
    """Where a task waits: the frames of its coroutines, innermost last."""
    frames: list[str] = []
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None:
            frames.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return " > ".join(frames)


async def rounds(line: Line, count: int = 5) -> None:
    """Waits until a running source has been read some more times."""
    for _ in range(count):
        before = line.health.last_read
        await until(lambda before=before: line.health.last_read != before)  # type: ignore[misc]


def _lives(_process: Process) -> None:
    """Dies in the streams, or not at all."""


def _dies_in_ledger(process: Process) -> None:
    def commit(*_: Any) -> None:
        raise Crash

    process.ledger.commit = commit  # type: ignore[assignment, method-assign]


def _dies_before_commit(process: Process) -> None:
    async def commit(_batch: Batch, _rejections: Sequence[Rejection]) -> None:
        raise Crash

    process.source.commit = commit  # type: ignore[assignment, method-assign]


def _dies_after_commit(process: Process) -> None:
    proper = process.source.commit

    async def commit(batch: Batch, rejections: Sequence[Rejection]) -> None:
        await proper(batch, rejections)
        raise Crash

    process.source.commit = commit  # type: ignore[method-assign]


DEATHS = {
    "before storing": _lives,
    "after storing": _lives,
    "in the ledger": _dies_in_ledger,
    "before commit": _dies_before_commit,
    "after commit": _dies_after_commit,
}


class SourceContract:
    """What every source must do. Subclasses give the fixture ``application``."""

    @pytest.fixture
    def line(self, application: SourceApplication, tmp_path: Path) -> Line:
        """The application on a line of its own."""
        return Line(application, tmp_path)

    async def test_every_row_is_one_event(self, application: SourceApplication, line: Line) -> None:
        await application.write((key, f"isi {key}") for key in range(1200))

        await line.run_until(lambda: line.streams.count >= 1200)

        assert Counter(line.emitted()) == Counter((str(key), f"isi {key}") for key in range(1200))

    async def test_nothing_new_is_no_event(self, application: SourceApplication, line: Line) -> None:
        await application.write((key, "sama") for key in range(30))
        async with line.running():
            await until(lambda: line.streams.count >= 30)
            await rounds(line)
        async with line.running():
            await rounds(line)

        assert line.streams.count == 30

    @pytest.mark.parametrize("step", DEATHS)
    async def test_killed_at_each_step(self, application: SourceApplication, line: Line, step: str) -> None:
        await application.write((key, "pertama") for key in range(700))
        await line.run_until(lambda: line.streams.count >= 700)
        await application.write((key, "kedua") for key in range(700, 1500))
        line.streams.crash_before_store = step == "before storing"
        line.streams.crash_after_store = step == "after storing"

        await line.run_until_dead(DEATHS[step])
        line.streams.crash_before_store = line.streams.crash_after_store = False
        await line.run_until(lambda: line.streams.count >= 1500)
        async with line.running():
            await rounds(line)

        assert Counter(line.emitted()) == Counter(
            [(str(key), "pertama") for key in range(700)] + [(str(key), "kedua") for key in range(700, 1500)]
        )

    async def test_a_lost_acknowledgement_is_no_second_event(self, application: SourceApplication, line: Line) -> None:
        line.streams.lose_acknowledgement = True
        await application.write((key, "isi") for key in range(20))

        async with line.running():
            await until(lambda: line.streams.count >= 20)
            await rounds(line)

        assert not line.streams.lose_acknowledgement
        assert line.streams.count == 20

    async def test_changes_of_a_key_keep_their_order(self, application: SourceApplication, line: Line) -> None:
        if not application.source().sees.updates:
            await self._stays_unseen(application, line)
            return
        values = ["A", "B", "A", "C", "B"]  # A again is a change again, also within one second
        async with line.running():
            for number, value in enumerate(values, 1):
                await application.write([(1, value), (2, "tetap")])
                await until(lambda number=number: len(line.values(1)) >= number)  # type: ignore[misc]

        assert line.values(1) == values
        assert line.values(2)[:1] == ["tetap"]

    async def _stays_unseen(self, application: SourceApplication, line: Line) -> None:
        await application.write([(1, "A")])
        async with line.running():
            await until(lambda: line.streams.count >= 1)
            await application.write([(1, "B")])
            await rounds(line)
        assert line.values(1) == ["A"]

    async def test_it_sees_deletes_as_it_states(self, application: SourceApplication, line: Line) -> None:
        await application.write([(1, "A"), (2, "B")])
        source = application.source()
        await source.open(None)
        await _records(source, at_least=2)
        await application.delete(1)
        found = await _records(source, at_least=1 if source.sees.deletes else 0)
        await source.close()

        assert bool([record for record in found if str(record.data.get("kunci")) == "1"]) == source.sees.deletes

    async def test_a_bad_row_among_good_ones(self, application: SourceApplication, line: Line) -> None:
        await application.write([(1, "baik"), (2, BAD), (3, "baik")])

        async with line.running() as process:
            await until(lambda: line.streams.count >= 2 and len(line.streams.letters) >= 1)
            await rounds(line)
            letter = line.streams.letters[0]
            with pytest.raises(ContractError):
                await process.outflow.reread(letter.key)
            if application.source().sees.updates:
                await application.write([(2, "diperbaiki")])
                await until(lambda: line.values(2) == ["diperbaiki"])

        assert Counter(line.emitted())["1", "baik"] == Counter(line.emitted())["3", "baik"] == 1
        assert len(line.streams.letters) == 1
        assert (letter.kind, letter.code) == ("record", "contract")
        assert BAD not in letter.reason

    async def test_the_application_is_away_and_comes_back(self, application: SourceApplication, line: Line) -> None:
        await application.write([(1, "sebelum")])
        async with line.running():
            await until(lambda: line.streams.count >= 1)
            await application.away()
            await until(lambda: bool(line.health.problem))
            await application.back()
            await application.write([(2, "sesudah")])
            await until(lambda: line.streams.count >= 2)
            await until(lambda: not line.health.problem)

        assert line.emitted() == [("1", "sebelum"), ("2", "sesudah")]
        assert not line.streams.letters

    async def test_a_full_stream_pauses_it(self, application: SourceApplication, line: Line) -> None:
        line.streams.full = True
        await application.write((key, "isi") for key in range(50))
        async with line.running():
            await until(lambda: line.streams.refused >= 2)
            assert "full" in line.health.problem
            line.streams.full = False
            await until(lambda: line.streams.count >= 50)

        assert line.streams.count == 50
        assert not line.streams.letters

    async def test_a_change_that_commits_late_is_seen(self, application: SourceApplication, line: Line) -> None:
        async with line.running():
            await application.write_late((1, "awal"), (2, "akhir"), lambda: until(lambda: line.streams.count >= 1))
            await until(lambda: line.streams.count >= 2)

        assert sorted(line.emitted()) == [("1", "awal"), ("2", "akhir")]

    async def test_of_two_readers_one_stores(self, application: SourceApplication, line: Line, tmp_path: Path) -> None:
        other = Line(application, tmp_path / "kedua")
        other.streams = line.streams
        async with line.running() as first, other.running() as second:
            await rounds(line, 2)
            await rounds(other, 2)
            await application.write((key, "isi") for key in range(50))
            await until(lambda: line.streams.count >= 50)
            fenced = [each for each in (first, second) if each.task.done()]
            assert len(fenced) <= 1

        assert Counter(line.emitted()) == Counter((str(key), "isi") for key in range(50))

    @pytest.fixture
    def large(self) -> int:
        """Rows of a large backlog; a connector that is tested on several databases has them all on one."""
        return LARGE

    async def test_a_large_backlog_needs_no_more_memory(
        self, application: SourceApplication, tmp_path: Path, large: int
    ) -> None:
        line = Line(application, tmp_path, keep=False)
        await application.write((key, f"isi {key}") for key in range(large))
        async with line.running():
            await until_large(lambda: line.streams.count >= large // 10)
            gc.collect()
            before = resident()
            await until_large(lambda: line.streams.count >= large)
            grown = resident() - before

        assert line.streams.count == large
        assert grown < MEMORY


async def until_large(condition: Callable[[], bool]) -> None:
    """Waits for a large amount of work."""
    async with asyncio.timeout(10 * PATIENCE):
        while not condition():  # noqa: ASYNC110 - whatever the application is, it has no event for it
            await asyncio.sleep(0.02)


async def _records(source: Source, *, at_least: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(400):
        batch = await source.read()
        if batch is not None:
            found += batch.records
            await source.commit(batch, [])
        elif len(found) >= at_least:
            break
        else:
            await asyncio.sleep(source.idle)
    return found


def resident() -> int:
    """The most memory that this process has had so far, KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
