"""Our ways out of an application: single events through the Emitter, and a source's batches through the Outflow."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from bus.delivery.cursor import Cursor
from bus.delivery.emitting import Emitter
from bus.delivery.health import PlaceHealth
from bus.delivery.ledger import Ledger
from bus.delivery.mapping import Mapper
from bus.delivery.outflow import Outflow
from bus.envelope import rfc3339
from bus.ports import Batch, ConnectorConfig, Position, Record, Rejection, Sees, SourceState
from bus.subjects import AppName
from tests.bench.contest import Lap, ended, finished
from tests.bench.rig import OURS, OURS_STORED, Rig, publisher_contract
from tests.bench.rows import KIND, rows

PIPELINE = 200  #: events on their way at once
PART = (
    PIPELINE // 4
)  #: what is handed to the Emitter at once; while acknowledgements are awaited the next is made ready
BATCH = 500


async def singles(rig: Rig, size: int) -> Lap:
    """Validated one by one, a span each, with message ids; at most 200 acknowledgements are awaited at a time."""
    app = AppName(OURS, "bench")
    emitter = Emitter(app, rig.publisher)
    validate, drafting = KIND.model.model_validate, rig.drafting
    data = rows(size)
    under_way: deque[asyncio.Task[Any]] = deque()
    with Lap.timed(rig, size) as lap:
        for start in range(0, size, PART):
            events = []
            for row in data[start : start + PART]:
                time = rfc3339(datetime.now(UTC))
                draft = drafting.draft(KIND, validate(row, extra="forbid"))
                events.append(drafting.event(draft, app.ce_source, row["nik"], "1", time))
            if len(under_way) == PIPELINE // PART:
                await under_way.popleft()
            under_way.append(asyncio.create_task(emitter.send(events)))
            await asyncio.sleep(0)  # it writes
        for sending in under_way:
            await sending
    return lap


async def batches(rig: Rig, size: int) -> Lap:
    """The product's own path from a source: atomic batches of 500 with their cursor, each stored before the next."""
    return await _flow(rig, OURS, size)


async def backlog(rig: Rig, size: int) -> Lap:
    """The same from a source that lets itself be read ahead, as snapshots and logs do."""
    return await _flow(rig, OURS, size, ahead=True)


async def store(rig: Rig, size: int) -> None:
    """Stores what our sides consume."""
    await _flow(rig, OURS_STORED, size)


async def _flow(rig: Rig, opd: str, size: int, *, ahead: bool = False) -> Lap:
    name = f"isi{rig.number()}"
    contract = publisher_contract(opd, name)
    source = _Memory(size, ahead=ahead)
    ledger = Ledger(rig.settings.home / "state" / f"{opd}.{name}.ledger")
    outflow = Outflow(
        contract.name,
        name,
        source,
        Mapper(contract, name, rig.catalogue, rig.drafting),
        ledger,
        Cursor(rig.publisher, contract.name, name),
        rig.publisher,
        PlaceHealth(),
    )
    with Lap.timed(rig, size) as lap:
        running = asyncio.create_task(outflow.run())
        await finished(source.drained, running)
    await ended(running)
    ledger.close()
    return lap


class _Memory:
    """A source that has its rows in memory and an order of its own, as an outbox has."""

    Config: ClassVar = ConnectorConfig
    sees: ClassVar = Sees(updates=False, deletes=False)
    idle = 3600.0

    def __init__(self, size: int, *, ahead: bool) -> None:
        records = [Record(row["nik"], row, version=str(number)) for number, row in enumerate(rows(size))]
        self._batches: Iterator[Batch] = iter(
            Batch(records[at : at + BATCH], {"row": at + BATCH}, more=True, ahead=ahead) for at in range(0, size, BATCH)
        )
        self.drained = asyncio.Event()

    async def open(self, position: Position | None) -> None:
        """Nothing to connect to."""

    async def read(self) -> Batch | None:
        """The next batch."""
        batch = next(self._batches, None)
        if batch is None:
            self.drained.set()
        return batch

    async def commit(self, batch: Batch, rejections: Sequence[Rejection]) -> None:
        """All must have become events."""
        if rejections:
            raise AssertionError(f"{len(rejections)} rows were rejected: {rejections[0].reason}")

    async def reread(self, key: str) -> Record | None:
        """Nothing is read again."""
        return None

    async def state(self) -> SourceState:
        """Nothing to tell."""
        return SourceState()

    async def close(self) -> None:
        """Nothing to let go of."""
