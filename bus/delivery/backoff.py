"""How long to wait before the next attempt."""

from __future__ import annotations

import random


class Backoff:
    """Exponential waiting times with full jitter on their upper half, in seconds."""

    def __init__(self, first: float = 0.1, ceiling: float = 5.0) -> None:
        self._first, self._ceiling = first, ceiling
        self.attempts = 0

    def next(self) -> float:
        """The next waiting time."""
        self.attempts += 1
        longest: float = min(self._ceiling, self._first * 2 ** min(self.attempts - 1, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret

    def reset(self) -> None:
        """Begins anew after a success."""
        self.attempts = 0
