"""Watermarks: what a column says about when its row changed, whatever its type.

Timestamps with and without offset, dates, and SQLite's texts are times; numbers and other texts only have an order.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from math import inf
from time import monotonic
from typing import Any

DATE_LENGTH = len("2026-01-31")


def moment(mark: Any, zone: tzinfo) -> datetime | None:
    """When it was, aware; ``zone`` is that of times without an offset. None for what is no time, as ``0000-00-00``."""
    if isinstance(mark, str):
        try:
            mark = datetime.fromisoformat(mark)
        except ValueError:
            return None
    if isinstance(mark, datetime):
        return mark if mark.tzinfo else mark.replace(tzinfo=zone)
    if isinstance(mark, date):
        return datetime.combine(mark, time(), zone)
    return None


def earlier(when: datetime, by: timedelta) -> datetime:
    """A moment before another; the other itself at the beginning of the calendar, which stands for "never"."""
    try:
        return when - by
    except OverflowError:
        return when


def at(when: datetime, like: Any, zone: tzinfo) -> Any:
    """The mark that a row of the moment ``when`` has in the column of the mark ``like``; at most a second earlier."""
    if isinstance(like, str):
        sample = datetime.fromisoformat(like)
        local = when.astimezone(sample.tzinfo or zone).replace(tzinfo=None)
        if len(like) == DATE_LENGTH:
            return local.date().isoformat()
        return local.isoformat(sep=like[DATE_LENGTH], timespec="seconds")
    if isinstance(like, datetime):
        return when if like.tzinfo else when.astimezone(zone).replace(tzinfo=None)
    return when.astimezone(zone).date()


class Window:
    """How far behind the highest mark a sweep begins, so that it finds what was committed up to ``overlap`` late.

    A row may have come in behind the marks of any moment since the last sweep began. Of times ``overlap`` is
    subtracted; for marks that only have an order the highest of ``overlap`` seconds earlier is remembered.
    """

    def __init__(self, low: Any, overlap: timedelta, zone: tzinfo) -> None:
        self.low = low  #: the next sweep's first mark; None: the very first row
        self._overlap, self._zone = overlap, zone
        self._begun: tuple[float, datetime, Any] | None = None
        self._tops: deque[tuple[float, Any]] = deque([(-inf, low)])

    def begin(self, top: Any) -> None:
        """A sweep begins while ``top`` is the highest mark read."""
        self._begun = monotonic(), datetime.now(UTC), top

    def settle(self) -> None:
        """The sweep is over: the next one begins behind what it has settled."""
        if self._begun is None:
            return
        began, clock, top = self._begun
        self._begun = None
        when = moment(top, self._zone)
        if when:  # one ahead of the clock is of somebody whose clock is fast: others' rows come behind it
            self.low = at(earlier(min(when, clock), self._overlap), top, self._zone)
            return
        self._tops.append((began, top))
        while len(self._tops) > 1 and self._tops[1][0] <= began - self._overlap.total_seconds():
            self._tops.popleft()
        self.low = self._tops[0][1]
