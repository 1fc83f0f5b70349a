"""HL7 messages out of events: segments as a contract writes them, with the event's fields in braces."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from adapters.formats.hl7 import SEGMENT_END, STANDARD, escaped

_PLACE = re.compile(r"\{(\$?[A-Za-z_]\w*)\}")
_SEGMENT = re.compile(r"(?!MSH)[A-Z][A-Z0-9]{2}\|[^\x00-\x1f]*")
_EMPTY_TAIL = re.compile(r"\|+$")


class SegmentTemplate:
    """Segments with places for values: ``PID|1||{no_rm}^^^RSUD^MR||{nama}||{tanggal_lahir}``."""

    def __init__(self, segments: Sequence[str], codes: Mapping[str, Mapping[str, str]]) -> None:
        """Raises ValueError for what is no segment."""
        for segment in segments:
            if not _SEGMENT.fullmatch(segment):
                raise ValueError(f"{segment[:3]} is no segment; write NAME|field|field, without MSH")
        self._segments, self._codes = segments, codes
        self.names = frozenset(name for segment in segments for name in _PLACE.findall(segment))

    def filled(self, values: Mapping[str, Any]) -> str:
        """The segments with these values; one that is missing raises KeyError."""

        def value(place: re.Match[str]) -> str:
            name = place[1]
            text = written(values[name])
            return escaped(self._codes.get(name, {}).get(text, text))

        return "".join(_EMPTY_TAIL.sub("", _PLACE.sub(value, segment)) + SEGMENT_END for segment in self._segments)


def written(value: object) -> str:
    """A value as a field has it: dates YYYYMMDD, moments with their offset, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y%m%d%H%M%S%z}"
    if isinstance(value, date):
        return f"{value:%Y%m%d}"
    if isinstance(value, bool):
        return "Y" if value else "N"  # table 0136
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def header(fields: Mapping[int, str]) -> str:
    """An MSH segment of fields by number, from 3 on. Components are delimited already."""
    by = STANDARD
    last = max(fields)
    parts = [f"MSH{by.field}{by.component}{by.repetition}{by.escape}{by.sub}"]
    return by.field.join([*parts, *(fields.get(number, "") for number in range(3, last + 1))]) + SEGMENT_END
