"""When a message is settled whose target is told of events one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from bus.ports import Delivery, FollowUp, Sink
from bus.testing.lines import until
from bus.testing.targets import Target, numbered


class Hanging:
    """A target that does not answer for one of the keys until it is let."""

    database, atomic = None, False

    def __init__(self) -> None:
        self.answers = asyncio.Event()

    async def open(self) -> None:
        """Nothing to open."""

    async def apply(self, deliveries: Sequence[Delivery], _transaction: Any) -> Sequence[FollowUp]:
        if any(each.data.kunci == "lama" for each in deliveries):
            await self.answers.wait()
        return ()

    async def close(self) -> None:
        """Nothing to close."""


async def test_what_is_applied_is_settled_while_the_rest_of_its_batch_takes_long(tmp_path: Path) -> None:
    sink = Hanging()
    messages = numbered([("k1", "a"), ("lama", "b"), ("k2", "c")])
    async with Target(cast(Any, None), tmp_path).running(sink=cast(Sink, sink)) as inflow:
        handling = asyncio.create_task(inflow.handle(cast(Any, messages)))
        await until(lambda: [each.settled for each in messages] == ["ack", "", "ack"])
        assert not handling.done()
        sink.answers.set()
        await handling
    assert [each.settled for each in messages] == ["ack"] * 3
