"""A target table: which of its rows exist, and the statements that write them, in the driver's own parameter style."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Literal

from adapters.connectors.keys import folded, text_of
from adapters.connectors.sql import parameters, quoted
from bus.database import offset

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection

Operation = Literal["insert", "update", "delete"]
Key = tuple[Any, ...]
Name = tuple[str, ...]  #: what a key is known by

REPLANS = 500  #: rows after which plans are made anew for the first time

_AS_WRITTEN = ("=",)  #: before a name that is not folded

# Unconstrained (-1): a cast to varchar(5) or to "character", which is one character, would cut values in silence.
_SIMPLE = """
SELECT attname, format_type(atttypid, -1) AS kind FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
AND typtype = 'b' AND typcategory <> 'A' AND typnamespace = 'pg_catalog'::regnamespace
"""


async def simple_types(connection: AsyncConnection, table: str) -> dict[str, str]:
    """The columns of PostgreSQL's own simple types, by name: many values of one go as an array. Elsewhere none."""
    if connection.dialect.name != "postgresql":
        return {}
    found = await connection.exec_driver_sql(_SIMPLE, (quoted(connection.dialect, table),))
    return {column.attname: column.kind for column in found}


def written(key: Iterable[Any]) -> Name:
    """A key as text, a moment in UTC."""
    return tuple(text_of(part.astimezone(UTC) if isinstance(part, datetime) and part.tzinfo else part) for part in key)


def names(folds: Mapping[Key, Name]) -> dict[Key, Name]:
    """What each key is known by. Folded, since a column may be compared so; but where several keys would be the same
    by that, as they are written.
    """
    often = Counter(folds.values())
    return {key: _AS_WRITTEN + written(key) if often[fold] > 1 else fold for key, fold in folds.items()}


@dataclass(frozen=True)
class Target:
    """A table and the columns that name its rows; ``types`` as ``simple_types`` found them."""

    dialect: Dialect
    table: str
    key: tuple[str, ...]
    types: Mapping[str, str] = field(default_factory=dict)

    async def begin(self, connection: AsyncConnection, count: int, zone: tzinfo) -> None:
        """Prepares a transaction in which so many rows are written.

        PostgreSQL keeps the plan of a statement until a table's statistics are made anew: one that was made while the
        table was small would look through all of it for every batch of the minutes in which a backlog fills it. So
        plans are made anew whenever as many rows have been written as before. (To forbid looking through a table
        would hold for the triggers on it too.)
        """
        if self.dialect.name == "postgresql":
            written = connection.info["bus rows"] = connection.info.get("bus rows", 0) + count
            if written >= connection.info.get("bus replans", REPLANS):
                connection.info["bus replans"] = 2 * written
                await connection.exec_driver_sql("DISCARD PLANS")
        elif self.dialect.name != "sqlite":
            await connection.exec_driver_sql(f"SET time_zone = '{offset(zone)}'")

    async def existing(self, connection: AsyncConnection, keys: Sequence[Key]) -> set[Name]:
        """By which names the keys that have a row may be known. The rows stay locked until the transaction ends."""
        columns = ", ".join(self._names(self.key))
        lock = "" if self.dialect.name == "sqlite" else " FOR UPDATE"
        if len(keys) > 1 and self._as_arrays(self.key):
            listed, values = f"SELECT * FROM {self._unnest(self.key)}", _columns(keys)  # noqa: S608
        else:
            listed, values = self._listed(len(keys)), tuple(part for key in keys for part in key)
        statement = f"SELECT {columns} FROM {self._quoted} WHERE ({columns}) IN ({listed}){lock}"  # noqa: S608
        found = [written(row) for row in await connection.exec_driver_sql(statement, values)]
        return {folded(name) for name in found} | {_AS_WRITTEN + name for name in found}

    async def write(
        self, connection: AsyncConnection, operation: Operation, columns: tuple[str, ...], rows: Sequence[Key]
    ) -> None:
        """Writes rows with different keys: the values of ``columns`` (not of the key), then the key's."""
        if len(rows) > 1 and self._as_arrays((*columns, *self.key)):
            await connection.exec_driver_sql(self._of_arrays(operation, columns), _columns(rows))
        elif operation == "update" and self._joins(rows):
            flat = tuple(value for row in rows for value in row)
            await connection.exec_driver_sql(self._joined(columns, len(rows)), flat)
        else:
            await connection.exec_driver_sql(self._statement(operation, columns), list(rows))

    def _as_arrays(self, columns: Iterable[str]) -> bool:
        """Whether one statement takes the values of all rows, an array for each column.

        For a list of 500 keys PostgreSQL looks through all of a table that it has no statistics of, and a statement
        for each row costs both sides twice as much. A single row goes without: where a column has got another type
        since the table was looked at, the batch fails, and its rows one by one do not.
        """
        return self.types.keys() >= set(columns)

    def _unnest(self, columns: Sequence[str]) -> str:
        marks = parameters(self.dialect, len(columns))
        arrays = [f"{mark}::{self.types[name]}[]" for mark, name in zip(marks, columns, strict=True)]
        return f"unnest({', '.join(arrays)})"

    def _of_arrays(self, operation: Operation, columns: tuple[str, ...]) -> str:
        names = self._names((*columns, *self.key))
        source = self._unnest((*columns, *self.key))
        if operation == "insert":
            return f"INSERT INTO {self._quoted} ({', '.join(names)}) SELECT * FROM {source}"  # noqa: S608
        new = f"{source} AS n({', '.join(f'v{place}' for place in range(len(names)))})"
        pairs = [f"{name} = n.v{place}" for place, name in enumerate(names)]
        keys = " AND ".join(f"t.{pair}" for pair in pairs[len(columns) :])
        if operation == "delete":
            return f"DELETE FROM {self._quoted} AS t USING {new} WHERE {keys}"  # noqa: S608
        changes = ", ".join(pairs[: len(columns) or None])
        return f"UPDATE {self._quoted} AS t SET {changes} FROM {new} WHERE {keys}"  # noqa: S608

    def _listed(self, count: int) -> str:
        width = len(self.key)
        marks = parameters(self.dialect, count * width)
        groups = [f"({', '.join(marks[start : start + width])})" for start in range(0, len(marks), width)]
        return f"{'VALUES ' if self.dialect.name == 'sqlite' and width > 1 else ''}{', '.join(groups)}"

    def _joins(self, rows: Sequence[Key]) -> bool:
        """Whether one UPDATE with all values in it does: asyncmy would send them one by one, 40 times slower.

        In such a statement the values of text columns meet the key in one collation, which only ASCII is sure to fit.
        """
        if self.dialect.name in {"postgresql", "sqlite"}:
            return False
        keys = (row[-len(self.key) :] for row in rows)
        return all(part.isascii() for key in keys for part in key if isinstance(part, str))

    def _joined(self, columns: tuple[str, ...], count: int) -> str:
        names = self._names((*columns, *self.key))
        first = ", ".join(f"%s AS v{place}" for place in range(len(names)))
        others = f" UNION ALL SELECT {', '.join(['%s'] * len(names))}" * (count - 1)
        pairs = [f"t.{name} = n.v{place}" for place, name in enumerate(names)]
        changes, keys = ", ".join(pairs[: len(columns) or None]), " AND ".join(pairs[len(columns) :])
        return f"UPDATE {self._quoted} AS t JOIN (SELECT {first}{others}) AS n ON {keys} SET {changes}"  # noqa: S608

    def _statement(self, operation: Operation, columns: tuple[str, ...]) -> str:
        marks = parameters(self.dialect, len(columns) + len(self.key))
        names = self._names((*columns, *self.key))
        pairs = [f"{name} = {mark}" for name, mark in zip(names, marks, strict=True)]
        if operation == "insert":
            return f"INSERT INTO {self._quoted} ({', '.join(names)}) VALUES ({', '.join(marks)})"  # noqa: S608
        where = " AND ".join(pairs[len(columns) :])
        if operation == "delete":
            return f"DELETE FROM {self._quoted} WHERE {where}"  # noqa: S608
        changes = pairs[: len(columns)] or [f"{name} = {name}" for name in names]
        return f"UPDATE {self._quoted} SET {', '.join(changes)} WHERE {where}"  # noqa: S608

    @property
    def _quoted(self) -> str:
        return quoted(self.dialect, self.table)

    def _names(self, columns: Iterable[str]) -> list[str]:
        return [self.dialect.identifier_preparer.quote_identifier(name) for name in columns]


def _columns(rows: Iterable[Key]) -> tuple[list[Any], ...]:
    """The values of rows by column."""
    return tuple(map(list, zip(*rows, strict=True)))
