"""A key's text is the same in every process and on every technology; a place names no person."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any

import pytest

from adapters.connectors.keys import place_of, text_of


class Words(str, Enum):  # noqa: UP042 - as drivers give them
    ONE = "satu"


class Numbers(IntEnum):
    ONE = 1


class Named(str):
    """A text of a driver's own class."""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0012", "0012"),
        (Named("siti"), "siti"),
        (Words.ONE, "satu"),
        (True, "1"),
        (False, "0"),
        (-7, "-7"),
        (Numbers.ONE, "1"),
        (None, ""),
        (Decimal("12.50"), "12.5"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.00"), "0"),
        (Decimal("NaN"), "NaN"),
        (3.0, "3"),
        (0.1, "0.1"),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 8, 0, 0), "2026-01-31T08:00:00"),  # noqa: DTZ001 - a database has such
        (time(8, 30), "08:30:00"),
        (timedelta(minutes=90), "5400.0"),
        (b"\x00\xff", "00ff"),
    ],
)
def test_each_value_has_one_text(value: Any, text: str) -> None:
    assert text_of(value) == text
    assert type(text_of(value)) is str or isinstance(value, Named)


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ([4711], "id 4711"),
        ([0], "id 0"),
        ([10**9], ""),  # may be a pupil's number
        ([-1], ""),
        (["3571010101800001"], ""),
        ([Decimal(7)], ""),
        ([None], ""),
        ([4711, 2], "id 4711, baris 2"),
        ([4711, "siti"], ""),
    ],
)
def test_a_place_is_a_rows_number_alone(values: list[Any], place: str) -> None:
    assert place_of(("id", "baris")[: len(values)], values) == place
