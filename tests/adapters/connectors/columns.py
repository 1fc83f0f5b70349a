"""What an application's records look like, which its vendor may change at any time."""

from __future__ import annotations

from typing import Any

VALUE = "nilai"  #: what contracts call it


class Columns:
    """Records as objects or rows. A change of them concerns all that is written from then on."""

    def __init__(self) -> None:
        self._value = VALUE
        self._more: dict[str, Any] = {}

    def row(self, key: int, value: str) -> dict[str, Any]:
        """A record."""
        return {"kunci": key, self._value: value, **self._more}

    async def widen(self) -> None:
        self._more = {"tambahan": "baru"}

    async def lose_column(self) -> None:
        self._value = "isi"

    async def regain_column(self) -> None:
        self._value = VALUE
