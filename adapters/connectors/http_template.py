"""Addresses with places for values: ``https://siswa.example/api/siswa/{nisn}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from yarl import URL

from bus.errors import ConfigError, Rejected

_PLACE = re.compile(r"\{([A-Za-z_$][\w.$]*)\}")


def place_in_host(text: str) -> bool:
    """Whether an address leaves it to a value whom to call."""
    return _PLACE.search("/".join(text.split("/", 3)[:3])) is not None


def names_in(text: str) -> frozenset[str]:
    """The names of an address's places, whole or not."""
    return frozenset(_PLACE.findall(text))


def below(base: str, path: str) -> str:
    """An address with a path behind it."""
    return f"{base.rstrip('/')}/{path.lstrip('/')}" if path else base


class Template:
    """An address; ``names`` are those of its places. Raises ConfigError where a place is in the host."""

    def __init__(self, text: str, where: str) -> None:
        self._text, self._where = text, where
        self.names = names_in(text)
        if place_in_host(text):
            raise ConfigError("the host of an address holds no values", where=where)

    def filled(self, values: Mapping[str, Any]) -> URL:
        """The address with these values. Raises Rejected for a value that an address cannot hold."""

        def value(place: re.Match[str]) -> str:
            text = str(values[place[1]] if values[place[1]] is not None else "")
            if text in {"", ".", ".."}:  # another address than the one that is meant
                raise Rejected(f"kolom {place[1]} kosong atau tidak dapat menjadi bagian alamat", where=self._where)
            return quote(text, safe="")

        try:
            return URL(_PLACE.sub(value, self._text))
        except ValueError:
            raise ConfigError("not an address", where=self._where) from None
