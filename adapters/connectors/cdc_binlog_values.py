"""The values of MariaDB and MySQL: the same Python values out of a SELECT and out of the binlog.

Dates that are none (``0000-00-00``, ``2024-00-00``) are None: they mean unknown. TIMESTAMP columns show the
application's local time, BIT a number, SET a text with commas, FLOAT the digits that it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import partial
from json import dumps
from typing import Any

from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions, convert_date, convert_datetime
from pymysqlreplication.constants import FIELD_TYPE as LOGGED
from pymysqlreplication.constants import NONE_SOURCE

from adapters.connectors.sql import text_of

NUMBERS = frozenset(
    {FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG}
    | {FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL}
)  #: types that compare as numbers

Convert = Callable[[Any, str | None], Any]  #: of a value in the binlog, and why it is None


def selected(zone: tzinfo) -> dict[Any, Callable[[Any], Any]]:
    """How PyMySQL turns the texts of a SELECT into values; its session's time zone must be UTC."""
    return {
        **conversions,
        FIELD_TYPE.DATE: partial(_date, convert_date),
        FIELD_TYPE.NEWDATE: partial(_date, convert_date),
        FIELD_TYPE.DATETIME: partial(_date, convert_datetime),
        FIELD_TYPE.TIMESTAMP: lambda text: local(_date(convert_datetime, text), zone),
        FIELD_TYPE.BIT: lambda value: int.from_bytes(value, "big"),
        FIELD_TYPE.STRING: lambda value: value.rstrip(b"\0") if isinstance(value, bytes) else value,
    }


def _date(convert: Callable[[str], Any], text: str) -> Any:
    value = convert(text)
    return None if isinstance(value, str) else value  # PyMySQL leaves what is no date as it is


def local(moment: datetime | None, zone: tzinfo) -> datetime | None:
    """A TIMESTAMP in the application's own time. Its zero is no moment."""
    if moment is None or moment == datetime(1970, 1, 1):  # noqa: DTZ001 - as the log has it
        return None
    return moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)


def logged(column: Any, zone: tzinfo) -> Convert | None:  # noqa: PLR0911 - one line per type
    """How a column's value in the binlog becomes that of a SELECT; None: it is the same."""
    match column.type:
        case LOGGED.TIMESTAMP | LOGGED.TIMESTAMP2:
            return lambda value, _: local(value, zone)
        case LOGGED.FLOAT:
            return lambda value, _: None if value is None else float(f"{value:.6g}")
        case LOGGED.YEAR:
            return lambda value, _: 0 if value == 1900 else value  # noqa: PLR2004 - the year 0000 is kept as 0
        case LOGGED.BIT:
            return lambda value, _: None if value is None else int(value, 2)
        case LOGGED.SET:
            return partial(_set, column.set_values or ())
        case LOGGED.JSON:
            return lambda value, _: None if value is None else dumps(value, ensure_ascii=False)
        case LOGGED.STRING | LOGGED.VARCHAR | LOGGED.BLOB if column.character_set_name == "binary":
            return lambda value, _: b"" if value == "" else value
    return None


def _set(members: tuple[str, ...], value: set[str] | None, source: str | None) -> str | None:
    if value is None:
        return "" if source == NONE_SOURCE.EMPTY_SET else None
    return ",".join(member for member in members if member in value)


def key_texts(names: tuple[str, ...], row: Mapping[str, Any]) -> list[str]:
    """A key as the texts that the server would make of it."""
    return [value.isoformat(sep=" ") if isinstance(value := row[name], datetime) else text_of(value) for name in names]
