"""The columns of a target table, and how the values of an event become what its driver takes.

Drivers differ: asyncpg wants the exact Python type of the column, asyncmy escapes on its own, SQLite keeps numbers and
texts alone. So the table is reflected once, and each column gets a function from a value to a parameter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, tzinfo
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import inspect
from sqlalchemy.exc import NoSuchTableError

from adapters.connectors.sql import text_of
from bus.errors import ConfigError, Rejected

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.types import TypeEngine

Convert = Callable[[Any], Any]


def reflected(connection: Connection, table: str, zone: tzinfo, where: str) -> dict[str, Convert]:
    """Each column's conversion, by name. ``zone`` is that of columns without an offset. Raises ConfigError.

    A MyISAM table is refused: it keeps what a transaction takes back, so an event could hit it twice.
    """
    schema, _, name = table.rpartition(".")
    inspector = inspect(connection)
    try:
        columns = inspector.get_columns(name, schema=schema or None)
        options = inspector.get_table_options(name, schema=schema or None)
    except NoSuchTableError:
        raise ConfigError(f"there is no table {table}", where=where, hint="ask its owner to make it") from None
    if any(str(value).lower() in {"myisam", "aria"} for key, value in options.items() if key.endswith("_engine")):
        raise ConfigError(f"the table {table} has no transactions", where=where, hint="make it ENGINE=InnoDB")
    plain = connection.dialect.name == "sqlite"
    return {column["name"]: conversion(column["name"], column["type"], zone, plain=plain) for column in columns}


def conversion(name: str, kind: TypeEngine[Any], zone: tzinfo, *, plain: bool) -> Convert:
    """From an event's value to a column's parameter. Raises Rejected, which names the column alone."""
    try:
        python = kind.python_type
    except NotImplementedError:  # SQLAlchemy raises it for types that have no Python type: JSON paths, ranges, unknown
        python = object
    exact = python if python in (_PLAIN if plain else _EXACT) else None
    local = zone if not getattr(kind, "timezone", False) else None
    convert = (
        _to_datetime(local) if python is datetime else _to_date(zone) if python is date else _TO.get(python, _as_is)
    )

    def parameter(value: Any) -> Any:
        if value is None or type(value) is exact:  # most are
            return value
        if isinstance(value, Enum):
            value = value.value
        try:
            converted = convert(value)
        except (ValueError, TypeError, ArithmeticError):
            raise Rejected(f"kolom {name}: isi tidak cocok dengan jenis kolomnya") from None
        return _plain(converted) if plain else converted

    return parameter


def _as_is(value: Any) -> Any:
    return value if isinstance(value, str | int | float | Decimal | date | time | bytes | UUID) else _to_json(value)


def _to_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return text_of(value) if isinstance(value, int | float | Decimal | date | time | UUID | bytes) else _to_json(value)


def _to_json(value: Any) -> str:
    return json.dumps(to_jsonable_python(value), ensure_ascii=False, separators=(",", ":"))


def _to_int(value: Any) -> int:
    whole = int(value)
    if not isinstance(value, str) and whole != value:
        raise ValueError
    return whole


def _to_list(value: Any) -> list[Any]:
    if isinstance(value, str):
        raise TypeError
    return list(value)


def _to_bool(value: Any) -> bool:
    if value not in {0, 1}:
        raise ValueError
    return bool(value)


def _moment(value: Any) -> datetime | date:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, date):
        raise TypeError
    return moment


def _to_datetime(zone: tzinfo | None) -> Convert:
    """With an offset where ``zone`` is None, else without, in that zone."""

    def convert(value: Any) -> datetime:
        moment = _moment(value)
        if not isinstance(moment, datetime):
            moment = datetime.combine(moment, time())
        if zone is None:
            return moment.astimezone() if moment.tzinfo is None else moment
        return moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo else moment

    return convert


def _to_date(zone: tzinfo) -> Convert:
    def convert(value: Any) -> date:
        moment = _moment(value)
        if isinstance(moment, datetime):
            return (moment.astimezone(zone) if moment.tzinfo else moment).date()
        return moment

    return convert


_PLAIN = frozenset((str, int, float))  #: what SQLite takes as it is
_EXACT = _PLAIN | {bool, Decimal, date, time, UUID}  #: and other drivers, for a column of just that type

_TO: Mapping[type, Convert] = {
    str: _to_text,
    int: _to_int,
    bool: _to_bool,
    float: float,
    Decimal: lambda value: value if isinstance(value, Decimal) else Decimal(str(value)),
    time: lambda value: time.fromisoformat(value) if isinstance(value, str) else value,
    UUID: lambda value: value if isinstance(value, UUID) else UUID(value),
    dict: _to_json,
    list: _to_list,
}


def _plain(value: Any) -> Any:
    """As SQLite keeps it: a Decimal as text, which a numeric column makes a number without losing digits."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, bool):
        return int(value)
    return text_of(value) if isinstance(value, Decimal | date | time | UUID) else value
