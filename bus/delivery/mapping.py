"""From records to events: the ``match`` and ``map`` of a contract's ``[[publish]]`` tables, or a function of its
mapping.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from bus.contracts import Contract, Publish
from bus.contracts.mapping_module import load_function
from bus.delivery.drafting import Draft, Drafting
from bus.delivery.ledger import Told
from bus.delivery.withdrawing import Withdrawing
from bus.envelope import Event
from bus.errors import ConfigError, ContractError, frames
from bus.events import Catalogue, EventType, reasons
from bus.ports import DELETE, OPERATION, PREVIOUS, Record

log = structlog.get_logger(__name__)

MapFunction = Callable[[Mapping[str, Any]], Mapping[str, Any] | BaseModel | None]


class Mapper:
    """Maps the records of one source."""

    def __init__(self, contract: Contract, source: str, catalogue: Catalogue, drafting: Drafting) -> None:
        self._entries = [
            _Entry.of(entry, contract, catalogue, drafting) for entry in contract.publish if entry.source == source
        ]
        self.withdrawing = Withdrawing([entry.kind for entry in self._entries], drafting)
        self.compares = any(entry.changes for entry in self._entries)  #: some of the content makes no new event
        self._drafting = drafting

    def map(self, record: Record, told: Mapping[str, Told]) -> list[Draft]:
        """The events that a record becomes; none where no entry matches.

        ``told`` has this record's earlier events by type. Raises ContractError with a clerk's words.
        """
        if record.fault:
            raise ContractError(record.fault)
        return [draft for entry in self._entries if (draft := entry.map(record.data, told)) is not None]

    def event(self, draft: Draft, source: str, key: str, version: str, time: str) -> Event:
        """The event of a draft: ``key`` and ``version`` are the record's, ``time`` is RFC 3339."""
        return self._drafting.event(draft, source, key, version, time)

    def columns(self, record: Record) -> dict[str, Any]:
        """The columns that the contract names, for a dead letter; all of them where a function of mapping.py maps it,
        of which nobody says what it reads.
        """
        if not all(entry.named for entry in self._entries):
            return dict(record.data)
        named = {column for entry in self._entries for column in entry.named}
        return {name: value for name, value in record.data.items() if name in named}


class _Entry:
    """One ``[[publish]]`` table, ready to map."""

    def __init__(
        self, entry: Publish, kind: EventType, function: MapFunction, columns: Mapping[str, str], drafting: Drafting
    ) -> None:
        self.kind, self.changes = kind, entry.changes
        self.named = frozenset(columns.values()) | frozenset(entry.match) if columns else frozenset()  #: none: all
        self._match = {name: str(value) for name, value in entry.match.items()}
        self._tells_deletes = not columns or OPERATION in self.named
        self._function = function
        self._validate = kind.model.__pydantic_validator__.validate_python  # without the method's own bookkeeping
        self._columns = columns
        self._drafting = drafting

    @classmethod
    def of(cls, entry: Publish, contract: Contract, catalogue: Catalogue, drafting: Drafting) -> _Entry:
        try:
            kind = catalogue[str(entry.event)]
        except KeyError:
            raise ConfigError(
                f"unknown event type {entry.event}", where=str(contract.path), hint="`bus check` lists what is near"
            ) from None
        if isinstance(entry.map, str):
            return cls(entry, kind, load_function(contract, entry.map), {}, drafting)
        return cls(entry, kind, _renaming(entry.map), entry.map, drafting)

    def map(self, row: Mapping[str, Any], told: Mapping[str, Told]) -> Draft | None:
        for name, wanted in self._match.items():
            if name not in row or str(row[name]) != wanted:
                return None
        # That a record is gone is another event than what it was: only who asks what was done to it is told.
        if not self._tells_deletes and row.get(OPERATION) == DELETE:
            return None
        try:
            data = self._function(self._with_previous(row, told) if self.kind.corrects else row)
            if data is None:
                return None
            if self._columns or not isinstance(data, BaseModel):  # a model's own check takes as long as two fields
                data = self._validate(data, extra="forbid")
        except ContractError:
            raise
        except ValidationError as error:
            raise ContractError("; ".join(self._of_column(*fault) for fault in reasons(error))) from None
        except KeyError as error:
            raise ContractError(f"kolom {error.args[0]}: tidak ada di sumber") from None
        except Exception as error:
            # A fault of mapping.py concerns this record; its text may hold values.
            log.debug("mapping failed", error=type(error).__name__, frames=frames(error))
            raise ContractError(f"pemetaan gagal ({type(error).__name__})") from error
        draft = self._drafting.draft(self.kind, data)
        return draft._replace(content=_part(data, self.changes)) if self.changes else draft

    def _of_column(self, field: str, text: str) -> str:
        """A fault in the words of the source: by the name of its column."""
        return f"kolom {self._columns.get(field, field)}: {text}" if field else text

    def _with_previous(self, row: Mapping[str, Any], told: Mapping[str, Told]) -> Mapping[str, Any]:
        earlier = told.get(str(self.kind.corrects))
        # A function decides for itself: rows of persons who never died are no corrections.
        if earlier is None and self._columns:
            raise ContractError("tidak ada peristiwa terkirim yang dapat dibatalkan")
        return {**row, PREVIOUS: earlier and earlier.id}


def _part(data: BaseModel, fields: frozenset[str]) -> bytes:
    """The content of some fields."""
    return data.__pydantic_serializer__.to_json(data, include=set(fields), exclude_none=True)


def _renaming(names: Mapping[str, str]) -> MapFunction:
    pairs = tuple(names.items())
    return lambda row: {field: row[column] for field, column in pairs}


def content_of(drafts: Sequence[Draft]) -> bytes:
    """A digest of what a record became: the same content is no change."""
    digest = hashlib.blake2b(digest_size=8)
    for draft in drafts:
        digest.update(f"{draft.type.label}\0".encode())
        digest.update(draft.content or draft.body)
    return digest.digest()


def content_of_columns(columns: Mapping[str, Any]) -> bytes:
    """A digest of a rejected record: the same fault is reported once."""
    parts: Iterator[str] = (f"{name}\0{value!r}\0" for name, value in sorted(columns.items()))
    return hashlib.blake2b("".join(parts).encode(errors="surrogatepass"), digest_size=8).digest()
