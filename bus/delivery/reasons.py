"""Why a record was rejected, in the words of the clerk who will mend it: which column, and what is wrong with it.

Never a value: reasons stand in dead letters, reports and logs.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

# pydantic's error types by their beginning; own types (schemas) bring their own words.
_WORDS = (
    ("missing", "wajib diisi"),
    ("none_required", "harus kosong"),
    ("date", "bukan tanggal yang sah"),
    ("time", "bukan waktu yang sah"),
    ("int", "bukan bilangan bulat"),
    ("float", "bukan bilangan"),
    ("decimal", "bukan bilangan"),
    ("bool", "bukan ya atau tidak"),
    ("string_too_short", "terlalu pendek"),
    ("string_too_long", "terlalu panjang"),
    ("string_pattern", "bentuknya tidak sesuai"),
    ("string", "bukan teks"),
    ("enum", "bukan salah satu pilihan yang dikenal"),
    ("literal", "bukan salah satu pilihan yang dikenal"),
    ("greater_than", "terlalu kecil"),
    ("less_than", "terlalu besar"),
    ("extra_forbidden", "tidak dikenal"),
)


def of_validation(error: ValidationError, columns: Mapping[str, str]) -> str:
    """A validation error as ``kolom X: sebab`` per fault. ``columns`` says which column each field came from."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(dict.fromkeys(_fault(fault["loc"], fault["type"], fault["msg"], columns) for fault in faults))


def _fault(location: tuple[int | str, ...], kind: str, message: str, columns: Mapping[str, str]) -> str:
    words = next((words for start, words in _WORDS if kind.startswith(start)), None)
    if words is None:
        words = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if not location:
        return words
    field = str(location[0])
    return f"kolom {columns.get(field, field)}: {words}"
