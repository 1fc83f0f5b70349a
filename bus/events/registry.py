"""The registry of event types. The bus knows none by itself: they come from the entry point group ``bus.events``."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import entry_points
from typing import Literal, Self

from pydantic import BaseModel

from bus.errors import ConfigError
from bus.subjects import EventName

FORBIDDEN = frozenset(
    ("cacat", "cacat_id", "disabilitas", "iris", "penyandang_cacat", "sidik_jari", "tanda_tangan", "ttd")
)
"""Columns and fields that never go into a payload: UU 24/2013 art. 84 (disability, fingerprint, iris, signature)."""

WITHDRAWS_FIELD, REASON_FIELD = "membatalkan", "alasan"  #: of every correction, beside its key
TOKEN_LENGTH = 16  #: base32 characters of a key token: 80 bits

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _BASE32 for second in _BASE32]  # ten bits are two characters
_BLOCK = hashlib.sha256().block_size


def _no_warnings(_data: BaseModel) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class EventType:
    """One event type: its data model and what the bus must know about it."""

    name: EventName
    model: type[BaseModel]
    kind: Literal["state", "fact"]  #: state: the whole entity, the latest counts; fact: every one counts
    key: str  #: the field that holds the entity's business key
    entity: str  #: what kind of key it is ("nik", "nop"): the same kind and value give the same token everywhere
    walidata: tuple[str, ...]  #: the OPDs that may publish it (Perpres 39/2019 art. 1: walidata)
    schema_version: str = "1.0"  #: of the published JSON Schema; its first number is the name's major
    parties: Mapping[str, str] = field(default_factory=dict)  #: fields that name others concerned -> kind of key
    corrects: EventName | None = None  #: the type that an event of this type withdraws
    example: Mapping[str, object] = field(default_factory=dict)  #: data that validates, with invented values
    warnings: Callable[[BaseModel], tuple[str, ...]] = _no_warnings  #: codes of what looks odd and is no error

    @cached_property
    def label(self) -> str:
        """The name as text."""
        return str(self.name)

    @cached_property
    def ce_type(self) -> str:
        """The CloudEvents ``type`` of its events."""
        return self.name.ce_type

    @cached_property
    def dataschema(self) -> str:
        """The URI of the published JSON Schema, ``ce-dataschema``."""
        return f"urn:kediri:schema:{self.name}:{self.schema_version}"

    @property
    def fields(self) -> frozenset[str]:
        """All fields of the data."""
        return frozenset(self.model.model_fields)

    @cached_property
    def classification(self) -> Mapping[str, str]:
        """``umum``, ``pribadi`` or ``pribadi_spesifik`` of each field (UU 27/2022 art. 4)."""
        extras = {name: info.json_schema_extra for name, info in self.model.model_fields.items()}
        return {
            name: str(extra.get("x-klasifikasi", "")) if isinstance(extra, dict) else ""
            for name, extra in extras.items()
        }

    @property
    def required(self) -> frozenset[str]:
        """The fields that every event must have."""
        return frozenset(name for name, info in self.model.model_fields.items() if info.is_required())


class Catalogue(Mapping[str, EventType]):
    """All event types, by the short form of their names."""

    def __init__(self, types: Mapping[str, EventType]) -> None:
        self._types = dict(types)
        self._by_model = {each.model: each for each in types.values()}

    @classmethod
    def load(cls) -> Self:
        """Collects the event types of every installed module of the group ``bus.events``. Raises ConfigError."""
        types: dict[str, EventType] = {}
        for point in entry_points(group="bus.events"):
            for _, member in inspect.getmembers(point.load(), inspect.isclass):
                found = event_type_of(member)
                if found is None or types.get(str(found.name)) is found:
                    continue
                if str(found.name) in types:
                    raise ConfigError(f"event type {found.name} is declared twice", where=f"{member.__module__}")
                types[str(found.name)] = found
        return cls(types)

    def __getitem__(self, name: str) -> EventType:
        return self._types[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    def of_model(self, model: type[BaseModel]) -> EventType:
        """The event type of a data class. Raises ConfigError."""
        try:
            return self._by_model[model]
        except KeyError:
            raise ConfigError(
                f"{model.__name__} is not an event type",
                hint="declare it in schemas/ and list its module under bus.events",
            ) from None


def event_type_of(member: type) -> EventType | None:
    """The event type that a class declares itself to be, or None."""
    declared = member.__dict__.get("__event_type__")
    return declared if isinstance(declared, EventType) else None


class KeyTokens:
    """Computes key tokens: HMAC-SHA-256 over ``<kind>\\0<value>``, 16 base32 characters in lower case.

    Whoever holds the key can re-identify persons by trying identifiers: it never leaves the machines of the adapters.
    Each event has one or more: the key's two blocks are hashed once, as RFC 2104 section 4 advises, which the library's
    ``hmac`` does as well, but behind a copy that takes three times as long as the rest.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) > _BLOCK:
            key = hashlib.sha256(key).digest()
        padded = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(each ^ 0x36 for each in padded))
        self._outer = hashlib.sha256(bytes(each ^ 0x5C for each in padded))

    def __call__(self, entity: str, value: object) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(f"{entity}\0{value}".encode())
        outer.update(inner.digest())
        n, pairs = int.from_bytes(outer.digest()[:10]), _PAIRS
        return (
            f"{pairs[n >> 70]}{pairs[n >> 60 & 0x3FF]}{pairs[n >> 50 & 0x3FF]}{pairs[n >> 40 & 0x3FF]}"
            f"{pairs[n >> 30 & 0x3FF]}{pairs[n >> 20 & 0x3FF]}{pairs[n >> 10 & 0x3FF]}{pairs[n & 0x3FF]}"
        )
