"""How an event type is declared: a pydantic class, ``@event`` or ``@correction`` above it, each field described.

    @event("kependudukan.penduduk.meninggal.v1", kind="fact", key="nik", entity="nik", walidata=("dukcapil",))
    class PendudukMeninggal(EventData):
        '''Seorang penduduk meninggal dunia.'''

        contoh: ClassVar = {"nik": "3571010101800001", "tanggal_meninggal": "2026-01-31"}

        nik: Annotated[Nik, pribadi("NIK orang yang meninggal")]
        tanggal_meninggal: Annotated[Tanggal, pribadi("Tanggal meninggal")]

A class without a docstring or an example, a field without a description, a classification, or a unit or format, a key
that may be missing: all stop the import with a ConfigError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bus.errors import ConfigError
from bus.events import FORBIDDEN, REASON_FIELD, WITHDRAWS_FIELD, EventType, event_type_of, reason
from bus.subjects import EventName
from schemas.faults import Rule
from schemas.oddities import warnings_of
from schemas.types import IdPeristiwa, Teks

Data = TypeVar("Data", bound="EventData")
Classification = Literal["umum", "pribadi", "pribadi_spesifik"]

EXAMPLE_ID = "0123456789abcdef0123456789abcdef"
EXAMPLE_REASON = "Salah memilih orang saat mencatat"


def umum(description: str) -> Any:
    """A field that is no personal data."""
    return _field(description, "umum")


def pribadi(description: str) -> Any:
    """A field with general personal data (UU 27/2022 art. 4 (3)): name, sex, religion, what identifies a person."""
    return _field(description, "pribadi")


def pribadi_spesifik(description: str) -> Any:
    """A field with specific personal data (UU 27/2022 art. 4 (2)): health, children, personal finances."""
    return _field(description, "pribadi_spesifik")


def _field(description: str, classification: Classification) -> Any:
    return Field(description=description, json_schema_extra={"x-klasifikasi": classification})


class EventData(BaseModel):
    """The data of an event. Unknown fields are ignored on reading; writers validate with ``extra="forbid"``.

    Neither errors nor ``repr`` show values: they end up in logs.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    __event_type__: ClassVar[EventType]
    contoh: ClassVar[Mapping[str, object]]  #: an event that validates, with invented values

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(sorted(self.model_fields_set))})"

    __str__ = __repr__


class Pembatalan(EventData):
    """What every correction carries beside the key: which event it withdraws, and why."""

    membatalkan: Annotated[IdPeristiwa, umum("Id peristiwa (ce-id) yang dibatalkan")]
    alasan: Annotated[Teks, umum("Alasan pembatalan, tanpa data pribadi")]


def event(
    name: str,
    *,
    kind: Literal["state", "fact"],
    key: str,
    entity: str,
    walidata: tuple[str, ...],
    parties: Mapping[str, str] | None = None,
    schema_version: str = "1.0",
) -> Callable[[type[Data]], type[Data]]:
    """Declares an event type; see ``bus.events.EventType`` for the arguments. Raises ConfigError."""

    def declare(model: type[Data]) -> type[Data]:
        _declare(
            EventType(
                name=EventName.parse(name),
                model=model,
                kind=kind,
                key=key,
                entity=entity,
                walidata=walidata,
                schema_version=schema_version,
                parties=dict(parties or {}),
                example=getattr(model, "contoh", {}),
                warnings=warnings_of,
            )
        )
        return model

    return declare


def correction(corrected: type[EventData], *, schema_version: str = "1.0") -> Callable[[type[Data]], type[Data]]:
    """Declares the correction of a fact: ``<event>-dibatalkan``, same key and walidata. Raises ConfigError."""

    def declare(model: type[Data]) -> type[Data]:
        fact = event_type_of(corrected)
        if fact is None or fact.kind != "fact":
            raise ConfigError("only a fact has a correction", where=model.__qualname__)
        if set(model.model_fields) != {fact.key, WITHDRAWS_FIELD, REASON_FIELD}:
            raise ConfigError(
                f"a correction has the fields {fact.key}, {WITHDRAWS_FIELD}, {REASON_FIELD}", where=model.__qualname__
            )
        model.contoh = {fact.key: fact.example[fact.key], WITHDRAWS_FIELD: EXAMPLE_ID, REASON_FIELD: EXAMPLE_REASON}
        _declare(
            EventType(
                name=fact.name.cancelled,
                model=model,
                kind="fact",
                key=fact.key,
                entity=fact.entity,
                walidata=fact.walidata,
                schema_version=schema_version,
                corrects=fact.name,
                example=model.contoh,
                warnings=warnings_of,
            )
        )
        return model

    return declare


def _declare(declared: EventType) -> None:
    """Checks a declaration and puts it on its class. Raises ConfigError, which names the class and the field."""
    model, where = declared.model, declared.model.__qualname__
    if not (model.__dict__.get("__doc__") or "").strip():
        raise ConfigError("an event type needs a docstring: it becomes the description", where=where)
    if declared.key not in declared.required:
        raise ConfigError(f"the key {declared.key} must be a required field", where=where)
    if unknown := sorted(declared.parties.keys() - declared.fields):
        raise ConfigError(f"parties name fields that do not exist: {', '.join(unknown)}", where=where)
    if not declared.walidata or declared.schema_version.partition(".")[0] != str(declared.name.major):
        raise ConfigError("needs a walidata, and a schema version that starts with the major of its name", where=where)
    for name, info in model.model_fields.items():
        _check_field(f"{where}.{name}", name, info)
    try:
        model.model_validate(declared.example, extra="forbid")
    except ValidationError as error:
        raise ConfigError(f"contoh does not validate: {reason(error)}", where=where) from None
    model.__event_type__ = declared  # type: ignore[attr-defined]


def _check_field(where: str, name: str, info: Any) -> None:
    if name in FORBIDDEN:
        raise ConfigError("this must never be in a payload", where=where, hint="UU 24/2013 art. 84")
    if not info.description:
        raise ConfigError(
            "no description", where=where, hint='write Annotated[<type>, umum("…")], pribadi or pribadi_spesifik'
        )
    extra = info.json_schema_extra
    classification = extra.get("x-klasifikasi") if isinstance(extra, dict) else None
    if classification not in get_args(Classification):
        raise ConfigError(
            "no classification", where=where, hint="use umum, pribadi or pribadi_spesifik (UU 27/2022 art. 4)"
        )
    if not any(_has_form(each) for each in (*info.metadata, info.annotation)):
        raise ConfigError("no unit or format", where=where, hint="take its type from schemas.types")


def _has_form(annotation: object) -> bool:
    """Whether a type says its unit or format: it carries a Rule, itself or in an optional's union."""
    if isinstance(annotation, Rule):
        return True
    return any(_has_form(each) for each in get_args(annotation))
