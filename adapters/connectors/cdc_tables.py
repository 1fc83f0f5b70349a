"""The tables of a log-based capture: what the contract says of them, and how their rows become records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from adapters.connectors.sql import place_of, text_of
from bus.errors import ConfigError
from bus.ports import OPERATION, Record

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

INBOX = "bus_inbox"  #: a transaction with a row in this table was written by the bus
Operation = Literal["insert", "update", "delete", "snapshot"]
Row = dict[str, Any]
TableName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$", max_length=40)]


class Watched(BaseModel):
    """A table that is captured, ``[source.<name>.tables.<table>]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    usual: ClassVar[tuple[str, ...]] = ("columns",)

    table: str = Field(default="", description="the table, with its schema where needed; none: its name here")
    key: tuple[str, ...] = Field(default=(), description="columns that name a row; none: the primary key")
    columns: tuple[str, ...] = Field(default=(), description="columns that an event needs, beside the key; never *")
    where: Mapping[str, str] = Field(
        default_factory=dict, description="only rows with these values, column = value; a row that leaves is not told"
    )
    belongs_to: Mapping[str, str] = Field(
        default_factory=dict,
        description="with a `query`, instead of all these: which of its rows a row here belongs to, its column = ours",
    )

    def captured(self) -> Watched:
        """What is read out of the log: for a query only what its rows are found by."""
        if not self.belongs_to:
            return self
        names = tuple(dict.fromkeys(self.belongs_to.values()))
        return self.model_copy(update={"key": names, "columns": names})


@dataclass(slots=True)
class Tracked:
    """A table as it was found in the database."""

    name: str  #: in the contract
    schema: str
    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]  #: the key's, those of the contract and those of ``where``, each once
    where: Mapping[str, str] = field(default_factory=dict)
    belongs_to: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""  #: of a record's key

    def __post_init__(self) -> None:
        self.prefix = f'["{self.name}",'

    def wanted(self, row: Mapping[str, Any]) -> bool:
        """Whether the row has the values of ``where``; columns that are not there do not count."""
        if not self.where:
            return True
        return all(name not in row or text_of(row[name]) == value for name, value in self.where.items())

    def logged(self, columns: Collection[str], now: Callable[[], Collection[str]], where: str) -> tuple[str, ...]:
        """Those of its columns that a change in the log has.

        Raises ConfigError where the table has lost one. One that it has again, ``now``, is left out of the changes
        that were made without it: they become dead letters, and a redrive reads the row as it is.
        """
        missing = [name for name in self.columns if name not in columns]
        if missing and (self.belongs_to or not set(self.key).isdisjoint(missing) or not set(missing) <= set(now())):
            raise ConfigError(
                f"table {self.table} has no column {listed(missing)} any more",
                where=f"{where}.tables.{self.name}",
                hint="adjust the contract; nothing is lost meanwhile",
            )
        return tuple(name for name in self.columns if name in columns)

    def columns_now(self, connection: Any) -> frozenset[str]:
        """The table's columns as they are now, by a connection of a driver."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
                (self.schema, self.table),
            )
            return frozenset(row[0] for row in cursor.fetchall())

    def key_of(self, values: Sequence[Any]) -> str:
        """The record's key: a JSON list of the table's name and the texts of its key, as ``sql.key_of`` makes it."""
        return self.prefix + ",".join([encode_basestring(text_of(value)) for value in values]) + "]"

    def record(self, row: Row, operation: Operation, version: str, at: datetime | None = None) -> Record:
        """The record of one change. ``row`` becomes its data. For a query: by which columns to find its rows."""
        if self.belongs_to:
            return Record("", {name: row[column] for name, column in self.belongs_to.items()}, at=at)
        values = [row[name] for name in self.key]
        place = place_of(self.key, values)
        row["_kejadian"], row[OPERATION] = self.name, operation
        return Record(self.key_of(values), row, version, "", place and f"{self.table} {place}", at)


@dataclass(frozen=True, slots=True)
class Capture:
    """What a reader of a log is to read, for one opening of the source."""

    url: URL
    slot: str
    publication: str  #: PostgreSQL's
    looking: bool  #: a query reads what there is: here is the log alone
    tables: Sequence[Tracked]
    batch: int  #: changes
    heartbeat: float  #: seconds
    zone: tzinfo
    where: str


def version_of(place: int, index: int) -> str:
    """A version that orders as text: the place of a transaction in the log, and the change's number within it."""
    return f"{place:016x}.{index:08}"


def moved(tracked: Tracked, old: Mapping[str, Any] | None, row: Mapping[str, Any]) -> bool:
    """Whether an update changed the row's key."""
    return old is not None and any(old[name] != row[name] for name in tracked.key)


def same(tracked: Tracked, old: Mapping[str, Any] | None, row: Mapping[str, Any]) -> bool:
    """Whether an update left all columns as they were that are read here. A row of a query has others as well."""
    return old == row and not tracked.belongs_to


def listed(names: Sequence[str]) -> str:
    """Names for an error's text."""
    return ", ".join(names)
