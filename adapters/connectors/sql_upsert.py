"""Writes events into a table: one row per key, inserted or updated, or deleted with ``on_event = "delete"``.

Existing rows are looked up by ``key`` and locked, then updated or inserted; so neither another unique key nor a NOT
NULL column that the contract leaves alone decides what happens. Each event hits the table once, in order per key; one
that is older than what stands there (see ``sql_versions``) is skipped. All of it happens in the engine's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.connectors import sql_versions
from adapters.connectors.event_attributes import OF_EVENT
from adapters.connectors.keys import folded
from adapters.connectors.sql_columns import Convert, reflected
from adapters.connectors.sql_target import Name, Operation, Target, names, simple_types, written
from adapters.connectors.sql_versions import ALL, Versions, row_hash
from bus import own_tables
from bus.database import engine, errors
from bus.errors import ConfigError, Rejected
from bus.ports import ConnectorConfig, Context, Delivery, FollowUp

RACES = 3  #: how often an insert may find that the application has just made the row


class SqlUpsertConfig(ConnectorConfig):
    """Options of a target with ``connector = "sql_upsert"``."""

    url: str = Field(description="the database, by reference: env:NAME")
    table: str = Field(description="the table, with its schema where needed: schema.table")
    key: tuple[str, ...] = Field(min_length=1, examples=[["$key"]], description="columns that name a row")
    columns: Mapping[str, str] | None = Field(
        default=None,
        examples=[{"$key": "$key", "event_id": "$id"}],
        description="column = field, or $id, $time, $source, $subject, $type of the event; none: field by field",
    )
    constants: Mapping[str, str | int | float | bool] = Field(
        default_factory=dict, description='column = value, written with every event: status = "batal"'
    )
    on_event: Literal["upsert", "delete"] = Field(default="upsert", description="delete: the row of the key goes")


@dataclass(frozen=True, slots=True)
class _Plan:
    """How an event fills the columns of its row: column, conversion, and where the value is from."""

    constants: Mapping[str, Any]
    fields: Sequence[tuple[str, Convert, str]]
    attributes: Sequence[tuple[str, Convert, str]]  #: of the event itself
    guarded: tuple[str, ...]  #: the columns that an older event must not overwrite
    of_event: tuple[str, ...]  #: those that tell of the event, and go with whatever it writes
    written: tuple[str, ...]  #: all but the key


@dataclass(frozen=True, slots=True)
class _Row:
    """One event as a row of the target."""

    key: tuple[Any, ...]
    fold: Name  #: of the key
    hash: str
    values: dict[str, Any]
    stream: str
    version: int


class SqlUpsert:
    """A sink into one table."""

    Config: ClassVar[type[ConnectorConfig]] = SqlUpsertConfig

    def __init__(self, config: SqlUpsertConfig, context: Context) -> None:
        self._config, self._zone = config, context.timezone
        self._where = f"{context.app} {context.name} to {config.table}"
        self._convert: dict[str, Convert] = {}
        self._types: dict[str, str] = {}
        self._plan: _Plan | None = None
        self.database: str | None = config.url
        self.atomic = True

    @staticmethod
    def needs(config: SqlUpsertConfig) -> frozenset[str]:
        """The fields that a subscription must let through; `bus check` asks for them."""
        if config.columns is None:
            return frozenset(config.key) - config.constants.keys()
        return frozenset(source for source in config.columns.values() if not source.startswith("$"))

    def ddl(self) -> str:
        """The table that keeps the versions of rows."""
        return own_tables.ddl(self._config.url, sql_versions.metadata, where=self._where)

    async def open(self) -> None:
        """Compares the options with the table as it is, and makes ``bus_version`` beside it."""
        made = engine(self._config.url, where=self._where, create=False)
        try:
            with errors(self._where):
                async with made.begin() as connection:
                    self._convert = await connection.run_sync(reflected, self._config.table, self._zone, self._where)
                    self._types = await simple_types(connection, self._config.table)
                self._plan = None
                self._check([*self._config.key, *(self._config.columns or ()), *self._config.constants])
                if self._config.columns is not None:
                    self._check_key({*self._config.columns, *self._config.constants})
            await own_tables.make(made, sql_versions.metadata, where=self._where)
        finally:
            await made.dispose()

    def _check(self, columns: Sequence[str]) -> None:
        """Raises ConfigError for a column that the table lacks."""
        for column in columns:
            if column not in self._convert:
                raise ConfigError(
                    f"the table {self._config.table} has no column {column}",
                    where=self._where,
                    hint=f"it has {', '.join(self._convert)}",
                )

    def _check_key(self, filled: set[str]) -> None:
        if missing := set(self._config.key) - filled:
            raise ConfigError(
                f"no field fills the key column {min(missing)}", where=self._where, hint="add it to `columns`"
            )

    async def apply(self, deliveries: Sequence[Delivery], transaction: AsyncConnection) -> Sequence[FollowUp]:
        """Writes the events in their order. Raises BusError; ConfigError where a column is lacking."""
        if self._plan is None:
            self._plan = self._planned(deliveries[0].values())
        rows = [self._row(delivery, self._plan) for delivery in deliveries]
        target = Target(transaction.dialect, self._config.table, self._config.key, self._types)
        with errors(self._where):
            await target.begin(transaction, len(rows), self._zone)
            await self._write(transaction, target, rows, self._plan)
        return ()

    async def _write(self, connection: AsyncConnection, target: Target, rows: Sequence[_Row], plan: _Plan) -> None:
        """Writes the rows. Raises IntegrityError."""
        folds = {row.key: row.fold for row in rows}
        keys = list(folds)
        for race in range(RACES):
            existing = await target.existing(connection, keys)
            try:
                async with connection.begin_nested():
                    await self._write_known(connection, target, rows, plan, names(folds), set(existing))
            except IntegrityError:
                # Somebody else may have made the row since we looked: then it exists now.
                if race < RACES - 1 and await target.existing(connection, keys) != existing:
                    continue
                if len(set(folds.values())) == len(keys):
                    raise
                for row in rows:  # two keys were one to the database: the second finds the row of the first
                    await self._write(connection, target, [row], plan)
            return

    def _row(self, delivery: Delivery, plan: _Plan) -> _Row:
        data, event, values = delivery.data.__dict__, delivery.event, dict(plan.constants)
        for column, convert, field in plan.fields:
            values[column] = convert(data[field])
        for column, convert, attribute in plan.attributes:
            values[column] = convert(getattr(event, attribute))
        key = tuple([values[column] for column in self._config.key])
        if None in key:
            raise Rejected(f"kolom kunci kosong: {', '.join(self._config.key)}", where=self._where)
        fold = folded(written(key))
        return _Row(key, fold, row_hash(self._config.table, key), values, delivery.stream, delivery.version)

    def _planned(self, visible: Mapping[str, Any]) -> _Plan:
        """Which field fills which column. Raises ConfigError where `fields` and the table do not meet."""
        sources = dict(self._config.columns or {name: name for name in visible})
        for column, source in sources.items():
            if source not in OF_EVENT and source not in visible:
                raise ConfigError(f"`columns` names {source}, which is not in `fields`", where=self._where)
            self._check([column])
        self._check_key({*sources, *self._config.constants})
        convert = self._convert
        own = [name for name in (*sources, *self._config.constants) if name not in self._config.key]
        of_event = tuple(name for name in own if sources.get(name) in OF_EVENT)
        guarded = tuple(name for name in own if name not in of_event)
        deletes = self._config.on_event == "delete"
        return _Plan(
            constants={name: convert[name](value) for name, value in self._config.constants.items()},
            fields=[(name, convert[name], source) for name, source in sources.items() if source not in OF_EVENT],
            attributes=[(name, convert[name], OF_EVENT[each]) for name, each in sources.items() if each in OF_EVENT],
            guarded=(ALL,) if deletes else guarded or self._config.key,
            of_event=of_event,
            written=() if deletes else (*guarded, *of_event),
        )

    async def _write_known(
        self,
        connection: AsyncConnection,
        target: Target,
        rows: Sequence[_Row],
        plan: _Plan,
        known: Mapping[tuple[Any, ...], Name],
        existing: set[Name],
    ) -> None:
        """Writes the rows, run by run, and their versions; ``existing``, by what keys are ``known``, is kept up."""
        versions = Versions()
        await versions.load(connection, {row.hash for row in rows})
        for run in _runs(rows):
            writes: dict[tuple[Operation, tuple[str, ...]], list[tuple[Any, ...]]] = defaultdict(list)
            for row in run:
                columns = self._columns(row, versions, plan)
                if columns is None:
                    continue
                name = known[row.key]
                operation = self._operation(name in existing)
                existing.add(name)
                writes[operation, columns].append((*[row.values[column] for column in columns], *row.key))
            for (operation, columns), values in writes.items():
                await target.write(connection, operation, columns, values)
        await versions.save(connection)

    def _operation(self, exists: bool) -> Operation:
        if self._config.on_event == "delete":
            return "delete"
        return "update" if exists else "insert"

    def _columns(self, row: _Row, versions: Versions, plan: _Plan) -> tuple[str, ...] | None:
        """The columns that this event may still write; None where newer ones have written all of them."""
        free = versions.free(row.hash, row.stream, row.version, plan.guarded)
        if not free:
            return None
        versions.note(row.hash, row.stream, row.version, free)
        if free is plan.guarded:
            return plan.written
        return (*(name for name in free if name not in self._config.key), *plan.of_event)

    async def close(self) -> None:
        """Nothing stays open: the transaction is the engine's."""


def _runs(rows: Sequence[_Row]) -> list[list[_Row]]:
    """The rows in as few runs as keep each key once per run, and its events in order."""
    runs: list[list[_Row]] = []
    counts: dict[Name, int] = defaultdict(int)
    for row in rows:
        if counts[row.fold] == len(runs):
            runs.append([])
        runs[counts[row.fold]].append(row)
        counts[row.fold] += 1
    return runs
