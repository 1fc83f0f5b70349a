"""How far an application's records were read, by the mark that each has, and from where it is asked for more."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from adapters.connectors.watermark import Window, at, moment
from bus.errors import ConfigError

_OFFSET = re.compile(r"(?<=\d)(Z|[+-]\d\d:?\d\d)$")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DATE_ONLY = len("2026-01-31")


class Since:
    """The highest mark that was read, and the mark from which the next reading begins.

    That lies ``overlap`` earlier, for what is committed late; numbers and texts have no seconds, of them the highest
    of ``overlap`` seconds ago is remembered. While one page follows another the records behind may move up, and one
    can slip through: what took several pages is therefore asked for once more.
    """

    def __init__(self, low: str | None, overlap: timedelta, zone: tzinfo, where: str) -> None:
        self.text = low  #: what the application is asked for; None: everything
        self._overlap, self._zone, self._where = overlap, zone, where
        self._like = low or ""  # a mark as the application writes it
        self._top = self._before = self._mark(low)
        self._window = Window(self._top, overlap, zone)

    @property
    def shown(self) -> str:
        """The mark that is asked for, where it is a time or a number; a text may be anything."""
        return "" if self.text is None or isinstance(self._mark(self.text), str) else self.text

    def begin(self) -> None:
        """A reading begins."""
        self._before = self._top

    def see(self, mark: Any) -> None:
        """A record's mark. One from the future has no place in the order."""
        value = self._mark(mark)
        if value is None or (isinstance(value, datetime) and value > datetime.now(UTC) + self._overlap):
            return
        try:
            if self._top is None or value > self._top:
                self._top, self._like = value, str(mark)
        except TypeError:
            raise ConfigError(
                "the values of `watermark` are of different kinds", where=self._where, hint="choose another field"
            ) from None

    def finish(self, *, pages: int) -> None:
        """The reading is over; it took so many pages."""
        self._window.begin(self._top if pages <= 1 else self._before)
        self._window.settle()
        self.text = self._written(self._window.low)

    def _mark(self, mark: Any) -> Any:
        """A mark in its own kind: a time, a number, or a text."""
        if isinstance(mark, bool) or mark is None or mark == "":
            return None
        if isinstance(mark, int | Decimal):
            return Decimal(mark)
        if not isinstance(mark, str):
            raise ConfigError("the value of `watermark` is no time, number or text", where=self._where)
        if _NUMBER.fullmatch(mark):
            return Decimal(mark)
        return (moment(mark, self._zone) if "-" in mark else None) or mark

    def _written(self, low: Any) -> str | None:
        """A mark as the application writes its own: with the same offset, and the same letter before the time."""
        if low is None or isinstance(low, str):
            return low
        if not isinstance(low, datetime):
            return str(low)
        offset = _OFFSET.search(self._like) if len(self._like) > _DATE_ONLY else None
        return f"{at(low, self._like, self._zone)}{offset[0] if offset else ''}"
