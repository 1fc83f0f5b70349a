"""Why data was refused, in a clerk's words: short Bahasa Indonesia with the fields' names and none of the values."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

_WORDS: Mapping[str, str] = {
    "missing": "belum diisi",
    "extra_forbidden": "tidak dikenal",
    "json_invalid": "bukan JSON yang benar",
    "model_type": "harus berupa objek",
    "model_attributes_type": "harus berupa objek",
}
_KINDS = (  # by the beginning of pydantic's error type, where the type is not one of the catalogue's
    ("int", "harus angka bulat"),
    ("float", "harus angka"),
    ("decimal", "harus angka"),
    ("string", "harus berupa teks yang sesuai"),
    ("bool", "harus ya atau tidak"),
    ("date", "harus tanggal, misalnya 2026-01-31"),
    ("time", "harus jam, misalnya 07:30"),
    ("literal", "bukan salah satu pilihan yang dikenal"),
    ("enum", "bukan salah satu pilihan yang dikenal"),
    ("union", "bukan salah satu bentuk yang dikenal"),
    ("list", "harus berupa daftar"),
)


def reason(error: ValidationError) -> str:
    """All faults on one line, ``nik: harus 16 angka, ada 15; tanggal_meninggal: tanggal kosong``."""
    return "; ".join(f"{field}: {text}" if field else text for field, text in reasons(error))


def reasons(error: ValidationError) -> list[tuple[str, str]]:
    """Each fault as field and text, in the order of the fields. The field is empty where the whole data is meant.

    Texts of the catalogue's own rules pass; of pydantic's errors only their type is used, since some repeat the input.
    """
    return [
        (".".join(map(str, fault["loc"])), _text(fault["type"], fault["msg"], own="url" not in fault))
        for fault in error.errors(include_input=False, include_context=False)
    ]


def _text(kind: str, message: str, *, own: bool) -> str:
    if own:
        return message
    if kind in _WORDS:
        return _WORDS[kind]
    return next((text for beginning, text in _KINDS if kind.startswith(beginning)), "isinya tidak sesuai")
