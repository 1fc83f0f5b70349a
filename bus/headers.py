"""Headers of a message as they came: lines, which become names and values where someone asks for one.

Whoever reads an event that the bus itself wrote takes its attributes off the lines (``bus.envelope``): names and
values for each message cost more than the validation of its body.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class Headers(Mapping[str, str]):
    """The headers in ``lines``, each ended by CRLF, as the NATS client reads them: what is no header is left out."""

    __slots__ = ("_named", "lines")

    def __init__(self, lines: str) -> None:
        self.lines = lines
        self._named: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __bool__(self) -> bool:
        return ":" in self.lines

    def _read(self) -> dict[str, str]:
        if self._named is None:
            self._named = {}
            for line in self.lines.split("\r\n"):
                name, colon, value = line.partition(":")
                if colon and name.isascii() and " " not in (name := name.strip()):
                    self._named[name] = value.strip()
        return self._named
