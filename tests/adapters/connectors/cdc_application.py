"""What the tests of sql_cdc share: a capture, and reading it until something comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.connectors.sql_cdc import SqlCdc, SqlCdcConfig
from bus.errors import Unavailable
from bus.ports import Batch, Position, Record
from tests.adapters.connectors.sql_application import CONTEXT, stored

PATIENCE = 20  #: seconds
HELD = 0.3  #: seconds that a snapshot's transaction waits for room, where a test shortens it


def captured(url: str, tables: Mapping[str, Any], **options: Any) -> SqlCdc:
    """A source over some tables, which is asked every few milliseconds."""
    config = SqlCdcConfig.model_validate({"url": url, "tables": tables, "poll": 0.01, **options})
    return SqlCdc(config, CONTEXT)


@asynccontextmanager
async def reading(source: SqlCdc, position: Position | None = None, *, install: bool = True) -> AsyncIterator[SqlCdc]:
    """An open source; it is closed at the end."""
    if install:
        await source.install()
    await source.open(position)
    try:
        yield source
    finally:
        await source.close()


async def batches(source: SqlCdc, wanted: Callable[[list[Batch]], bool], *, commit: bool = True) -> list[Batch]:
    """Reads until what has come is what is wanted."""
    found: list[Batch] = []
    async with asyncio.timeout(PATIENCE):
        while not wanted(found):
            if batch := await source.read():
                found.append(batch)
                if commit:
                    await source.commit(batch, [])
    return found


async def records(source: SqlCdc, count: int, *, commit: bool = True) -> list[Record]:
    """Reads that many records, and a little longer, so that one too many would show."""

    def enough(found: list[Batch]) -> bool:
        return len(all_of(found)) >= count

    found = await batches(source, enough, commit=commit)
    await asyncio.sleep(0.05)
    if late := await source.read():
        found.append(late)
    return all_of(found)


def all_of(found: Sequence[Batch]) -> list[Record]:
    """The records of batches, in order."""
    return [record for batch in found for record in batch.records]


def shown(record: Record) -> tuple[Any, ...]:
    """The operation and the values of a record."""
    values = [value for name, value in record.data.items() if not name.startswith("_")]
    return (record.data["_operasi"], *values)


def state_of(seen: Sequence[Record]) -> dict[str, Any]:
    """The names by key that records lead to, from nothing on; none may come twice."""
    state: dict[str, Any] = {}
    for each in seen:
        if each.data["_operasi"] in {"snapshot", "insert"}:
            assert each.key not in state, "a row came twice"
        if each.data["_operasi"] == "delete":
            state.pop(each.key)
        else:
            state[each.key] = each.data["nama"]
    return state


async def wide(source: SqlCdc, insert: Callable[[int, int], Any]) -> None:
    """Rows of 200 kB make small batches, in the snapshot and in the log. ``insert`` adds those of such numbers."""
    insert(1, 90)
    async with reading(source) as opened:
        there = await batches(opened, lambda found: len(all_of(found)) == 90)
        insert(91, 180)
        new = await batches(opened, lambda found: len(all_of(found)) == 90)
    assert [len(each.records) for each in there if each.records][:2] == [50, 20]  # the first tells how wide
    assert max(len(each.records) for each in new) <= 21


async def overlapped(run: Callable[[str], Any], source: Callable[[], SqlCdc]) -> list[Record]:
    """What comes of a snapshot of 120 rows of ``warga`` while others write: it is open, since it waits for its reader
    after a few pages of 20, and the changes are of rows that it has read and of rows that it has yet to read.
    """
    async with reading(source()) as opened:
        (first,) = await batches(opened, lambda found: len(found) == 1)
        for change in ("ubah", "lagi"):
            run(f"UPDATE warga SET nama = '{change}' WHERE id % 4 = 0")
        run("DELETE FROM warga WHERE id % 10 = 7")
        run("INSERT INTO warga VALUES ('A', 200, 'baru'), ('b', 200, 'baru'), ('Ö', 200, 'baru')")
        run("UPDATE warga SET nama = 'akhir' WHERE id = 1")
        rest = await batches(opened, lambda found: any("akhir" in each.data.values() for each in all_of(found)))
    assert [each.data["_operasi"] for each in first.records] == ["snapshot"] * 20
    return all_of([first, *rest])


async def interrupted(run: Callable[[str], Any], source: Callable[[], SqlCdc]) -> list[Record]:
    """What comes of a snapshot of 120 rows of ``warga`` that is interrupted twice, with changes meanwhile."""
    seen: list[Record] = []
    async with reading(source()) as opened:
        for batch in await batches(opened, lambda found: len(found) >= 3):
            seen += batch.records
            position = stored(batch.position)
    for number, change in enumerate(("ubah", "lagi")):
        run(f"UPDATE warga SET nama = '{change}' WHERE id % 4 = 0; DELETE FROM warga WHERE id = {9 + number}")
        run(f"INSERT INTO warga VALUES ('a', {200 + number}, 'baru'), ('Z', {200 + number}, 'baru')")
        async with reading(source(), position) as opened:
            for batch in await batches(opened, lambda found: len(found) >= 2):
                seen += batch.records
                position = stored(batch.position)
    run("UPDATE warga SET nama = 'akhir' WHERE id = 1")
    async with reading(source(), position) as opened:
        last = await batches(opened, lambda found: any("akhir" in each.data.values() for each in all_of(found)))
    return seen + all_of(last)


async def taken_slowly(source: SqlCdc, found: list[Batch]) -> None:
    """Adds batches to those that were found, each after longer than a snapshot's transaction is held."""
    while True:
        await asyncio.sleep(2 * HELD)
        found += await batches(source, bool)


async def let_go(source: Callable[[], SqlCdc]) -> list[Record]:
    """What comes of a snapshot of 120 rows whose batches nobody takes for longer than its transaction is held: it ends
    with an error, behind what has been handed over, and another reading goes on from there.
    """
    found: list[Batch] = []
    async with reading(source()) as opened:
        found += await batches(opened, lambda found: len(all_of(found)) >= 20)
        with pytest.raises(Unavailable, match="the streams take nothing"):
            await taken_slowly(opened, found)
    position = stored(found[-1].position)
    async with reading(source(), position) as opened:
        found += await batches(opened, lambda rest: len(all_of(found + rest)) >= 120)
    return all_of(found)
