"""HL7 version 2 messages with delimiters ("pipes"): segments, fields, repetitions, components, sub-components, escapes.

    read = Paths({"no_rm": "PID-3(MR).1", "nama": "PID-5.2 PID-5.1", "tanggal_lahir": "PID-7:date"}, WIB)
    read(Message.parse(text))  # {"no_rm": "00123", "nama": "BUDI SANTOSO", "tanggal_lahir": date(1980, 1, 1)}

A message is cut only where a path looks: 20 µs for a patient's admission, where the packages for it took 600 (`hl7`
0.4.5) and 20,000 (`hl7apy` 1.3.5). Rules: HL7 v2.5, chapter 2 (2.5 message construction, 2.7 escapes) and 2.A
(data types).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from datetime import timezone as offset_zone
from functools import lru_cache
from typing import Literal, NamedTuple

SEGMENT_END = "\r"
NULL = '""'  #: "delete what you have": of no value for whoever reads it
CHARSETS: Mapping[str, str] = {
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",  # the table leaves its encoding open; a message whose delimiters are single bytes has this one
    "UTF-8": "utf-8",  # in no table, and written all the same
}
"""Python's names of the character sets of table 0211."""

_HEAD = re.compile(r"MSH([^\w\s])((?:(?!\1)[^\w\s]){4,5})(?:\1|$)")
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_PATH = re.compile(
    r"([A-Z][A-Z0-9]{2})(?:\[([1-9]\d*)\])?-([1-9]\d*)(?:\[([1-9]\d*)\]|\(([^()\s]+)\))?"
    r"(?:\.([1-9]\d*)(?:\.([1-9]\d*))?)?"
)
_MOMENT = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6})\d*)?)?)?)?)?)?(?:([+-])(\d\d)(\d\d))?"
)


class Malformed(ValueError):
    """A message or a field cannot be read. The text is in a clerk's words and repeats no values."""


class Delimiters(NamedTuple):
    """What MSH-1 and MSH-2 declare."""

    field: str
    component: str
    repetition: str
    escape: str
    sub: str


STANDARD = Delimiters("|", "^", "~", "\\", "&")


@dataclass(frozen=True, slots=True)
class Message:
    """A message, cut into segments: the lines of each name, in their order."""

    delimiters: Delimiters
    encoding: str  #: for \\Xdd..\\ escapes
    segments: Mapping[str, Sequence[str]]

    @classmethod
    def parse(cls, text: str, encoding: str = "utf-8") -> Message:
        """The message in a text. Line feeds, which some devices write, end segments too. Raises Malformed."""
        head = _HEAD.match(text)
        if head is None or len({head[1], *head[2]}) != 1 + len(head[2]):
            raise Malformed("segmen MSH tidak terbaca")
        if "\n" in text:
            text = text.replace("\r\n", SEGMENT_END).replace("\n", SEGMENT_END)
        separator, segments = head[1], dict[str, list[str]]()
        for number, line in enumerate(text.split(SEGMENT_END), 1):
            name = line[:3]
            if line[3:4] in {separator, ""} and (name in segments or _SEGMENT.fullmatch(name)):
                segments.setdefault(name, []).append(line)
            elif line.strip():
                raise Malformed(f"segmen ke-{number} tidak terbaca")
        if len(segments["MSH"]) != 1:
            raise Malformed("lebih dari satu segmen MSH dalam satu pesan")
        return cls(Delimiters(separator, *head[2][:4]), encoding, segments)

    def fields(self, segment: str, occurrence: int) -> Sequence[str]:
        """The fields of a segment, the n-th of its name; none where it is not there."""
        lines = self.segments.get(segment, ())
        return lines[occurrence - 1].split(self.delimiters.field) if len(lines) >= occurrence else ()


class Path:
    """Where a value lies: ``PID-3``, ``PID-3.1``, ``PID-3(NNIDN).1``, ``PID-3[2].4.2``, ``NK1[2]-2``.

    A number left out is the first: ``PID-5`` is ``PID-5.1``, as a field that has grown components is read by older
    versions. In parentheses stands what one of the repetition's other components must be: an identifier's type or
    its assigning authority.
    """

    __slots__ = ("_component", "_field", "_repetition", "_sub", "_which", "place", "text")

    def __init__(self, text: str) -> None:
        """Raises Malformed."""
        found = _PATH.fullmatch(text)
        if found is None:
            raise Malformed(f"{text} is no path; write PID-3, PID-3.1, PID-3(MR).1, PID-3[2].1 or NK1[2]-2.1")
        self.text, self._which = text, found[5]
        numbers = (int(found[number] or 1) for number in (2, 3, 4, 6, 7))
        occurrence, self._field, self._repetition, self._component, self._sub = numbers
        self.place = found[1], occurrence  #: the segment, and which of its name
        if found[1] == "MSH":
            self._field -= 1  # MSH-1 is the separator itself
            if self._field < 2:  # noqa: PLR2004 - MSH-2 are the delimiters
                raise Malformed(f"{text} holds delimiters, no value")

    def value(self, fields: Sequence[str], message: Message) -> str | None:
        """The value in its segment's fields; None where there is none."""
        if self._field >= len(fields) or not (text := fields[self._field]):
            return None
        _, component, repetition, escape, sub = message.delimiters
        if self._which is not None:
            text = self._named(text, component, repetition, sub)
        elif repetition in text or self._repetition > 1:
            text = _nth(text, repetition, self._repetition)
        if component in text or self._component > 1:
            text = _nth(text, component, self._component)
        if sub in text or self._sub > 1:
            text = _nth(text, sub, self._sub)
        if not text or text == NULL:
            return None
        return unescaped(text, message) if escape in text else text

    def _named(self, text: str, component: str, repetition: str, sub: str) -> str:
        for each in text.split(repetition):
            _, *others = each.split(component)
            if self._which in others or any(sub in other and self._which in other.split(sub) for other in others):
                return each
        return ""


def _nth(text: str, by: str, number: int) -> str:
    """The part with this number, from 1; "" where there is none."""
    parts = text.split(by)
    return parts[number - 1] if number <= len(parts) else ""


Kind = Literal["", "date", "time"]


class Paths:
    """Reads named values out of messages.

    Each is a path, or several with spaces between, whose values are joined by spaces; ``:date`` behind it makes a civil
    date of it, ``:time`` a moment (of ``timezone`` where the message gives no offset), as precise as the message is.
    What is not there is None.
    """

    def __init__(self, named: Mapping[str, str], timezone: tzinfo) -> None:
        """Raises Malformed."""
        self._named: list[tuple[str, tuple[Path, ...], Kind]] = []
        self._timezone = timezone
        for name, text in named.items():
            paths, colon, kind = text.partition(":")
            if colon and kind not in {"date", "time"}:
                raise Malformed(f"{text}: behind the colon stands date or time")
            if not paths.split():
                raise Malformed(f"{name}: no path")
            self._named.append((name, tuple(map(Path, paths.split())), kind))  # type: ignore[arg-type]

    def __call__(self, message: Message) -> dict[str, str | date | datetime | None]:
        """The values by name. Raises Malformed, which names the path, for what is no date or time."""
        cut: dict[tuple[str, int], Sequence[str]] = {}
        found: dict[str, str | date | datetime | None] = {}
        for name, paths, kind in self._named:
            values = []
            for path in paths:
                if (fields := cut.get(path.place)) is None:
                    fields = cut[path.place] = message.fields(*path.place)
                if (value := path.value(fields, message)) is not None:
                    values.append(value)
            found[name] = self._typed(values[0], paths[0], kind) if kind and values else " ".join(values) or None
        return found

    def _typed(self, value: str, path: Path, kind: Kind) -> date | datetime | None:
        try:
            moment = instant(value, self._timezone)
        except ValueError:
            raise Malformed(f"{path.text}: tanggal atau waktu tidak terbaca") from None
        return moment.date() if kind == "date" and isinstance(moment, datetime) else moment


def instant(text: str, timezone: tzinfo) -> datetime | date | None:
    """A time stamp (TS, DTM): a datetime, a date where no hour is given, None where not even the day is known.

    Raises ValueError for what is none.
    """
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise ValueError("no time stamp")
    year, month, day, hour, minute, second, fraction, *offset = found.groups()
    if day is None or int(day) == 0 or int(month) == 0 or int(year) == 0:
        return None
    if hour is None:
        return date(int(year), int(month), int(day))
    moment = datetime(
        int(year),
        int(month),
        int(day),
        int(hour),
        int(minute or 0),
        min(int(second or 0), 59),  # a leap second
        int((fraction or "0").ljust(6, "0")),
        timezone if offset[0] is None else _fixed(*offset),
    )
    if offset[0] is None:
        return moment
    try:
        return moment.astimezone(timezone)
    except OverflowError:  # the last day of the calendar, for "open end"
        return moment


@lru_cache(64)
def _fixed(sign: str, hours: str, minutes: str) -> tzinfo:
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return offset_zone(-offset if sign == "-" else offset)


def unescaped(text: str, message: Message) -> str:
    """A value as it was before it was escaped. What is no known escape stays as it is."""
    by = message.delimiters
    first, *rest = text.split(by.escape)
    parts, inside = [first], True
    for number, part in enumerate(rest, 1):
        if not inside:
            parts.append(part)
            inside = True
        elif number == len(rest) or (known := _meaning(part, message)) is None:
            parts.append(by.escape + part)  # a lone one
        else:
            parts.append(known)
            inside = False
    return "".join(parts)


def _meaning(code: str, message: Message) -> str | None:
    by = message.delimiters
    known = {"F": by.field, "S": by.component, "R": by.repetition, "E": by.escape, "T": by.sub, ".br": "\n"}
    if code in known:
        return known[code]
    if code in {"H", "N"}:  # highlighting begins, ends
        return ""
    if code[:1] == "X" and len(code) > 1:
        try:
            return bytes.fromhex(code[1:]).decode(message.encoding)
        except ValueError:
            return None
    return None


def escaped(text: str, by: Delimiters = STANDARD) -> str:
    """A text as the value of a field. Ends of lines become \\.br\\, other control characters \\Xdd\\."""
    codes = {by.escape: "E", by.field: "F", by.component: "S", by.repetition: "R", by.sub: "T"}

    def code(found: re.Match[str]) -> str:
        if found[0] in {"\r\n", "\n", "\r"}:
            return f"{by.escape}.br{by.escape}"
        return f"{by.escape}{codes.get(found[0], f'X{ord(found[0]):02X}')}{by.escape}"

    return re.sub(rf"\r\n|[\x00-\x1f{re.escape(''.join(codes))}]", code, text)
