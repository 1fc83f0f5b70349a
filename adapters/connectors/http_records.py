"""From an application's JSON to records. What is nested has a dotted name: ``pasien.nik``; lists stay what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from typing import Any

from adapters.connectors.sql_watermark import moment
from bus.errors import ConfigError
from bus.ports import Record

DEEPEST = 16  #: levels that are taken apart
SMALL = 10**9  #: row numbers are smaller, identifiers of persons larger


def found(document: Any, path: str) -> Any:
    """What stands at a dotted path; None where there is nothing. The empty path is the document."""
    for name in filter(None, path.split(".")):
        if not isinstance(document, Mapping):
            return None
        document = document.get(name)
    return document


def items(document: Any, path: str, where: str) -> list[Any]:
    """The list at a path; a single object is a list of one. Raises ConfigError where there is neither."""
    at = found(document, path)
    if isinstance(at, list):
        return at
    if isinstance(at, Mapping):
        return [at]
    raise ConfigError(
        f"there are no records at {path or 'its top'}", where=where, hint="set `records` to the path of the list"
    )


def flat(item: Mapping[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """An object's values under dotted names."""
    columns: dict[str, Any] = {}
    for name, value in item.items():
        if isinstance(value, Mapping) and value and depth < DEEPEST:
            columns |= flat(value, f"{prefix}{name}.", depth + 1)
        else:
            columns[f"{prefix}{name}"] = value
    return columns


@dataclass(frozen=True, slots=True)
class Shape:
    """What an application's records look like."""

    key: tuple[str, ...]
    watermark: str | None
    optional: tuple[str, ...]  #: names that may be missing: they are None then
    zone: tzinfo

    def record(self, item: Any, *, key: str = "", version: str | None = None) -> Record:
        """One record; ``key`` is that of a record without one of its own. What it lacks is told in its fault."""
        if not isinstance(item, Mapping):
            return Record(key or _digest(item), {}, version, fault="bukan objek JSON")
        data = dict.fromkeys(self.optional) | flat(item)
        values = [_text(data.get(name)) for name in self.key]
        if missing := [name for name, value in zip(self.key, values, strict=True) if not value]:
            fault = f"kolom kunci kosong: {', '.join(missing)}"
            return Record(key or _digest(item), data, version, fault=fault)
        mark = data.get(self.watermark) if self.watermark else None
        return Record(
            _key(values) if values else key,
            data,
            version,
            mark=_text(mark),
            place=self._place(data),
            at=moment(mark, self.zone) if isinstance(mark, str) and "-" in mark else None,
        )

    def _place(self, data: Mapping[str, Any]) -> str:
        """What a clerk looks for: the key where it is a row's number; nothing where it may identify a person."""
        values = [data[name] for name in self.key]
        if not all(isinstance(value, int) and 0 <= value < SMALL for value in values):
            return ""
        return ", ".join(f"{name} {value}" for name, value in zip(self.key, values, strict=True))

    def parts(self, key: str) -> dict[str, str]:
        """The values of a record's key by name."""
        values = [key] if len(self.key) == 1 else json.loads(key)
        return dict(zip(self.key, values, strict=True))


def content(record: Record) -> bytes:
    """A digest of a record's values."""
    return hashlib.blake2b(repr(sorted(record.data.items())).encode(errors="surrogateescape"), digest_size=12).digest()


def _key(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _text(value: Any) -> str:
    """A scalar's one text form; "" for what is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value.is_finite() else ""
    return str(value) if isinstance(value, str | int) else ""


def _digest(item: Any) -> str:
    """A name for what has none: its content."""
    text = json.dumps(item, sort_keys=True, default=str).encode(errors="surrogateescape")
    return f"isi {hashlib.blake2b(text, digest_size=12).hexdigest()}"
