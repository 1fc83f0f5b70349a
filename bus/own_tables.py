"""The bus's own tables in an application's database: made where they are missing, or by the database's owner.

Subscriptions need them: what was applied, what is to be published, which version of a row is the newest.
"""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

from bus.database import engine, errors
from bus.errors import AccessError, BusError

INDEX_IF_NOT_EXISTS = frozenset(("sqlite", "postgresql", "mariadb"))
TABLE_IF_NOT_EXISTS = INDEX_IF_NOT_EXISTS | {"mysql"}


async def make(made: AsyncEngine, tables: MetaData, *, where: str) -> None:
    """Makes those of the tables that are missing. Raises BusError; AccessError names them where their owner must.

    Subscriptions start side by side: where another makes a table after this one has looked, it is there at the next
    look.
    """

    def create(connection: Connection) -> None:
        try:
            with errors(where):
                tables.create_all(connection)
        except AccessError:
            raise AccessError(
                f"may not make {', '.join(sorted(tables.tables))}",
                where=where,
                hint="let the owner make them: `bus run --ddl` prints them",
            ) from None

    for left in reversed(range(len(tables.tables) + 1)):
        try:
            with errors(where):
                async with made.begin() as connection:
                    await connection.run_sync(create)
        except AccessError:
            raise
        except BusError:
            if not left:
                raise
        else:
            return


def ddl(url: str, tables: MetaData, *, where: str) -> str:
    """The same as statements of SQL, in the dialect of a database. Raises ConfigError."""
    dialect = engine(url, where=where, create=False).dialect
    made: list[DDLElement] = []
    for table in tables.sorted_tables:
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        made.append(CreateTable(table, if_not_exists=dialect.name in TABLE_IF_NOT_EXISTS))
        made += (CreateIndex(index, if_not_exists=dialect.name in INDEX_IF_NOT_EXISTS) for index in indexes)
    return "\n".join(f"{str(each.compile(dialect=dialect)).strip()};" for each in made)
