"""A record's key as text, the same in every process and on every technology, and what a clerk is told to look for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import filterfalse
from typing import Any
from unicodedata import combining, normalize

SMALL = 10**9  #: row numbers are smaller, identifiers of persons larger


def text_of(value: Any) -> str:
    """A value's one text form: ``12.5`` (never ``12.50``), ISO 8601, hexadecimal bytes; NULL is empty."""
    kind = type(value)
    return value if kind is str else str(value) if kind is int else _text_of_other(value)


def _text_of_other(value: Any) -> str:  # noqa: PLR0911 - one line per type
    match value:
        case str():
            return str(value.value) if isinstance(value, Enum) else value
        case bool():
            return "1" if value else "0"
        case int():
            return str(value)
        case None:
            return ""
        case Decimal() if value.is_finite():
            return f"{value.normalize():f}" if value else "0"
        case float() if value.is_integer():
            return str(int(value))
        case date() | time():
            return value.isoformat()
        case timedelta():
            return repr(value.total_seconds())
        case bytes():
            return value.hex()
    return str(value)


def key_of(values: Sequence[Any]) -> str:
    """A record's key as text: a single column's text itself, of several columns a JSON list of texts."""
    if len(values) == 1:
        return text_of(values[0])
    return json.dumps([text_of(value) for value in values], ensure_ascii=False, separators=(",", ":"))


def folded(texts: Sequence[str]) -> tuple[str, ...]:
    """A key's texts without what a database may overlook when it compares: case, accents, blanks at the end."""
    return tuple(
        text.casefold().rstrip() if text.isascii() else "".join(filterfalse(combining, _apart(text))).rstrip()
        for text in texts
    )


def _apart(text: str) -> str:
    """Letters and their accents apart."""
    return normalize("NFKD", text.casefold())


def place_of(columns: Sequence[str], values: Sequence[Any]) -> str:
    """What a clerk looks for, ``id 4711``: the key where it is a row's number, nothing where it may identify a person.

    Identifiers of persons have ten digits (NISN) and more, or are texts.
    """
    for value in values:
        if not isinstance(value, int) or not 0 <= value < SMALL:
            return ""
    if len(values) == 1:  # most keys are
        return f"{columns[0]} {values[0]}"
    return ", ".join([f"{name} {value}" for name, value in zip(columns, values, strict=True)])


def parts_of(key: str, columns: int) -> list[str] | None:
    """The texts of a key's columns; None for a text that is no such key."""
    if columns == 1:
        return [key]
    try:
        parts = json.loads(key)
    except ValueError:
        return None
    return parts if isinstance(parts, list) and len(parts) == columns else None
