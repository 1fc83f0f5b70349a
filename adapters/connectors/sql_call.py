"""Calls a stored procedure or function once per event, or runs one statement, in the engine's transaction.

For applications that let nobody write their tables: they offer ``catat_kematian(nik, tanggal)`` and check what it is
given. What was applied is noted in the same transaction, so a crash calls nothing twice; a batch is one transaction,
its calls in order. With ``key`` an event that is older than the last one of its key is skipped (see ``sql_versions``);
without it every event is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.connectors import sql_versions
from adapters.connectors.event_attributes import OF_EVENT, SEQUENCE, STREAM, values_of
from adapters.connectors.sql_routine import Routine, fields_of, filled, of_call, of_statement, values
from adapters.connectors.sql_versions import ALL, Versions, row_hash
from bus import own_tables
from bus.database import engine, errors, offset
from bus.errors import ConfigError, Rejected
from bus.ports import ConnectorConfig, Context, Delivery, FollowUp

OF_DELIVERY = (*OF_EVENT, STREAM, SEQUENCE)
NO_SAVEPOINT = 1305  #: MariaDB, MySQL: the savepoint is gone, and with it the transaction


class SqlCallConfig(ConnectorConfig):
    """Options of a target with ``connector = "sql_call"``."""

    usual: ClassVar[tuple[str, ...]] = ("call", "parameters")

    url: str = Field(description="the database, by reference: env:NAME")
    call: str | None = Field(
        default=None, description="the procedure or function, with its schema where needed: layanan.catat_kematian"
    )
    statement: str | None = Field(default=None, description="instead of `call`: one statement, each parameter a :name")
    parameters: Mapping[str, str] | tuple[str, ...] = Field(
        default=(),
        examples=[["$key", "$id"]],
        description="in order, or name = what: a field, or $id, $time, $source, $subject, $type, $stream, $sequence "
        "of the event; in a statement a :name without one is the field of that name",
    )
    key: tuple[str, ...] = Field(
        default=(), examples=[["$key"]], description="fields that name what it is about: older events are skipped"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.call is None) == (self.statement is None):
            raise ValueError("write either `call` or `statement`")
        if unknown := sorted(name for name in self.sources if name.startswith("$") and name not in OF_DELIVERY):
            raise ValueError(f"an event has no {unknown[0]}; it has {', '.join(OF_DELIVERY)}")
        return self

    @property
    def sources(self) -> Sequence[str]:
        """What fills the parameters: fields, and ``$id`` and the like."""
        if self.statement is not None:
            return tuple(filled(self.statement, self.parameters).values())
        return tuple(self.parameters.values() if isinstance(self.parameters, Mapping) else self.parameters)


class SqlCall:
    """A sink into a procedure, a function or a statement."""

    Config: ClassVar[type[ConnectorConfig]] = SqlCallConfig

    def __init__(self, config: SqlCallConfig, context: Context) -> None:
        self._config, self._zone = config, context.timezone
        self._name = config.call or "its statement"
        self._where = f"{context.app} {context.name} to {self._name}"
        self._routine: Routine | None = None
        self.database: str | None = config.url
        self.atomic = True

    @staticmethod
    def needs(config: SqlCallConfig) -> frozenset[str]:
        """The fields that a subscription must let through; `bus check` asks for them."""
        return fields_of(config.sources) | frozenset(config.key)

    def ddl(self) -> str:
        """The table that keeps the versions of keys."""
        return own_tables.ddl(self._config.url, sql_versions.metadata, where=self._where) if self._config.key else ""

    async def open(self) -> None:
        """Finds the procedure and the types of its parameters, and makes ``bus_version`` where a key asks for it."""
        made = engine(self._config.url, where=self._where, create=False)
        try:
            with errors(self._where):
                async with made.begin() as connection:
                    self._routine = await self._found(connection)
            if self._config.key:
                await own_tables.make(made, sql_versions.metadata, where=self._where)
        finally:
            await made.dispose()

    async def _found(self, connection: AsyncConnection) -> Routine:
        if self._config.statement is not None:
            sources = filled(self._config.statement, self._config.parameters)
            return await of_statement(connection, self._config.statement, sources, self._zone)
        return await of_call(connection, self._name, self._config.parameters, self._zone, self._where)

    async def apply(self, deliveries: Sequence[Delivery], transaction: AsyncConnection) -> Sequence[FollowUp]:
        """Calls once per event, in their order. Raises BusError; Rejected where the procedure refuses."""
        if self._routine is None:
            raise ConfigError("the target is not open", where=self._where)
        versions = Versions()
        with errors(self._where):
            due = await self._due(deliveries, versions, transaction)
            parameters = [values(self._routine, _visible(delivery)) for delivery in due]
            if parameters:
                await self._call(self._routine, parameters, transaction)
            await versions.save(transaction)
        return ()

    async def _due(
        self, deliveries: Sequence[Delivery], versions: Versions, transaction: AsyncConnection
    ) -> Sequence[Delivery]:
        """The events that are called; with a key those that no newer one of their key has overtaken."""
        if not self._config.key:
            return deliveries
        hashes = [self._hash(delivery) for delivery in deliveries]
        await versions.load(transaction, set(hashes))
        due = []
        for delivery, row in zip(deliveries, hashes, strict=True):
            if versions.free(row, delivery.stream, delivery.version, (ALL,)):
                versions.note(row, delivery.stream, delivery.version, (ALL,))
                due.append(delivery)
        return due

    def _hash(self, delivery: Delivery) -> str:
        visible = delivery.values()
        key = [visible.get(name) for name in self._config.key]
        if None in key:
            raise Rejected(f"isian kunci kosong: {', '.join(self._config.key)}", where=self._where)
        return row_hash(f"call {self._name}", key)

    async def _call(
        self, routine: Routine, parameters: Sequence[Mapping[str, Any]], transaction: AsyncConnection
    ) -> None:
        if transaction.dialect.name in {"postgresql", "sqlite"}:
            await transaction.execute(routine.statement, list(parameters))
            return
        # MariaDB lets a procedure end the caller's transaction: a savepoint tells, and what follows would be in two.
        await transaction.exec_driver_sql(f"SET time_zone = '{offset(self._zone)}'")
        await transaction.exec_driver_sql("SAVEPOINT bus_call")
        await transaction.execute(routine.statement, list(parameters))
        try:
            await transaction.exec_driver_sql("RELEASE SAVEPOINT bus_call")
        except DBAPIError as error:
            if error.orig is None or error.orig.args[:1] != (NO_SAVEPOINT,):
                raise
            raise ConfigError(
                f"{self._name} ends the transaction", where=self._where, hint="take COMMIT, ROLLBACK and DDL out of it"
            ) from None

    async def close(self) -> None:
        """Nothing stays open: the transaction is the engine's."""


def _visible(delivery: Delivery) -> dict[str, Any]:
    """The fields that may be seen, and what is known of the event itself."""
    return values_of(delivery) | {STREAM: delivery.stream, SEQUENCE: delivery.version}
