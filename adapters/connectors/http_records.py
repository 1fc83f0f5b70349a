"""From an application's JSON to records. What is nested has a dotted name: ``pasien.nik``; lists stay what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from itertools import islice
from typing import Any

from adapters.connectors.keys import key_of, parts_of, place_of, text_of
from adapters.connectors.watermark import moment
from bus.errors import ConfigError
from bus.ports import Record, SourceState

DEEPEST = 16  #: levels that are taken apart
REMEMBERED = 20_000  #: records whose last content is kept in memory, some 200 bytes each


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


def put(document: dict[str, Any], path: str, value: Any, where: str) -> None:
    """Puts a value at a dotted path. Raises ConfigError where that lies within a value."""
    *folders, name = path.split(".")
    for folder in folders:
        document = document.setdefault(folder, {})
        if not isinstance(document, dict):
            raise ConfigError(f"{path} lies within a value", where=where)
    document[name] = value


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
        values = [data.get(name) for name in self.key]
        if missing := [name for name, value in zip(self.key, values, strict=True) if not _text(value)]:
            fault = f"kolom kunci kosong: {', '.join(missing)}"
            return Record(key or _digest(item), data, version, fault=fault)
        mark = data.get(self.watermark) if self.watermark else None
        return Record(
            key_of(values) if values else key,
            data,
            version,
            mark=_text(mark),
            place=place_of(self.key, values),
            at=moment(mark, self.zone) if isinstance(mark, str) and "-" in mark else None,
        )

    def parts(self, key: str) -> dict[str, str]:
        """The values of a record's key by name."""
        return dict(zip(self.key, parts_of(key, len(self.key)) or (), strict=True))


class Recent:
    """What was stored of late, so that it can be left out where it comes again unchanged; and what is to be stored."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}  # by key, oldest first
        self._at_hand: Sequence[Record] = ()
        self._read = datetime.now(UTC)

    def fresh(self, records: Iterable[Record]) -> list[Record]:
        """The records that are not known as they are: they are at hand until they are stored."""
        fresh = [record for record in records if self._contents.get(record.key) != content(record)]
        self._at_hand, self._read = fresh, datetime.now(UTC)
        return fresh

    def state(self, position: str) -> SourceState:
        """How a source stands that knows no more of what waits than the page that it has got. Records without a time
        wait since they were read.
        """
        oldest = min((record.at or self._read for record in self._at_hand), default=None)
        return SourceState(position, len(self._at_hand), oldest, or_more=bool(self._at_hand))

    def remember(self, records: Iterable[Record]) -> None:
        """They are stored."""
        self._at_hand = ()
        for record in records:
            self._contents.pop(record.key, None)
            self._contents[record.key] = content(record)
        for key in list(islice(self._contents, max(0, len(self._contents) - REMEMBERED))):
            del self._contents[key]

    def clear(self) -> None:
        """Forgets everything."""
        self._contents.clear()
        self._at_hand = ()


def content(record: Record) -> bytes:
    """A digest of a record's values."""
    return hashlib.blake2b(repr(sorted(record.data.items())).encode(errors="surrogateescape"), digest_size=12).digest()


def _text(value: Any) -> str:
    """A scalar's text; "" for what is none."""
    return text_of(value) if isinstance(value, str | int | Decimal) else ""


def _digest(item: Any) -> str:
    """A name for what has none: its content."""
    text = json.dumps(item, sort_keys=True, default=str).encode(errors="surrogateescape")
    return f"isi {hashlib.blake2b(text, digest_size=12).hexdigest()}"
