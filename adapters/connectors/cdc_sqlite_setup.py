"""What a capture of SQLite needs in the database, which has no log of its own: a table, and triggers that fill it.

A trigger writes down each change in the transaction that makes it, but not what the bus itself writes
(``bus.database.mark_as_bus``). Not seen: the delete half of INSERT OR REPLACE where it removes a row of another key.
"""

# ruff: noqa: S608 - names are quoted, and the owner reads and approves what is made of the contract

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adapters.connectors.cdc_progress import Progress
from adapters.connectors.cdc_tables import Operation, Tracked, Watched, listed
from adapters.connectors.sqlite_json import quote, row_as_json
from bus.database import WRITING_TABLE
from bus.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection

CHANGES = "bus_change"  #: the table of changes
CAPTURES = "bus_capture"  #: one row per source: which log it is
TOGETHER = True  #: one transaction: no change goes by between an old trigger and its successor
OPERATIONS: tuple[Operation, ...] = ("insert", "update", "delete")
TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"


def script(dialect: Dialect, slot: str, publication: str, tables: Mapping[str, Watched]) -> str:
    """Everything as one script for the database's own client."""
    return ";\n\n".join(["BEGIN", *statements(dialect, slot, publication, tables), "COMMIT"]) + ";\n"


def statements(_dialect: Dialect, slot: str, _publication: str, tables: Mapping[str, Watched]) -> Iterator[str]:
    """Everything to run, in order; it can be run again, and replaces the triggers."""
    yield (
        f"CREATE TABLE IF NOT EXISTS {CHANGES} (\n"
        "  id INTEGER PRIMARY KEY AUTOINCREMENT,\n  slot TEXT NOT NULL,\n  name TEXT NOT NULL,\n"
        "  operation TEXT NOT NULL,\n  data TEXT NOT NULL,\n"
        "  at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))\n)"
    )
    yield f"CREATE INDEX IF NOT EXISTS {CHANGES}_slot ON {CHANGES} (slot, id)"
    yield f"CREATE TABLE IF NOT EXISTS {CAPTURES} (slot TEXT PRIMARY KEY, since TEXT NOT NULL)"
    yield f"INSERT OR IGNORE INTO {CAPTURES} VALUES ('{slot}', hex(randomblob(8)))"
    yield f"CREATE TABLE IF NOT EXISTS {WRITING_TABLE} (writing INTEGER NOT NULL)"
    for name, watched in tables.items():
        if not watched.key:
            raise ConfigError(
                "without a look into the database its primary key is not known",
                where=f"tables.{name}",
                hint="name its columns as `key`",
            )
        columns = _columns(watched, watched.key)
        table = Tracked(name, "main", _table(name, watched), watched.key, columns, belongs_to=watched.belongs_to)
        for trigger, created in _triggers(slot, table).items():
            yield f"DROP TRIGGER IF EXISTS {quote(trigger)}"
            yield created


def _table(name: str, watched: Watched) -> str:
    return (watched.table or name).rpartition(".")[2]


def _columns(watched: Watched, key: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*key, *watched.columns, *watched.where)))


def _triggers(slot: str, table: Tracked) -> dict[str, str]:
    """The triggers of a table, by their names."""
    return {f"{slot}_{table.name}_{operation}": _trigger(slot, table, operation) for operation in OPERATIONS}


def _trigger(slot: str, table: Tracked, operation: Operation) -> str:
    when = f"NOT EXISTS (SELECT 1 FROM {WRITING_TABLE})"
    into = f"INSERT INTO {CHANGES} (slot, name, operation, data)\n  SELECT '{slot}', '{table.name}'"
    new, old, moved = row_as_json("NEW.", table.columns), row_as_json("OLD.", table.columns), _differ(table.key)
    match operation:
        case "insert":
            body = f"{into}, 'insert', {new}"
        case "delete":
            body = f"{into}, 'delete', {old}"
        case _:
            if not table.belongs_to:  # a query may look at any column
                when += f" AND ({_differ(table.columns)})"
            body = f"{into}, 'delete', {old} WHERE {moved};\n"
            body += f"  {into}, CASE WHEN {moved} THEN 'insert' ELSE 'update' END, {new}"
    return (
        f'CREATE TRIGGER "{slot}_{table.name}_{operation}" AFTER {operation.upper()} ON {quote(table.table)}\n'
        f"WHEN {when}\nBEGIN\n  {body};\nEND"
    )


def _differ(columns: Sequence[str]) -> str:
    return " OR ".join(f"NEW.{quote(name)} IS NOT OLD.{quote(name)}" for name in columns)


async def tracked(
    connection: AsyncConnection, tables: Mapping[str, Watched], where: str, *, installed: bool = True
) -> list[Tracked]:
    """The tables as they are. Raises ConfigError where one cannot be captured."""
    found = []
    for name, watched in tables.items():
        place = f"{where}.tables.{name}"
        table = _table(name, watched)
        rows = (await connection.exec_driver_sql(f"PRAGMA table_info({quote(table)})")).all()
        if not rows:
            raise ConfigError(f"there is no table {table}", where=place)
        places = {name: place for _, name, _, _, _, place in map(tuple, rows)}  # in the primary key, from 1 on
        known = list(places)
        key = watched.key or tuple(sorted((each for each in known if places[each]), key=places.__getitem__))
        if not key:
            raise ConfigError("the table has no primary key", where=place, hint="name the columns of its `key`")
        columns = _columns(watched, key)
        if missing := [column for column in columns if column not in known]:
            raise ConfigError(f"the table has no column {listed(missing)}", where=place, hint=f"it has {listed(known)}")
        found.append(Tracked(name, "main", table, key, columns, watched.where, watched.belongs_to))
    return found


async def check(
    connection: AsyncConnection, slot: str, _publication: str, tables: Sequence[Tracked], where: str
) -> str:
    """Whether the triggers are there; returns which log they fill. Raises ConfigError."""
    rows = (await connection.exec_driver_sql(TRIGGERS)).all()
    found = {str(name): str(sql) for name, sql in map(tuple, rows)}
    check_triggers(found, slot, tables, where)
    query = f"SELECT since FROM {CAPTURES} WHERE slot = '{slot}'"
    return str((await connection.exec_driver_sql(query)).scalar() or "")


def check_triggers(
    found: Mapping[str, str], slot: str, tables: Sequence[Tracked], where: str, *, begun: bool = False
) -> None:
    """Raises ConfigError where a trigger is missing, or was made for another contract."""
    hint = "install it again, and raise `resnapshot`" if begun else "install it, see its ddl"
    for each in tables:
        for name, wanted in _triggers(slot, each).items():
            if found.get(name, "").split() != wanted.split():
                what = f"trigger {name} is gone, or another one" if begun else f"there is no such trigger {name}"
                raise ConfigError(what, where=f"{where}.tables.{each.name}", hint=hint)


async def visible(_connection: AsyncConnection, _place: int, _xids: frozenset[int]) -> bool:
    """Whoever reads of a change sees it."""
    return True


def shown(progress: Progress) -> str:
    """The number of the last change."""
    return f"{CHANGES} {progress.place}" if progress.place else ""


def dates(_description: Sequence[Any]) -> list[str]:
    """Every date is one."""
    return []
