"""The conformance suite of sinks finds out who breaks its rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from bus.ports import Delivery, FollowUp
from bus.testing import SinkApplication, SinkContract
from bus.testing.backlogs import MEMORY, filling_of
from bus.testing.targets import Target


class Hoarder:
    """A sink that keeps all that it was given, and the application that has it."""

    database: str | None = None
    atomic = True

    def __init__(self) -> None:
        self.kept: list[Delivery] = []

    def sink(self) -> Hoarder:
        return self

    async def open(self) -> None:
        """There is nothing to open."""

    async def apply(self, deliveries: Sequence[Delivery], transaction: Any) -> Sequence[FollowUp]:
        self.kept += deliveries
        return ()

    async def close(self) -> None:
        """Nor to close."""


@pytest.mark.parametrize("large", [1_000, 20_000])
async def test_a_sink_that_keeps_everything_needs_too_much_memory(tmp_path: Path, large: int) -> None:
    hungry = b"x" * 200 * 1024 * 1024  # a test that needed more before
    del hungry
    application = cast(SinkApplication, Hoarder())

    with pytest.raises(AssertionError, match=f"< {MEMORY}"):
        await SinkContract().test_a_large_backlog_needs_no_more_memory(
            application, Target(application, tmp_path), large, filling_of(large)
        )
