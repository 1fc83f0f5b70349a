"""Walks through the rows of a query in pages, each a statement of its own: no cursor and no lock stays open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from adapters.connectors.sql import chosen, quoted
from bus.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.engine import Dialect, Row
    from sqlalchemy.ext.asyncio import AsyncConnection


class Walk:
    """A way through those rows of a derived table that meet a condition, in the order of columns that are never NULL.

    ``after`` holds the values of these columns in the last row read: the page that follows begins behind it, wherever
    the boundaries of pages fall. None is the beginning.
    """

    def __init__(
        self,
        order: Sequence[str],
        condition: str = "1 = 1",
        parameters: Mapping[str, Any] | None = None,
        after: tuple[Any, ...] | None = None,
    ) -> None:
        self.order, self.after = tuple(order), after
        self._condition, self._parameters = condition, dict(parameters or {})

    def query(self, dialect: Dialect, table: str, size: int) -> tuple[Select[Any], dict[str, Any]]:
        """The statement of the next page, and its parameters."""
        columns = [f"src.{quoted(dialect, name)}" for name in self.order]
        condition, parameters = self._condition, dict(self._parameters)
        if self.after is not None:
            condition += f" AND {_behind(dialect, columns)}"
            parameters |= {f"after{place}": value for place, value in enumerate(self.after)}
        return chosen("src.*", table, condition, size=size, order=columns), parameters

    async def page(self, connection: AsyncConnection, table: str, size: int, where: str) -> Sequence[Row[Any]]:
        """The next rows, and goes on behind them. Raises ConfigError for rows that are equal in the order's columns."""
        result = await connection.execute(*self.query(connection.dialect, table, size))
        names = list(result.keys())
        rows: Sequence[Row[Any]] = result.all()
        if rows:
            places = [names.index(name) for name in self.order]
            marks = [tuple(row[place] for place in places) for row in rows]
            if any(one == other for one, other in pairwise(marks)):
                raise ConfigError("several rows have the same key", where=where, hint="add a column to `key`")
            self.after = marks[-1]
        return rows


def _behind(dialect: Dialect, columns: Sequence[str]) -> str:
    """The condition for the rows behind ``:after0, :after1, …`` in the form that the database finds by an index."""
    marks = [f":after{place}" for place in range(len(columns))]
    if dialect.name in {"postgresql", "sqlite"}:
        return f"({', '.join(columns)}) > ({', '.join(marks)})"
    condition = f"{columns[-1]} > {marks[-1]}"
    for column, mark in list(zip(columns, marks, strict=True))[-2::-1]:
        condition = f"({column} > {mark} OR ({column} = {mark} AND {condition}))"
    return condition
