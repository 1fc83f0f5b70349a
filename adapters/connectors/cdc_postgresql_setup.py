"""What a capture of PostgreSQL needs in the database, for the owner's approval, and whether it is there.

A publication of the tables, a replication slot that keeps the log until it is read, and ``bus_inbox``, by whose rows
the bus's own transactions are known. The publication's comment names the slot's beginning: a slot that was made again
has a gap behind it.
"""

# ruff: noqa: S608 - names are quoted, and the owner reads and approves what is made of the contract

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from adapters.connectors.cdc_progress import Progress, numbers_of, visible_in
from adapters.connectors.cdc_tables import INBOX, Tracked, Watched, listed
from adapters.connectors.sql import literal, quoted
from bus.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection

TOGETHER = False  #: a slot is made in a transaction that has written nothing

_TABLE = text("""
SELECT c.oid, n.nspname, c.relname, c.relreplident::text AS identity
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(:name) AND c.relkind IN ('r', 'p')""")
_COLUMNS = text("SELECT attname::text FROM pg_attribute WHERE attrelid = :oid AND attnum > 0 AND NOT attisdropped")
_INDEX = text("""
SELECT a.attname::text FROM pg_index i
JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place) ON true
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = :oid AND CASE WHEN :replica THEN i.indisreplident ELSE i.indisprimary END
ORDER BY k.place""")
_PUBLISHED = text("""
SELECT p.oid, obj_description(p.oid, 'pg_publication') AS since,
  array(SELECT prrelid::int8 FROM pg_publication_rel WHERE prpubid = p.oid) AS tables
FROM pg_publication p WHERE pubname = :name""")
_SLOT = text("SELECT wal_status, plugin FROM pg_replication_slots WHERE slot_name = :name")


def script(dialect: Dialect, slot: str, publication: str, tables: Mapping[str, Watched]) -> str:
    """Everything as one script for the database's own client."""
    return ";\n\n".join(statements(dialect, slot, publication, tables)) + ";\n"


def statements(dialect: Dialect, slot: str, publication: str, tables: Mapping[str, Watched]) -> Iterator[str]:
    """Everything to run, in order, each in a transaction of its own; each can be run again."""
    names = ", ".join([*(quoted(dialect, watched.table or name) for name, watched in tables.items()), INBOX])
    yield (
        f"CREATE TABLE IF NOT EXISTS {INBOX} (\n"
        "  consumer varchar(120) NOT NULL,\n  event_id varchar(64) NOT NULL,\n"
        "  applied_at timestamp with time zone NOT NULL,\n  PRIMARY KEY (consumer, event_id)\n)"
    )
    yield f"CREATE INDEX IF NOT EXISTS ix_{INBOX}_applied_at ON {INBOX} (applied_at)"
    for name, watched in tables.items():
        if watched.belongs_to:
            yield _whole(quoted(dialect, watched.table or name), watched)
    yield (
        f"DO $$ BEGIN\n  IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = '{publication}') THEN\n"
        f"    CREATE PUBLICATION {publication}\n"
        "      WITH (publish = 'insert, update, delete', publish_via_partition_root = true);\n  END IF;\nEND $$"
    )
    yield f"ALTER PUBLICATION {publication} SET TABLE {names}"
    yield (
        "DO $$ DECLARE since pg_lsn; BEGIN\n"
        f"  PERFORM pg_drop_replication_slot(slot_name) FROM pg_replication_slots\n"
        f"    WHERE slot_name = '{slot}' AND wal_status = 'lost';\n"
        f"  IF NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{slot}') THEN\n"
        f"    SELECT lsn INTO since FROM pg_create_logical_replication_slot('{slot}', 'pgoutput');\n"
        f"    EXECUTE format('COMMENT ON PUBLICATION {publication} IS %L', 'slot since ' || since);\n"
        "  END IF;\nEND $$"
    )


def _whole(table: str, watched: Watched) -> str:
    """Makes deletes and updates tell by which columns the rows of a query are found, where the primary key does not."""
    names = ", ".join(literal(name) for name in watched.key)
    return (
        "DO $$ BEGIN\n"
        f"  IF (SELECT relreplident = 'd' FROM pg_class WHERE oid = {literal(table)}::regclass)\n"
        f"    AND EXISTS (SELECT FROM unnest(ARRAY[{names}]) AS wanted WHERE wanted NOT IN (\n"
        "      SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid\n"
        f"        AND a.attnum = ANY (i.indkey) WHERE i.indisprimary AND i.indrelid = {literal(table)}::regclass))\n"
        f"  THEN ALTER TABLE {table} REPLICA IDENTITY FULL;\n  END IF;\nEND $$"
    )


async def tracked(
    connection: AsyncConnection, tables: Mapping[str, Watched], where: str, *, installed: bool = True
) -> list[Tracked]:
    """The tables as they are. Raises ConfigError where one cannot be captured."""
    found = []
    for name, watched in tables.items():
        place = f"{where}.tables.{name}"
        wanted = quoted(connection.dialect, watched.table or name)
        row = (await connection.execute(_TABLE, {"name": wanted})).first()
        if row is None:
            raise ConfigError(f"there is no table {wanted}", where=place)
        primary = list((await connection.execute(_INDEX, {"oid": row.oid, "replica": False})).scalars())
        key = watched.key or tuple(primary)
        if not key:
            raise ConfigError("the table has no primary key", where=place, hint="name the columns of its `key`")
        if installed or not watched.belongs_to:
            await _check_identity(connection, row.oid, row.identity, primary, key, place)
        columns = tuple(dict.fromkeys((*key, *watched.columns, *watched.where)))
        known = list((await connection.execute(_COLUMNS, {"oid": row.oid})).scalars())
        if missing := [column for column in columns if column not in known]:
            raise ConfigError(f"the table has no column {listed(missing)}", where=place, hint=f"it has {listed(known)}")
        found.append(Tracked(name, row.nspname, row.relname, key, columns, watched.where, watched.belongs_to))
    return found


async def _check_identity(
    connection: AsyncConnection, oid: int, identity: str, primary: Sequence[str], key: Sequence[str], place: str
) -> None:
    """A delete must tell the key; and without an identity the application's own updates would fail once published."""
    if identity == "f":
        return
    told = primary
    if identity != "d":
        told = list((await connection.execute(_INDEX, {"oid": oid, "replica": True})).scalars())
    if missing := [column for column in key if column not in told]:
        raise ConfigError(
            f"a delete does not tell {listed(missing)}", where=place, hint="ALTER TABLE … REPLICA IDENTITY FULL"
        )


async def check(connection: AsyncConnection, slot: str, publication: str, tables: Sequence[Tracked], where: str) -> str:
    """Whether everything is installed; returns which slot it is. Raises ConfigError."""
    if (level := (await connection.exec_driver_sql("SHOW wal_level")).scalar()) != "logical":
        raise ConfigError(f"wal_level is {level}", where=where, hint="set it to logical and restart the server")
    published = (await connection.execute(_PUBLISHED, {"name": publication})).first()
    row = (await connection.execute(_SLOT, {"name": slot})).first()
    if published is None or row is None or row.plugin != "pgoutput":
        what = f"publication {publication}" if published is None else f"replication slot {slot} of pgoutput"
        raise ConfigError(f"there is no {what}", where=where, hint="install it, see its ddl")
    if row.wal_status == "lost":
        raise ConfigError(
            f"the server has removed log that slot {slot} had not read",
            where=where,
            hint="install it again and raise `resnapshot`",
        )
    for name in [*(f'"{each.schema}"."{each.table}"' for each in tables), INBOX]:
        oid = (await connection.execute(text("SELECT to_regclass(:name)::oid::int8"), {"name": name})).scalar()
        if oid not in published.tables:
            raise ConfigError(f"publication {publication} has no table {name}", where=where, hint="install it again")
    return str(published.since or "")


async def visible(connection: AsyncConnection, _place: int, xids: frozenset[int]) -> bool:
    """Whether everybody sees these transactions: a commit stands in the log a moment before."""
    snapshot = (await connection.exec_driver_sql("SELECT pg_current_snapshot()::text")).scalar()
    seen = numbers_of(str(snapshot))
    return all(visible_in(xid, seen) for xid in xids)


def shown(progress: Progress) -> str:
    """The place in the log as PostgreSQL writes it; before the log is read, that of the snapshot."""
    place = progress.place or max((each.until for each in progress.ranges), default=0)
    return f"{place >> 32:X}/{place & 0xFFFFFFFF:X}" if place else ""


def dates(_description: Sequence[Any]) -> list[str]:
    """Every date is one."""
    return []
