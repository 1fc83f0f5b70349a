"""What works on held keys ends when it is told to, also where a library loses that on the way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from bus.delivery.deaths import Deaths
from bus.delivery.health import PlaceHealth
from bus.delivery.inflow import Inflow
from bus.delivery.reading import Inbound
from bus.envelope import Event
from bus.testing.events import NAME
from bus.testing.lines import PATIENCE

EVENT = Event("a" * 32, "/kediri/uji/aplikasi", NAME.ce_type, "k", "2026-01-31T08:00:00+07:00", b"{}")


class Losing:
    """A target whose library answers although it was told to end, as asyncio's ``wait_for`` does before Python 3.12."""

    atomic = idempotent = True

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.applied = 0

    async def apply(self, deliveries: Sequence[Any]) -> int:
        self.begun.set()
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            self.applied += 1
        return 0

    async def forget(self) -> None:
        pass


async def applied(*_: Any) -> None:
    """The server is told."""


async def test_an_end_that_is_lost_with_the_last_held_message(tmp_path: Path) -> None:
    target, deaths = Losing(), Deaths(tmp_path / "hand")
    reader, settler = SimpleNamespace(type=SimpleNamespace(name=NAME)), SimpleNamespace(group="g", applied=applied)
    inflow = Inflow(
        "k", cast(Any, reader), cast(Any, target), cast(Any, settler), deaths, PlaceHealth(), hold_poison=False
    )
    incoming, delivery = SimpleNamespace(stream="OPD_UJI", sequence=1), SimpleNamespace()
    inflow._lanes.hold(deque([Inbound(cast(Any, incoming), EVENT, cast(Any, delivery))]))

    running = asyncio.create_task(inflow.run(heartbeat=PATIENCE))
    await target.begun.wait()
    running.cancel()
    _, hanging = await asyncio.wait({running}, timeout=PATIENCE / 4)

    deaths.close()
    assert target.applied == 1
    assert not hanging
