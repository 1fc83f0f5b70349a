"""An application, its source and the engine over streams in memory: what the conformance suite of sources runs.

Processes are started, killed at a step and started again; what was stored outlives them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from bus.contracts import Contract
from bus.delivery.cursor import Cursor
from bus.delivery.drafting import Drafting
from bus.delivery.health import PlaceHealth
from bus.delivery.ledger import Ledger
from bus.delivery.mapping import Mapper
from bus.delivery.outflow import Outflow
from bus.envelope import Event
from bus.errors import Fenced
from bus.events.registry import KeyTokens
from bus.ports import Batch, Rejection, Source
from bus.testing.events import APP, CATALOGUE, NAME
from bus.testing.memory import Crash, MemoryStreams

PATIENCE = 20.0  #: seconds until something that should happen has not


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

    async def widen(self) -> None:
        """Gives its rows one more column, or whatever holds more of them there."""

    async def lose_column(self) -> None:
        """Calls the column ``nilai`` otherwise."""

    async def regain_column(self) -> None:
        """Calls it ``nilai`` again."""

    def stranger(self) -> Source | None:
        """A connector whose credentials are wrong; None where the application asks for none."""

    async def write_oversized(self, key: int) -> bool | None:
        """Writes a row that is too large to become an event. False where the application itself refuses it."""

    async def away(self) -> None:
        """The application stops answering."""

    async def back(self) -> None:
        """It answers again."""

    async def kill(self) -> bool:
        """The process that it runs in is killed. False where that is none (a folder), or nobody can tell from here."""

    async def start(self) -> None:
        """It is started again, with all that it had."""

    async def disturb(self) -> bool:
        """From now on answers come late and connections are cut now and then. False where there is no connection."""

    def suffered(self) -> int:
        """How many connections were cut so far, after something on them had come late."""

    async def calm(self) -> None:
        """The line is good again."""


@dataclass
class Process:
    """A process with one source in it."""

    source: Source
    ledger: Ledger
    outflow: Outflow
    task: asyncio.Task[None] = field(init=False)

    async def reread(self, key: str) -> Event | None:
        """Reads a record again, as a redrive does."""
        async with self.outflow.resting() as reread:
            return await reread(key)


class Line:
    """An application, its source and the engine, over streams that outlive their crashes."""

    def __init__(self, application: SourceApplication, folder: Path, *, keep: bool = True) -> None:
        self._application, self._ledger_path = application, folder / "ledger"
        self.keep = timedelta.max  #: how long a cursor is kept, as the ledger believes
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

    def process(self, source: Source | None = None) -> Process:
        """A process that is about to start."""
        source, ledger = source or self._application.source(), Ledger(self._ledger_path, keep=self.keep)
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


async def read_until(source: Source, *, at_least: int) -> list[Any]:
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
