"""What an application that calls by itself has still to say: it lies on disk, and takes no memory of the test's."""

from __future__ import annotations

import asyncio
import tempfile
from abc import ABC, abstractmethod
from collections import deque


class Outbox:
    """Messages in order, each until it is acknowledged."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the application
        self._places: deque[tuple[int, int]] = deque()  # where each begins, and how long it is

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> bytes:
        place, size = self._places[index]
        self._file.seek(place)
        return self._file.read(size)

    def append(self, message: bytes) -> None:
        """One more, behind the others."""
        place = self._file.seek(0, 2)
        self._file.write(message)
        self._places.append((place, len(message)))

    def popleft(self) -> None:
        """The first is acknowledged."""
        self._places.popleft()

    def close(self) -> None:
        """Nothing more is said."""
        self._file.close()


class Calls(ABC):
    """An application that calls by itself, until its outbox is empty."""

    def __init__(self) -> None:
        self._outbox = Outbox()
        self._calling: asyncio.Task[None] | None = None
        self._silent = self._disturbed = False

    @abstractmethod
    async def _call(self) -> None:
        """Says all that the outbox holds."""

    def _keep(self, message: bytes) -> None:
        self._outbox.append(message)
        self._begin()

    def _begin(self) -> None:
        if self._calling is None or self._calling.done():
            self._calling = asyncio.create_task(self._call())

    async def disturb(self) -> bool:
        self._disturbed = True
        return True

    async def calm(self) -> None:
        self._disturbed = False

    async def away(self) -> None:
        self._silent = True

    async def back(self) -> None:
        self._silent = False

    async def kill(self) -> bool:
        """What a killed process leaves: its connections end in the midst of a call, and it has its outbox."""
        if self._calling:
            self._calling.cancel()
            await asyncio.gather(self._calling, return_exceptions=True)
        return False  # seen from the bus it has nothing to say

    async def start(self) -> None:
        """It goes on."""
        self._begin()

    async def close(self) -> None:
        """It is gone for good."""
        await self.kill()
        self._outbox.close()
