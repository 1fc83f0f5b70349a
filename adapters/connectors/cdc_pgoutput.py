"""Decodes PostgreSQL's ``pgoutput`` (protocol version 1): what a logical replication stream says of each change.

Values come as the text that PostgreSQL writes; those of columns that nobody asked for are skipped unread. Layouts:
PostgreSQL's documentation, "Logical Replication Message Formats".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from struct import Struct
from typing import Any
from uuid import UUID

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
BEGIN, COMMIT, RELATION, INSERT, UPDATE, DELETE = b"BCRIUD"
NEW, KEY, OLD = b"NKO"
TEXT, UNCHANGED = b"tu"  #: of a value; the third kind is NULL
BPCHAR, BOOL = 1042, 16
NUMERIC = frozenset({20, 21, 23, 26, 1700})  #: types that compare as numbers

_begin = Struct("!QqI").unpack_from
_int = Struct("!I").unpack_from
_short = Struct("!H").unpack_from
_column = Struct("!II").unpack_from

Convert = Callable[[str], Any]
Wanted = tuple[tuple[str, Convert | None] | None, ...]  #: per column: its name and converter, None: skipped


def _or_text(convert: Convert) -> Convert:
    """What Python has no value for (``infinity``, years BC) stays text, and the event's schema decides."""

    def converted(text: str) -> Any:
        try:
            return convert(text)
        except ValueError:
            return text

    return converted


_CONVERTERS: dict[int, Convert] = {
    BOOL: lambda text: text in {"t", "true"},
    17: lambda text: bytes.fromhex(text[2:]),
    **dict.fromkeys((20, 21, 23, 26), int),
    **dict.fromkeys((700, 701), float),
    1082: _or_text(date.fromisoformat),
    1083: _or_text(time.fromisoformat),
    **dict.fromkeys((1114, 1184), _or_text(datetime.fromisoformat)),
    1700: Decimal,
    2950: UUID,
}


class Unchanged:
    """Stands for a large value that an update left as it was: it is not in the log."""


UNCHANGED_VALUE = Unchanged()


@dataclass(frozen=True, slots=True)
class Transaction:
    """The begin of a transaction."""

    lsn: int  #: where its commit stands in the log: orders transactions
    xid: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as the stream described it last."""

    schema: str
    table: str
    columns: tuple[str, ...]
    types: tuple[int, ...]
    wanted: Wanted = ()
    to_the_last: Wanted = ()  #: the same up to the last column that is read: a table may have many more

    def wanting(self, names: tuple[str, ...], *, converted: bool = True) -> Relation:
        """The same with the columns to read, as values or as the texts that they come as."""
        wanted = tuple(
            (column, _CONVERTERS.get(kind) if converted else None) if column in names else None
            for column, kind in zip(self.columns, self.types, strict=True)
        )
        last = max((number for number, each in enumerate(wanted, 1) if each), default=0)
        return replace(self, wanted=wanted, to_the_last=wanted[:last])


def begin(data: bytes) -> Transaction:
    """A message ``B``."""
    lsn, microseconds, xid = _begin(data, 1)
    return Transaction(lsn, xid, EPOCH + timedelta(microseconds=microseconds))


def relation(data: bytes) -> tuple[int, Relation]:
    """A message ``R``: the relation's id and what it is."""
    (number,) = _int(data, 1)
    schema, table, rest = data[5:].split(b"\0", 2)
    (count,) = _short(rest, 1)
    columns, types, at = [], [], 3
    for _ in range(count):
        end = rest.index(b"\0", at + 1)
        columns.append(rest[at + 1 : end].decode())
        types.append(_column(rest, end + 1)[0])
        at = end + 9
    return number, Relation(schema.decode() or "pg_catalog", table.decode(), tuple(columns), tuple(types))


def number_of(data: bytes) -> int:
    """The relation's id of a message ``I``, ``U`` or ``D``."""
    number: int = _int(data, 1)[0]
    return number


def change(data: bytes, of: Relation) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The old row (as far as the replica identity has it) and the new one of a message ``I``, ``U`` or ``D``."""
    old, at = None, 5
    if data[at] != NEW:
        whole = data[at] == OLD
        old, at = _row(data, at + 1, of.wanted, whole=whole)
        if data[0] == DELETE:
            return old, None
    new, _ = _row(data, at + 1, of.to_the_last, whole=True)
    return old, new


def _row(data: bytes, at: int, columns: Wanted, *, whole: bool) -> tuple[dict[str, Any], int]:
    """These columns of a row, which begins at ``at``, and where the last of them ends. Of a key alone the others come
    as NULL: they are left out.
    """
    row: dict[str, Any] = {}
    at += 2
    for wanted in columns:
        kind = data[at]
        if kind == TEXT:
            start = at + 5
            at = start + _int(data, at + 1)[0]
            if wanted:
                name, convert = wanted
                text = data[start:at].decode()
                row[name] = convert(text) if convert else text
            continue
        at += 1
        if kind == UNCHANGED:
            if wanted:
                row[wanted[0]] = UNCHANGED_VALUE
        elif wanted and whole:
            row[wanted[0]] = None
    return row, at


def converter(kind: int) -> Convert | None:
    """How a type's text becomes a value; None: it stays text."""
    return _CONVERTERS.get(kind)
