"""Reasons are in a clerk's words and never repeat pydantic's, which may hold the input."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ValidationError, field_validator

from bus.events import reason, reasons


class Form(BaseModel):
    """Fields with rules of pydantic's own."""

    umur: int
    lahir: date
    pilihan: Literal["A", "B"]
    nama: str

    @field_validator("nama")
    @classmethod
    def _no_digits(cls, value: str) -> str:
        if value.isdigit():
            raise ValueError(f"not a name: {value}")
        return value


def refused(data: Any, **options: Any) -> ValidationError:
    """The error of invalid data."""
    with pytest.raises(ValidationError) as caught:
        Form.model_validate(data, **options)
    return caught.value


def test_each_fault_has_its_field_and_words() -> None:
    error = refused(
        {"umur": "x7731", "lahir": "x7731", "pilihan": "x7731", "nama": "7731", "asing": "7731"}, extra="forbid"
    )
    assert dict(reasons(error)) == {
        "umur": "harus angka bulat",
        "lahir": "harus tanggal, misalnya 2026-01-31",
        "pilihan": "bukan salah satu pilihan yang dikenal",
        "nama": "isinya tidak sesuai",
        "asing": "tidak dikenal",
    }
    assert "7731" not in reason(error)


def test_missing_fields_and_foreign_bodies() -> None:
    assert reason(refused({})) == "umur: belum diisi; lahir: belum diisi; pilihan: belum diisi; nama: belum diisi"
    assert reason(refused([])) == "harus berupa objek"
    with pytest.raises(ValidationError) as caught:
        Form.model_validate_json(b"{")
    assert reason(caught.value) == "bukan JSON yang benar"
