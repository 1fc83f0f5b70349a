"""What is wrong with a value, in a clerk's words: short Bahasa Indonesia, never the value itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

BLANK = frozenset(("", "-", "--", "0000-00-00", "0000-00-00 00:00:00", "00-00-0000", "NULL", "null"))
"""How the applications write "unknown" (OpenSID, SIMRS Khanza), after trimming."""

LOST_DIGITS: LiteralString = (
    "angka sudah dipotong oleh spreadsheet; jadikan kolom ini teks lalu isi ulang dari sumbernya"
)


def fault(code: LiteralString, text: LiteralString, **counts: int) -> PydanticCustomError:
    """An error with a stable code and a text for clerks. ``counts`` fill ``{name}`` in it: lengths, never values."""
    return PydanticCustomError(code, text, dict(counts) if counts else None)


def blank(value: object) -> bool:
    """Whether a value says "unknown": None, empty, a dash, MySQL's zero date, a spreadsheet's missing number (NaN)."""
    if isinstance(value, str):
        return value.strip() in BLANK
    return value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124 - only NaN is not itself


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """The annotation that gives a type its validator and its JSON Schema.

    One Python call per value and none to write it: pydantic's own ``PlainValidator`` serializes by the annotated
    type's rules, which costs more than the whole validation.
    """

    validate: Callable[[object], Any]
    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(self.schema)


class NoneIfBlank:
    """The annotation that turns the many spellings of "unknown" into None, around a type with a Rule.

    A value is tried first, since most are there: one Python call for it instead of two.
    """

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        nullable = handler(source)
        rule = next((each for part in get_args(source) for each in get_args(part) if isinstance(each, Rule)), None)
        if rule is None:
            raise TypeError("Opsional[…] needs a type of schemas.types")
        validate = rule.validate

        def optional(value: object) -> object:
            if value is None:
                return None
            try:
                return validate(value)
            except PydanticCustomError:
                if blank(value):
                    return None
                raise

        return core_schema.no_info_plain_validator_function(optional, json_schema_input_schema=nullable)
