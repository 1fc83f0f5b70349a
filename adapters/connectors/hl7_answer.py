"""Acknowledgements: what the header of a message says, and the answer to it. HL7 v2.5, 2.9.2 and 2.15.

Headers are read as bytes, so that a message in a wrong character set is answered too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from itertools import count
from secrets import token_hex

LONGEST_TEXT = 80  #: characters of MSA-3
UNKNOWN = b"MSH|^~\\&"  #: how something without a header is answered
_HEAD = re.compile(rb"MSH([^\w\s])(?:(?!\1)[^\w\s]){4,5}(?:\1|[\r\n]|$)")
_TRIGGER_ONLY = frozenset(("2.1", "2.2", "2.3"))  #: MSH-9 has no third component yet

_run, _numbers = token_hex(3), count(1)


class Fault(Enum):
    """Table 0357, message error condition codes, of which these are used."""

    REQUIRED = "101^Required field missing"
    DATA = "102^Data type error"
    TYPE = "200^Unsupported message type"
    PROCESSING = "202^Unsupported processing id"
    VERSION = "203^Unsupported version id"
    APPLICATION = "207^Application internal error"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a message. ``code`` is A (accepted), E (its content is refused) or R (it is none that is
    taken)."""

    code: str
    fault: Fault | None = None
    reason: str = ""  #: in a clerk's words, without values


ACCEPTED = Outcome("A")


class Header:
    """The fields of an MSH segment, by number."""

    __slots__ = ("_fields", "known", "separator")

    def __init__(self, message: bytes) -> None:
        """Of something without a readable header all fields are empty."""
        self.known = _HEAD.match(message) is not None
        line = re.split(rb"[\r\n]", message, maxsplit=1)[0] if self.known else UNKNOWN
        self.separator = line[3:4]
        self._fields = line.split(self.separator)

    def field(self, number: int) -> bytes:
        """MSH-<number>, from 2 on."""
        return self._fields[number - 1] if number <= len(self._fields) else b""

    def text(self, number: int, component: int = 1) -> str:
        """A component of MSH-<number>'s first repetition."""
        parts = self.field(number).split(self.field(2)[1:2])[0].split(self.field(2)[:1])
        return parts[component - 1].decode("ascii", "replace").strip() if component <= len(parts) else ""

    @property
    def type(self) -> str:
        """Message and trigger: ADT^A01."""
        trigger = self.text(9, 2)
        return f"{self.text(9)}^{trigger}" if trigger else self.text(9)


def answer(header: Header, outcome: Outcome, now: datetime, encoding: str) -> bytes:
    """The acknowledgement of a message, without its frame.

    In the original mode (AA, AE, AR), and in the enhanced one (CA, CE, CR) where the sender asks for that and for no
    answer of the application.
    """
    by, parts = header.separator, header.field(2)
    version, trigger = header.text(12) or "2.5", header.text(9, 2)
    kinds = ["ACK", trigger, *([] if version in _TRIGGER_ONLY else ["ACK"])] if trigger else ["ACK"]
    enhanced = header.text(15) in {"AL", "ER", "SU"} and header.text(16) == "NE"
    reason = outcome.reason.encode(encoding, "replace").translate(None, by + parts + b"\r\n\v\x1c")
    number = f"{_run}{next(_numbers)}".encode()
    head = [b"MSH", parts, header.field(5), header.field(6), header.field(3), header.field(4)]
    head += [f"{now:%Y%m%d%H%M%S%z}".encode(), b"", parts[:1].join(kind.encode() for kind in kinds), number]
    head += [header.field(11) or b"P", header.field(12) or b"2.5", b"", b"", b"", b"", b"", header.field(18)]
    segments = [
        by.join(head).rstrip(by),
        by.join(
            (b"MSA", f"{'C' if enhanced else 'A'}{outcome.code}".encode(), header.field(10), reason[:LONGEST_TEXT])
        ).rstrip(by),
    ]
    if outcome.fault:
        segments.append(_error(header, outcome.fault, reason, version))
    return b"\r".join((*segments, b""))


def _error(header: Header, fault: Fault, reason: bytes, version: str) -> bytes:
    """The ERR segment: since 2.5 with a code, a severity and a text, before with the code in ERR-1.4."""
    by, parts = header.separator, header.field(2)
    code = fault.value.encode().replace(b"^", parts[:1])
    if version < "2.5":
        return by.join((b"ERR", parts[:1] * 3 + code.replace(parts[:1], parts[3:4]) + parts[3:4] + b"HL70357"))
    return by.join((b"ERR", b"", b"", code + parts[:1] + b"HL70357", b"E", b"", b"", b"", reason))
