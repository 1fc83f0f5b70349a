"""What a source's records would become, without a server: for whoever writes a contract."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bus.delivery.ledger import Told
from bus.delivery.mapping import Mapper
from bus.envelope import Event, rfc3339
from bus.errors import ContractError
from bus.ports import Record, Source
from bus.subjects import AppName


@dataclass(frozen=True, slots=True)
class Tried:
    """What one record would become: its events, or the reason why it would be rejected; neither where no entry
    matches. ``odd`` has codes of what looks wrong in the events and is no reason to reject them.
    """

    place: str
    events: tuple[Event, ...] = ()
    odd: tuple[str, ...] = ()
    rejected: str = ""


async def records(app: AppName, source: Source, mapper: Mapper, limit: int) -> AsyncIterator[Tried]:
    """Reads up to ``limit`` records from the beginning of a source and tries to map them. Marks and moves nothing.

    Raises ConfigError, AccessError, Unavailable of the source.
    """
    left = limit
    of_key: dict[str, dict[str, Told]] = {}
    await source.open(None)
    async with contextlib.aclosing(_batches(source)) as batches:
        async for batch in batches:
            for record in batch[:left]:
                told = of_key.setdefault(record.key, {})
                try:
                    drafts = mapper.withdrawing.completed(mapper.map(record, told), told)
                except ContractError as error:
                    yield Tried(record.place, rejected=error.what)
                    continue
                version = record.version or f"{record.mark}#1"
                events = tuple(
                    mapper.event(draft, app.ce_source, record.key, version, rfc3339(record.at or datetime.now(UTC)))
                    for draft in drafts
                )
                for draft, event in zip(drafts, events, strict=True):
                    mapper.withdrawing.remember(told, draft, event.id)
                yield Tried(
                    record.place, events, tuple(code for each in drafts for code in each.type.warnings(each.data))
                )
            left -= len(batch)
            if left <= 0:
                return


async def _batches(source: Source) -> AsyncGenerator[Sequence[Record], None]:
    try:
        while (batch := await source.read()) is not None:
            yield batch.records
            if not batch.more:
                return
    finally:
        await source.close()
