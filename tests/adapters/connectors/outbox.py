"""What an application that calls by itself has still to say: it lies on disk, and takes no memory of the test's."""

from __future__ import annotations

import tempfile
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
