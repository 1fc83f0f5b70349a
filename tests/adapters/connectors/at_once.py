"""What applications share whose changes are there at once: none commits later than it was made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bus.testing import SourceApplication


class AtOnce:
    """The later change is written first, and the early one behind it."""

    async def write_late(
        self: SourceApplication,
        early: tuple[int, str],
        late: tuple[int, str],
        between: Callable[[], Awaitable[Any]],
    ) -> None:
        await self.write([late])
        await between()
        await self.write([early])
