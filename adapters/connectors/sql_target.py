"""A target table: which of its rows exist, and the statements that write them, in the driver's own parameter style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from adapters.connectors.sql import parameters, quoted, text_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection

Operation = Literal["insert", "update", "delete"]
Key = tuple[Any, ...]


def folded(key: Iterable[Any]) -> tuple[str, ...]:
    """A key as any database may compare it: by text, without regard to case and to spaces at the end."""
    return tuple(text_of(part).rstrip().casefold() for part in key)


@dataclass(frozen=True)
class Target:
    """A table and the columns that name its rows."""

    dialect: Dialect
    table: str
    key: tuple[str, ...]

    async def existing(self, connection: AsyncConnection, keys: Sequence[Key]) -> set[tuple[str, ...]]:
        """Those of the keys that have a row, folded. The rows stay locked until the transaction ends."""
        width = len(self.key)
        marks = parameters(self.dialect, len(keys) * width)
        groups = [f"({', '.join(marks[start : start + width])})" for start in range(0, len(marks), width)]
        many = "VALUES " if self.dialect.name == "sqlite" and width > 1 else ""
        lock = "" if self.dialect.name == "sqlite" else " FOR UPDATE"
        names = ", ".join(self._names(self.key))
        table = quoted(self.dialect, self.table)
        statement = f"SELECT {names} FROM {table} WHERE ({names}) IN ({many}{', '.join(groups)}){lock}"  # noqa: S608
        found = await connection.exec_driver_sql(statement, tuple(part for key in keys for part in key))
        return {folded(row) for row in found}

    async def write(
        self, connection: AsyncConnection, operation: Operation, columns: tuple[str, ...], rows: Sequence[Key]
    ) -> None:
        """Writes rows with different keys: the values of ``columns`` (not of the key), then the key's."""
        if operation == "update" and self._joins(rows):
            flat = tuple(value for row in rows for value in row)
            await connection.exec_driver_sql(self._joined(columns, len(rows)), flat)
        else:
            await connection.exec_driver_sql(self._statement(operation, columns), list(rows))

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
        changes = ", ".join(f"t.{name} = n.v{place}" for place, name in enumerate(names[: len(columns) or None]))
        keys = " AND ".join(f"t.{name} = n.v{len(columns) + place}" for place, name in enumerate(names[len(columns) :]))
        table = quoted(self.dialect, self.table)
        return f"UPDATE {table} AS t JOIN (SELECT {first}{others}) AS n ON {keys} SET {changes}"  # noqa: S608

    @lru_cache(maxsize=64)  # noqa: B019 - a sink has one target as long as it lives
    def _statement(self, operation: Operation, columns: tuple[str, ...]) -> str:
        table = quoted(self.dialect, self.table)
        marks = parameters(self.dialect, len(columns) + len(self.key))
        names = self._names((*columns, *self.key))
        pairs = [f"{name} = {mark}" for name, mark in zip(names, marks, strict=True)]
        if operation == "insert":
            return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(marks)})"  # noqa: S608
        where = " AND ".join(pairs[len(columns) :])
        if operation == "delete":
            return f"DELETE FROM {table} WHERE {where}"  # noqa: S608
        changes = pairs[: len(columns)] or [f"{name} = {name}" for name in names]
        return f"UPDATE {table} SET {', '.join(changes)} WHERE {where}"  # noqa: S608

    def _names(self, columns: Iterable[str]) -> list[str]:
        return [self.dialect.identifier_preparer.quote_identifier(name) for name in columns]
