"""A city of departments over a real bus, and what its databases show by now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bus.app import Adapter
from bus.contracts import load
from bus.events import Catalogue
from tests.faults.city import City
from tests.servers.server import Database

SMALL = 64 * 1024**2  #: bytes of a stream: many departments have room on any disk


@asynccontextmanager
async def running(folder: Path, offices: Sequence[Path], here: Sequence[Path]) -> AsyncIterator[City]:
    """A bus for these offices; the adapters of those that are ``here`` run in this process."""
    async with City(folder, max_bytes=SMALL) as city:
        copies = {each: _copied(each, city) for each in offices}
        await city.start()
        stopping, catalogue = asyncio.Event(), Catalogue.load()
        adapters = [Adapter(load(copies[each] / "adapter.toml"), city.settings, catalogue) for each in here]
        for each in adapters:
            await each.install()
        tasks = [asyncio.create_task(each.run(stopping)) for each in adapters]
        try:
            yield city
        finally:
            stopping.set()
            await asyncio.gather(*tasks)


def _copied(office: Path, city: City) -> Path:
    mapping = office / "mapping.py"
    contract = (office / "adapter.toml").read_text(encoding="utf-8")
    return city.office(contract, mapping.read_text(encoding="utf-8") if mapping.exists() else "")


def shows(database: Database, query: str, *wanted: tuple[str, ...]) -> Callable[[], Awaitable[bool]]:
    """Whether a query has these rows by now; asked beside the adapters, which run here too."""

    async def asked() -> bool:
        return await asyncio.to_thread(database.sql, query) == [*wanted]

    return asked
