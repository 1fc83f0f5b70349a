"""The ways of events through a city that most tests need: from a source of deaths into one application, or into two."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults import contracts
from tests.faults.city import City
from tests.faults.processes import Process


@asynccontextmanager
async def into_table(
    folder: Path, source: str, target: str, *, producer: str = contracts.PRODUCER, **settings: object
) -> AsyncIterator[tuple[City, Process, Process]]:
    """dukcapil/siak emits the deaths of one database, dinkes/makam keeps them in another. Neither is started yet."""
    async with City(folder, **settings) as city:
        city.office(producer)
        city.office(contracts.sink("dinkes", "makam", "MAKAM_URL"))
        await city.start()
        yield city, city.adapter("dukcapil/siak", SIAK_URL=source), city.adapter("dinkes/makam", MAKAM_URL=target)


@asynccontextmanager
async def into_handler(
    folder: Path, source: str, target: str, handler: str = contracts.OBEDIENT
) -> AsyncIterator[tuple[City, Process, Process]]:
    """The same into dinsos/bansos, whose handler's Python is given."""
    async with City(folder) as city:
        city.office(contracts.PRODUCER)
        city.office(contracts.handler(database="BANSOS_URL"), handler)
        await city.start()
        yield city, city.adapter("dukcapil/siak", SIAK_URL=source), city.adapter("dinsos/bansos", BANSOS_URL=target)


@asynccontextmanager
async def with_follow_ups(
    folder: Path, source: str, target: str, end: str
) -> AsyncIterator[tuple[City, Process, Process, Process]]:
    """dinsos/bansos stops the aid of who has died, and bppkad/kas keeps that in a database of its own."""
    async with City(folder) as city:
        city.office(contracts.PRODUCER)
        city.office(contracts.handler(database="BANSOS_URL"), contracts.STOP_AID)
        city.office(contracts.FOLLOW_UP_SINK)
        await city.start()
        siak = city.adapter("dukcapil/siak", SIAK_URL=source)
        yield city, siak, city.adapter("dinsos/bansos", BANSOS_URL=target), city.adapter("bppkad/kas", KAS_URL=end)
