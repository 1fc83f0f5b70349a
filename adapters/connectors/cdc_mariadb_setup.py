"""What a capture of MariaDB or MySQL needs: settings and rights, no object in the database. And whether it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from adapters.connectors.cdc_progress import Progress
from adapters.connectors.cdc_tables import Tracked, Watched, listed
from bus.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection

PLACE = 2**32
DATES = frozenset({7, 10, 12})  #: TIMESTAMP, DATE and DATETIME in a result's description
TOGETHER = False  #: statements need no transaction
UNTOLD = 1.0  #: seconds that MySQL gets for a commit, since it does not tell when others see it
SETTINGS = {"log_bin": "1", "binlog_format": "ROW", "binlog_row_image": "FULL", "binlog_row_metadata": "FULL"}

_COLUMNS = text("""
SELECT table_schema, table_name, column_name FROM information_schema.columns
WHERE table_schema = COALESCE(:schema, DATABASE()) AND table_name = :table ORDER BY ordinal_position""")
_PRIMARY = text("""
SELECT column_name FROM information_schema.statistics
WHERE table_schema = :schema AND table_name = :table AND index_name = 'PRIMARY' ORDER BY seq_in_index""")


def pack(file: str, place: int) -> int:
    """A place in the log as one number that grows."""
    return int(file.rpartition(".")[2]) * PLACE + place


def statements(_dialect: Dialect, _slot: str, _publication: str, _tables: Mapping[str, Watched]) -> Iterator[str]:
    """Nothing has to be run."""
    return iter(())


def script(dialect: Dialect, _slot: str, _publication: str, tables: Mapping[str, Watched]) -> str:
    """Settings and rights, for the owner."""
    quote = dialect.identifier_preparer.quote_identifier
    names = [".".join(map(quote, (watched.table or name).split("."))) for name, watched in tables.items()]
    return "\n".join(
        [
            "-- In the server's configuration, then a restart:",
            "--   log_bin, binlog_format = ROW, binlog_row_image = FULL, binlog_row_metadata = FULL,",
            "--   log_bin_compress = OFF",
            "-- For the user of the bus:",
            "--   GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO …;",
            *(
                f"--   GRANT SELECT ON {name} TO …;  -- and LOCK TABLES on its database for a MyISAM table"
                for name in names
            ),
            *(
                ["--   and on whatever else its query reads"]
                if any(each.belongs_to for each in tables.values())
                else []
            ),
            "",
        ]
    )


async def tracked(
    connection: AsyncConnection,
    tables: Mapping[str, Watched],
    where: str,
    *,
    installed: bool = True,
) -> list[Tracked]:
    """The tables as they are. Raises ConfigError where one cannot be captured."""
    found = []
    for name, watched in tables.items():
        place = f"{where}.tables.{name}"
        schema, _, table = (watched.table or name).rpartition(".")
        rows = (await connection.execute(_COLUMNS, {"schema": schema or None, "table": table})).all()
        if not rows:
            raise ConfigError(f"there is no table {watched.table or name}", where=place)
        at = {"schema": rows[0][0], "table": rows[0][1]}
        key = watched.key or tuple((await connection.execute(_PRIMARY, at)).scalars())
        if not key:
            raise ConfigError("the table has no primary key", where=place, hint="name the columns of its `key`")
        columns, known = (
            tuple(dict.fromkeys((*key, *watched.columns, *watched.where))),
            [column for _, _, column in rows],
        )
        if missing := [column for column in columns if column not in known]:
            raise ConfigError(f"the table has no column {listed(missing)}", where=place, hint=f"it has {listed(known)}")
        found.append(Tracked(name, at["schema"], at["table"], key, columns, watched.where, watched.belongs_to))
    return found


async def check(
    connection: AsyncConnection, _slot: str, _publication: str, _tables: Sequence[Tracked], where: str
) -> str:
    """Whether the server logs whole rows; returns which log it is, ``binlog@1``. Raises ConfigError."""
    rows = (await connection.exec_driver_sql("SHOW GLOBAL VARIABLES LIKE '%%log%%'")).all()
    found = {name: {"ON": "1", "OFF": "0"}.get(value, value) for name, value in (tuple(row) for row in rows)}
    for name, wanted in SETTINGS.items():
        if found.get(name) != wanted:
            raise ConfigError(
                f"{name} is {found.get(name, 'unknown')}, not {wanted}",
                where=where,
                hint="see the ddl; a server that has no such setting needs sql_outbox",
            )
    if found.get("log_bin_compress") == "1":
        raise ConfigError("log_bin_compress is ON", where=where, hint="switch it off")
    server = (await connection.exec_driver_sql("SELECT @@server_id")).scalar()
    base = found.get("log_bin_basename", "").replace("\\", "/").rpartition("/")[2]
    return f"{base}@{server}"


async def visible(connection: AsyncConnection, place: int, _xids: frozenset[int]) -> bool:
    """Whether everybody sees the transaction that begins at this place of the log: it is written before it is made."""
    rows = (await connection.exec_driver_sql("SHOW STATUS LIKE 'binlog_snapshot_%%'")).all()
    told = {str(name).lower(): value for name, value in (tuple(row) for row in rows)}
    if "binlog_snapshot_file" in told:
        return pack(str(told["binlog_snapshot_file"]), int(told["binlog_snapshot_position"])) > place
    await asyncio.sleep(UNTOLD)
    return True


def shown(progress: Progress) -> str:
    """The place in the log as the server writes it."""
    number, place = divmod(max(progress.place, progress.start), PLACE)
    return f"{progress.log.rpartition('@')[0]}.{number:06}:{place}" if place else ""


def dates(description: Sequence[Any]) -> list[str]:
    """The columns of a result that are dates; the driver gives those that are none (0000-00-00) as texts."""
    return [name for name, kind, *_ in description if kind in DATES]
