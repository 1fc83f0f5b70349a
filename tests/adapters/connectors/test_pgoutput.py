"""What PostgreSQL's texts become: values, or the texts themselves where Python has no such value."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from adapters.connectors.cdc_pgoutput import converter

BOOL, INT8, FLOAT8, DATE, TIME, TIMESTAMP, TIMESTAMPTZ, NUMERIC = 16, 20, 701, 1082, 1083, 1114, 1184, 1700


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (BOOL, "t", True),
        (INT8, "-9223372036854775808", -(2**63)),
        (FLOAT8, "1e-05", 1e-05),
        (FLOAT8, "Infinity", float("inf")),
        (NUMERIC, "12.50", Decimal("12.50")),
        (NUMERIC, "-Infinity", Decimal("-Infinity")),
        (DATE, "2024-02-29", date(2024, 2, 29)),
        (DATE, "infinity", "infinity"),
        (DATE, "0044-03-15 BC", "0044-03-15 BC"),
        (DATE, "12026-01-31", "12026-01-31"),
        (TIME, "10:11:12.5", time(10, 11, 12, 500_000)),
        (TIME, "24:00:00", "24:00:00"),
        (TIMESTAMP, "2024-02-29 10:11:12", datetime(2024, 2, 29, 10, 11, 12)),  # noqa: DTZ001 - it has no offset
        (TIMESTAMP, "-infinity", "-infinity"),
        (TIMESTAMPTZ, "2024-02-29 03:11:12+00", datetime(2024, 2, 29, 3, 11, 12, tzinfo=UTC)),
        (TIMESTAMPTZ, "0044-03-15 00:00:00+00 BC", "0044-03-15 00:00:00+00 BC"),
    ],
)
def test_a_text_becomes_its_value_or_stays(kind: int, text: str, value: Any) -> None:
    convert = converter(kind)

    assert convert is not None
    assert convert(text) == value


def test_not_a_number_is_one() -> None:
    convert = converter(NUMERIC)

    assert convert is not None
    assert convert("NaN").is_nan()


def test_a_type_that_nobody_knows_stays_text() -> None:
    assert converter(25) is None
