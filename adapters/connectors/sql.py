"""What the SQL connectors share: positions, statements in any dialect, and reading by key.

A position is JSON and comes back as the value it was (``pack``, ``unpack``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Select, select, text

from adapters.connectors.keys import key_of, parts_of, place_of, text_of
from bus.database import errors
from bus.errors import ConfigError, Rejected

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect, RowMapping
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = [
    "chosen",
    "column_named",
    "derived",
    "key_of",
    "pack",
    "parameters",
    "place_of",
    "quoted",
    "reading",
    "row_by_key",
    "text_of",
    "unpack",
]

Packed = list[str]  #: a value's type and text, as JSON keeps them

_READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "Decimal": Decimal,
    "bool": lambda text: text == "1",
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda text: timedelta(seconds=float(text)),
    "UUID": UUID,
    "bytes": bytes.fromhex,
}


def pack(value: Any) -> Packed:
    """A key's or watermark's value as JSON keeps it."""
    return [type(value).__name__, text_of(value)]


def unpack(packed: Sequence[str]) -> Any:
    """The value again. Raises ConfigError for a position that this connector did not write."""
    try:
        kind, written = packed
        return _READERS[kind](written)
    except (KeyError, ValueError, TypeError):
        raise ConfigError("the stored position is not one of this source", hint="remove the source's cursor") from None


def derived(query: str) -> str:
    """The owner's SELECT as a derived table ``src``, its colons kept from being taken for parameters."""
    return "(" + query.strip().rstrip(";").replace(":", r"\:") + ") src"  # Oracle takes no AS here


def chosen(columns: str, table: str, condition: str = "1 = 1", *, size: int, order: Sequence[str] = ()) -> Select[Any]:
    """The first rows of a query as each dialect says it: LIMIT, TOP, FETCH FIRST."""
    query: Select[Any] = select(text(columns)).select_from(text(table)).where(text(condition))
    return query.order_by(*map(text, order)).limit(size)


def parameters(dialect: Dialect, count: int) -> list[str]:
    """Parameters in the style of the dialect's driver, for statements that go to it as they are."""
    if dialect.paramstyle == "numeric_dollar":
        return [f"${place}" for place in range(1, count + 1)]
    return ["?" if dialect.paramstyle == "qmark" else "%s"] * count


def quoted(dialect: Dialect, name: str) -> str:
    """A column as the database quotes it, a table with or without its schema. Oracle's own names are upper case."""
    stored = dialect.denormalize_name if dialect.requires_name_normalize else str
    return ".".join(dialect.identifier_preparer.quote_identifier(stored(part)) for part in name.split("."))


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def column_named(wanted: str, columns: Iterable[str], where: str) -> str:
    """The output column that an option means: ``l.id`` is ``id``. Raises ConfigError."""
    name = wanted.rpartition(".")[2]
    for column in (columns := list(columns)):
        if column == name:
            return column
    for column in columns:
        if column.lower() == name.lower():
            return column
    raise ConfigError(f"the query has no column {name!r}", where=where, hint=f"it gives {', '.join(columns)}")


@contextmanager
def reading(where: str) -> Iterator[None]:
    """``errors`` for a query of the owner: what fails on a row there is the query's fault, not an event's."""
    try:
        with errors(where):
            yield
    except Rejected as error:
        raise ConfigError(
            f"the query fails on the data: {error.what}", where=where, hint="repair the query in the contract"
        ) from None


async def row_by_key(connection: AsyncConnection, table: str, keys: Sequence[str], key: str) -> RowMapping | None:
    """One row of a derived table by its key; None where it is gone. The key's types are those of any row."""
    parts = parts_of(key, len(keys))
    sample = (await connection.execute(chosen("src.*", table, size=1))).mappings().first()
    if parts is None or sample is None:
        return None
    try:
        values = [_READERS.get(type(sample[name]).__name__, str)(part) for name, part in zip(keys, parts, strict=True)]
    except (ValueError, ArithmeticError):
        return None
    where = " AND ".join(f"src.{quoted(connection.dialect, name)} = :k{place}" for place, name in enumerate(keys))
    query = chosen("src.*", table, where, size=1)
    result = await connection.execute(query, {f"k{place}": value for place, value in enumerate(values)})
    found: RowMapping | None = result.mappings().first()
    return found
