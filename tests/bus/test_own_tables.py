"""The bus's own tables in a database: made by the bus where it may, and by the owner where it may not."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, event
from sqlalchemy.util import await_

from bus.database import engine
from bus.delivery import inbox, outbox
from bus.errors import AccessError
from bus.own_tables import ddl, make
from tests.servers.server import Database

NAMES = "bus_inbox, bus_outbox"
USER = {"postgresql": "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {0}"}
USER["mariadb"] = "GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO {0}"


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_where_the_bus_may_make_no_table_its_owner_makes_them(kind: str, request: pytest.FixtureRequest) -> None:
    database: Database = request.getfixturevalue(kind)
    user = f"tamu_{database.name}"
    made_user = f"CREATE USER {user}" + (" PASSWORD 'tamu'" if kind == "postgresql" else " IDENTIFIED BY 'tamu'")
    database.sql(made_user)
    if kind == "mariadb":
        database.sql(USER[kind].format(user))
    parts = urlsplit(database.url)
    guest = engine(parts._replace(netloc=f"{user}:tamu@{parts.hostname}:{parts.port}").geturl(), where="here")
    try:
        with pytest.raises(AccessError, match=f"may not make {NAMES} \\(let the owner make them: `bus run --ddl`"):
            await make(guest, inbox.metadata, where="here")
        database.sql(ddl(database.url, outbox.OUTBOX.metadata, where="here"))
        if kind == "postgresql":
            database.sql(USER[kind].format(user))
        await make(guest, inbox.metadata, where="here")
        async with guest.connect() as connection:
            assert (await connection.exec_driver_sql("SELECT count(*) FROM bus_inbox, bus_outbox")).scalar() == 0
    finally:
        await guest.dispose()
        database.sql(f"DROP OWNED BY {user}; DROP USER {user}" if kind == "postgresql" else f"DROP USER {user}")


@pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
def test_they_are_of_an_engine_that_has_transactions_whatever_the_server_prefers(scheme: str) -> None:
    script = ddl(f"{scheme}://bus@basis-data/aplikasi", inbox.metadata, where="here")
    assert script.count("CREATE TABLE") == script.count("ENGINE=InnoDB") == 2


async def test_wrong_credentials_are_no_lack_of_a_right(postgresql: Database) -> None:
    parts = urlsplit(postgresql.url)
    stranger = engine(parts._replace(netloc=f"bus:salah@{parts.hostname}:{parts.port}").geturl(), where="here")
    with pytest.raises(AccessError, match="the database refuses"):
        await make(stranger, inbox.metadata, where="here")
    await stranger.dispose()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_tables_that_two_make_at_once_are_made(kind: str, request: pytest.FixtureRequest) -> None:
    tables, looked = MetaData(), asyncio.Barrier(2)
    Table("satu", tables, Column("id", Integer, primary_key=True))
    Table("dua", tables, Column("id", Integer, primary_key=True))

    @event.listens_for(tables, "before_create")
    def wait_for_the_other(*_: object, **__: object) -> None:
        if not met:
            await_(looked.wait())
            met.append(True)

    met: list[bool] = []
    url = request.getfixturevalue(kind).url
    one, two = engine(url, where="here"), engine(url, where="here")
    try:
        await asyncio.gather(make(one, tables, where="here"), make(two, tables, where="here"))
        async with one.connect() as connection:
            assert (await connection.exec_driver_sql("SELECT count(*) FROM satu, dua")).scalar() == 0
    finally:
        await one.dispose()
        await two.dispose()
    assert len(met) == looked.parties
