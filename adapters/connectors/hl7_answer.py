"""Acknowledgements: what the header of a message says, and the answer to it. HL7 v2.5, 2.9.2 and 2.15.

Headers are read as bytes, so that a message in a wrong character set is answered too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import Enum
from functools import lru_cache
from itertools import count
from secrets import token_hex

LONGEST_TEXT = 80  #: characters of MSA-3
UNKNOWN = b"MSH|^~\\&"  #: how something without a header is answered
SHAPES = 1_000  #: kinds of headers that are remembered

_HEAD = re.compile(rb"MSH([^\w\s])(?:(?!\1)[^\w\s]){4,5}(?:\1|[\r\n]|$)")
_LINE_END = re.compile(rb"[\r\n]")
_LAST = 18  #: MSH-18 is the last that counts
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


@dataclass(frozen=True, slots=True)
class Shape:
    """What the headers of a sender's messages have in common."""

    type: str  #: message and trigger: ADT^A01
    version: str
    processing: str
    charset: str
    enhanced: bool  #: the sender asks to hear that it is stored, and nothing of the application
    answered: bytes  #: MSH-9 of an answer


class Header:
    """The fields of an MSH segment, by number."""

    __slots__ = ("fields", "known", "separator", "shape")

    def __init__(self, message: bytes) -> None:
        """Of something without a readable header all fields are empty."""
        self.known = _HEAD.match(message) is not None
        end = message.find(b"\r") if self.known else 0
        line = message[:end] if end > 0 else _LINE_END.split(message, maxsplit=1)[0] if self.known else UNKNOWN
        self.separator = line[3:4]
        #: MSH-<number> is at its number minus one
        self.fields = fields = line.split(self.separator)
        if (missing := _LAST - len(fields)) > 0:
            fields.extend((b"",) * missing)
        self.shape = _shape(fields[1], fields[8], fields[10], fields[11], fields[14], fields[15], fields[17])


@lru_cache(SHAPES)
def _shape(parts: bytes, *fields: bytes) -> Shape:
    def text(field: bytes, component: int = 1) -> str:
        found = field.split(parts[1:2])[0].split(parts[:1])
        return found[component - 1].decode("ascii", "replace").strip() if component <= len(found) else ""

    kind, processing, version, accept, application, charset = fields
    trigger = text(kind, 2)
    answered = ["ACK", trigger, *([] if text(version) in _TRIGGER_ONLY else ["ACK"])] if trigger else ["ACK"]
    return Shape(
        type=f"{text(kind)}^{trigger}" if trigger else text(kind),
        version=text(version),
        processing=text(processing),
        charset=text(charset),
        enhanced=text(accept) in {"AL", "ER", "SU"} and text(application) == "NE",
        answered=parts[:1].join(each.encode("ascii", "replace") for each in answered),
    )


@lru_cache(1)
def stamp(now: int, timezone: tzinfo) -> bytes:
    """MSH-7 of an answer: Unix seconds as a time stamp. All answers of a second have the same."""
    return f"{datetime.fromtimestamp(now, timezone):%Y%m%d%H%M%S%z}".encode()


def answer(header: Header, outcome: Outcome, stamped: bytes, encoding: str) -> bytes:
    """The acknowledgement of a message, without its frame; ``stamped`` is its time.

    In the original mode (AA, AE, AR), and in the enhanced one (CA, CE, CR) where the sender asks for that and for no
    answer of the application.
    """
    by, fields, shape = header.separator, header.fields, header.shape
    reason = b""
    if outcome.reason:
        reason = outcome.reason.encode(encoding, "replace").translate(None, by + fields[1] + b"\r\n\v\x1c")
    head = [b"MSH", fields[1], fields[4], fields[5], fields[2], fields[3], stamped, b"", shape.answered]
    head += [f"{_run}{next(_numbers)}".encode(), fields[10] or b"P", fields[11] or b"2.5"]
    if fields[17]:
        head += [b"", b"", b"", b"", b"", fields[17]]
    code = f"{'C' if shape.enhanced else 'A'}{outcome.code}".encode()
    verdict = [b"MSA", code, fields[9], *([reason[:LONGEST_TEXT]] if reason else [])]
    segments = [by.join(head), by.join(verdict)]
    if outcome.fault:
        segments.append(_error(header, outcome.fault, reason))
    return b"\r".join((*segments, b""))


def _error(header: Header, fault: Fault, reason: bytes) -> bytes:
    """The ERR segment: since 2.5 with a code, a severity and a text, before with the code in ERR-1.4."""
    by, parts = header.separator, header.fields[1]
    code = fault.value.encode().replace(b"^", parts[:1])
    if "" < header.shape.version < "2.5":
        return by.join((b"ERR", parts[:1] * 3 + code.replace(parts[:1], parts[3:4]) + parts[3:4] + b"HL70357"))
    return by.join((b"ERR", b"", b"", code + parts[:1] + b"HL70357", b"E", b"", b"", b"", reason))
