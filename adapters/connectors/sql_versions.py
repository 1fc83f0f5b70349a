"""The version guard: an older event never overwrites what a newer one wrote.

In the target's database ``bus_version`` keeps for each row which version of which stream wrote which columns last; it
is written in the transaction of the effect. Versions are those of one stream (one OPD): between streams there is no
order, and the later delivery wins. Two subscriptions may fill different columns of one row without losing either's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, MetaData, String, Table, Text

from adapters.connectors.sql import parameters, text_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

ALL = "*"  #: the columns of a delete

metadata = MetaData()
TABLE = Table(
    "bus_version",
    metadata,
    Column("row_hash", String(32), primary_key=True, comment="of the table's name and the key"),
    Column("stream", String(80), primary_key=True),
    Column("columns_hash", String(16), primary_key=True),
    Column("columns", Text, nullable=False, comment="written by that event, * by a delete"),
    Column("version", BigInteger, nullable=False, comment="place of the event in the stream"),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
    mariadb_engine="InnoDB",
    mariadb_charset="utf8mb4",
)
_INSERT = "INSERT INTO bus_version (stream, columns_hash, columns, row_hash, version)"
_CONFLICT = "ON CONFLICT (row_hash, stream, columns_hash) DO UPDATE SET version = excluded.version"


def row_hash(table: str, key: Sequence[Any]) -> str:
    """The name of a target row: a hash, since the key may be personal data."""
    texts = "\0".join([table, *map(text_of, key)])
    return blake2b(texts.encode(), digest_size=16).hexdigest()


class Versions:
    """What is known of the rows that one batch writes."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[str, int]] = {}  # (row, stream) -> columns -> version
        self._noted: dict[tuple[str, str], dict[str, int]] = {}  # (stream, columns) -> row -> version

    async def load(self, connection: AsyncConnection, rows: Collection[str]) -> None:
        """Reads, and locks where the database can, what is stored for these rows."""
        lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
        columns = "row_hash, stream, columns, version"
        values: tuple[Any, ...]
        if connection.dialect.name == "postgresql":
            # Looked up one by one, in the index: for a list PostgreSQL looks through all of a table without statistics.
            one = f"SELECT {columns} FROM bus_version WHERE row_hash = wanted{lock}"  # noqa: S608
            statement = f"SELECT {columns} FROM unnest($1::text[]) AS wanted, LATERAL ({one}) AS found"  # noqa: S608
            values = (sorted(rows),)
        else:
            marks = ", ".join(parameters(connection.dialect, len(rows)))
            statement = f"SELECT {columns} FROM bus_version WHERE row_hash IN ({marks}){lock}"  # noqa: S608
            values = tuple(rows)
        for found in await connection.exec_driver_sql(statement, values):
            self._known.setdefault((found.row_hash, found.stream), {})[found.columns] = found.version

    def free(self, row: str, stream: str, version: int, columns: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the columns that no newer event of the stream has written; the same tuple where that is all."""
        newer = [names for names, known in self._known.get((row, stream), {}).items() if known > version]
        if not newer:
            return columns
        if ALL in newer:
            return ()
        taken = {name for names in newer for name in names.split(",")}
        return tuple(name for name in columns if name not in taken and name != ALL)

    def note(self, row: str, stream: str, version: int, columns: tuple[str, ...]) -> None:
        """An event is written."""
        names = _joined(columns)
        known = self._known.setdefault((row, stream), {})
        known[names] = max(version, known.get(names, version))
        self._noted.setdefault((stream, names), {})[row] = known[names]

    async def save(self, connection: AsyncConnection) -> None:
        """Stores what was noted."""
        for (stream, names), versions in sorted(self._noted.items()):
            written = stream, blake2b(names.encode(), digest_size=8).hexdigest(), names
            await _save(connection, written, sorted(versions.items()))


async def _save(
    connection: AsyncConnection, written: tuple[str, str, str], versions: Sequence[tuple[str, int]]
) -> None:
    """Stores by which version of a stream these columns were written, row by row."""
    if connection.dialect.name == "postgresql":  # one statement with arrays: half the time of one per row
        arrays = "SELECT $1::text, $2::text, $3::text, * FROM unnest($4::text[], $5::bigint[]) "
        rows, numbers = map(list, zip(*versions, strict=True))
        await connection.exec_driver_sql(f"{_INSERT} {arrays} {_CONFLICT}", (*written, rows, numbers))
        return
    values = f"VALUES ({', '.join(parameters(connection.dialect, 5))})"
    # The primary key is this table's only unique one, so MariaDB cannot meet another.
    last = _CONFLICT if connection.dialect.name == "sqlite" else "ON DUPLICATE KEY UPDATE version = VALUES(version)"
    await connection.exec_driver_sql(f"{_INSERT} {values} {last}", [(*written, *each) for each in versions])


@lru_cache(1_000)
def _joined(columns: tuple[str, ...]) -> str:
    """Columns as they are stored."""
    return ",".join(sorted(columns))
