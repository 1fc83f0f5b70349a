"""Whether an outbox is there as its contract says: its table, its triggers, what they name, all of the same kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text
from sqlalchemy.exc import NoSuchTableError

from adapters.connectors.sql_outbox_watch import Watch, trigger_name
from bus.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_catalog.pg_trigger WHERE NOT tgisinternal",
    "mssql": "SELECT name FROM sys.triggers",
    "oracle": "SELECT trigger_name FROM all_triggers",
}
_MARIADB_TRIGGERS = "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
_TRANSACTIONS = text(
    "SELECT e.transactions FROM information_schema.tables t JOIN information_schema.engines e ON e.engine = t.engine "
    "WHERE t.table_schema = COALESCE(:schema, DATABASE()) AND t.table_name = :name"
)
_HINT = "install it, see its ddl"


async def check(
    connection: AsyncConnection, table: str, watches: Mapping[str, Watch], transactions: bool, where: str
) -> None:
    """Raises ConfigError where something is missing, or where MariaDB's tables do not keep transactions alike.

    An owner may drop a column, and a migration that makes a table anew loses its triggers: asked now and then.
    """
    schema, _, name = table.rpartition(".")
    if not await connection.run_sync(lambda sync: inspect(sync).has_table(name, schema=schema or None)):
        raise ConfigError(f"there is no outbox table {name}", where=where, hint=_HINT)
    query = _TRIGGERS.get(connection.dialect.name, _MARIADB_TRIGGERS)
    known = {name.lower() for name in (await connection.exec_driver_sql(query)).scalars()}
    for watch, options in watches.items():
        await _check_columns(connection, options, f"{where}.watch.{watch}")
        for operation in options.on:
            if (trigger := trigger_name(watch, operation)) not in known:
                raise ConfigError(f"there is no trigger {trigger}", where=where, hint=_HINT)
    if connection.dialect.name not in _TRIGGERS:
        for each in (table, *(watch.table for watch in watches.values())):
            await _check_engine(connection, each, transactions, where)


async def _check_columns(connection: AsyncConnection, watch: Watch, where: str) -> None:
    schema, _, name = watch.table.rpartition(".")
    try:
        found = await connection.run_sync(lambda sync: inspect(sync).get_columns(name, schema=schema or None))
    except NoSuchTableError:
        raise ConfigError(f"there is no table {watch.table}", where=where) from None
    known = {column["name"].lower() for column in found}
    if missing := [column for column in watch.all_columns if column.lower() not in known]:
        raise ConfigError(
            f"the table {watch.table} has no column {', '.join(missing)}",
            where=where,
            hint="bring it back, or name another in the contract and install it again",
        )


async def _check_engine(connection: AsyncConnection, table: str, transactions: bool, where: str) -> None:
    """A statement that fails must leave the same changes in the outbox as in the tables that it watches."""
    schema, _, name = table.rpartition(".")
    found = (await connection.execute(_TRANSACTIONS, {"schema": schema or None, "name": name})).scalar()
    if found is None or (found == "YES") == transactions:  # a view has no engine
        return
    wanted = "false, and another `table` for the outbox" if transactions else "true, or watch it by a source of its own"
    has = "has no transactions (MyISAM)" if transactions else "has transactions"
    raise ConfigError(f"the table {table} {has}", where=where, hint=f"write transactions = {wanted}; then install it")
