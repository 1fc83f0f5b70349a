"""A FHIR resource with places for an event's fields, as a contract writes it.

``{field}`` alone is the field's value with its type, in a text it is put in: ``{tanggal}T{jam}:00+07:00``. ``{$id}``
and its like are the event's own. An element whose fields are empty is left out, with what only belongs to it: in
``{ system = "…", value = "{nik}" }`` the whole identifier.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from bus.errors import ConfigError, Rejected

Codes = Mapping[str, Mapping[str, str]]
Values = Mapping[str, Any]

_PLACE = re.compile(r"\{([A-Za-z_$][\w.$]*)\}")
_SPECIAL = re.compile(r"([\\,|$])")  # in a value that is searched for: FHIR R4 search, 3.1.1.4
_NOTHING = object()  # an element that is left out


def fields_in(document: Any) -> frozenset[str]:
    """The names of all places in a template."""
    return frozenset(name for text in _texts(document) for name in _PLACE.findall(text))


def is_conditional(reference: object) -> bool:
    """Whether a reference is a search (``Patient?identifier=…``), FHIR R4 http, 3.1.0.11.2."""
    return isinstance(reference, str) and "?" in reference.partition("/")[0]


class ResourceTemplate:
    """A resource, or part of one. Raises Rejected for a value that has no code, ConfigError for an unknown field."""

    def __init__(self, document: Mapping[str, Any], codes: Codes, where: str) -> None:
        self._document, self._codes, self._where = document, codes, where

    def filled(self, values: Values) -> dict[str, Any]:
        """The resource of an event."""
        names = {name: self._filled(value, values, name) for name, value in self._document.items()}
        return {name: value for name, value in names.items() if value is not _NOTHING}

    def token(self, text: str, values: Values) -> tuple[str, str]:
        """System and value of an identifier, written ``system|{field}``. Raises Rejected where the value is empty."""
        system, _, value = text.partition("|")
        filled = self._text(value, values, str)
        if filled is _NOTHING or not filled:
            empty = ", ".join(sorted(_PLACE.findall(value)))
            raise Rejected(f"kolom {empty}: kosong, padahal menjadi pengenal", where=self._where)
        return system, str(filled)

    def _filled(self, part: Any, values: Values, name: str) -> Any:
        if isinstance(part, str):
            is_search = name == "reference" and is_conditional(part)
            return self._text(part, values, _searched if is_search else str)
        if isinstance(part, Mapping):
            inner = {key: self._filled(each, values, key) for key, each in part.items()}
            left = {key: value for key, value in inner.items() if value is not _NOTHING}
            return left if _stands(part, left) else _NOTHING
        if isinstance(part, list | tuple):
            numbered = {number: self._filled(each, values, name) for number, each in enumerate(part)}
            left = {number: value for number, value in numbered.items() if value is not _NOTHING}
            return list(left.values()) if _stands(dict(enumerate(part)), left) else _NOTHING
        return part

    def _text(self, text: str, values: Values, written: Callable[[str], str]) -> Any:
        names = _PLACE.findall(text)
        found = {name: self._value(name, values) for name in names}
        if any(value is None for value in found.values()):
            return _NOTHING
        if len(names) == 1 and text == f"{{{names[0]}}}":
            return found[names[0]]
        return _PLACE.sub(lambda place: written(str(found[place[1]])), text)

    def _value(self, name: str, values: Values) -> Any:
        """A field as FHIR's JSON has it."""
        if name not in values:
            raise ConfigError(f"`resource` names {name}, which is not in `fields`", where=self._where)
        value = _plain(values[name])
        if value is None or name not in self._codes:
            return value
        code = self._codes[name].get(str(value))
        if code is None:
            raise Rejected(f"kolom {name}: nilainya tidak ada di `codes`", where=self._where)
        return code


def _stands(part: Mapping[Any, Any], left: Mapping[Any, Any]) -> bool:
    """Whether an element has what it is for: without places itself, with places one that is filled."""
    placed = [key for key, value in part.items() if fields_in(value)]
    return bool(left) and (not placed or any(key in left for key in placed))


def escaped(value: str) -> str:
    """A value as a search has it."""
    return _SPECIAL.sub(r"\\\1", value)


def _searched(value: str) -> str:
    return quote(escaped(value), safe="")


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _texts(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, Mapping):
        for value in document.values():
            yield from _texts(value)
    elif isinstance(document, list | tuple):
        for value in document:
            yield from _texts(value)
