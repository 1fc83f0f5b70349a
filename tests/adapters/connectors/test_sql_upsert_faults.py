"""Writing events into a table that is not as the contract says, or not there."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio

from bus.database import engine
from bus.errors import AccessError, BusError, ConfigError, Unavailable
from bus.ports import Delivery
from tests.adapters.connectors.sql_application import Application
from tests.adapters.connectors.upsert_office import (
    COLUMNS,
    TABLE,
    Segala,
    apply,
    content,
    delivery,
    office,
    opened,
    upsert,
)


@pytest_asyncio.fixture
async def application(application: Application) -> Application:
    return await office(application)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"table": "tidak_ada"}, "there is no table tidak_ada"),
        ({"columns": {**COLUMNS, "umur": "tanggal"}}, "no column umur"),
        ({"key": ["id"]}, "no column id"),
        ({"columns": {"tempat": "tempat"}}, "no field fills the key column nik"),
        ({"constants": {"status": "batal"}}, "no column status"),
    ],
)
async def test_a_wrong_option_is_named_at_the_start(
    application: Application, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        await opened(application, **options)
    assert str(caught.value).startswith("dukcapil/siak mutasi to ")


async def test_fields_and_columns_that_do_not_meet(application: Application) -> None:
    sink = await opened(application, columns={**COLUMNS, "tempat": "alamat"})
    with pytest.raises(ConfigError, match="names alamat, which is not in `fields`"):
        await apply(application, sink, delivery(1, nik="1"))
    sink = await opened(application, columns=None, key=["tempat"])
    with pytest.raises(ConfigError, match="no column id"):
        await apply(application, sink, delivery(1, data=Segala(id=1)))


async def test_a_view_of_the_visible_fields_alone(application: Application) -> None:
    sink = await opened(application, columns=None)
    hidden = delivery(1, nik="1", tempat="A")
    seen = Delivery(hidden.event, hidden.data, frozenset({"nik"}), hidden.stream, hidden.version)
    await apply(application, sink, seen)
    assert await content(application) == [("1", None, None)]


async def test_a_table_without_transactions_is_refused(mariadb: Any) -> None:
    application = Application("mariadb", mariadb.url)
    await application.run("CREATE TABLE lama (nik varchar(16) PRIMARY KEY) ENGINE=MyISAM")
    with pytest.raises(ConfigError, match="no transactions"):
        await opened(application, table="lama", columns=None)
    await application.engine.dispose()


async def test_who_may_not_make_the_version_table_is_told(postgresql: Any, mariadb: Any) -> None:
    for kind, database in (("postgresql", postgresql), ("mariadb", mariadb)):
        application = Application(kind, database.url)
        await application.run(TABLE, *GUEST[kind])
        url = application.engine.url.set(username="tamu", password="tamu", drivername=kind)
        sink = upsert(Application(kind, url.render_as_string(hide_password=False)))
        with pytest.raises(AccessError, match="bus_version"):
            await sink.open()
        await application.run(*GUEST_GOES[kind])
        await application.engine.dispose()


GUEST = {
    "postgresql": [
        "CREATE ROLE tamu LOGIN PASSWORD 'tamu'",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "GRANT SELECT, INSERT, UPDATE ON bus_kematian TO tamu",
    ],
    "mariadb": ["CREATE USER tamu IDENTIFIED BY 'tamu'", "GRANT SELECT, INSERT, UPDATE ON bus_kematian TO tamu"],
}
GUEST_GOES = {"postgresql": ["DROP OWNED BY tamu", "DROP ROLE tamu"], "mariadb": ["DROP USER tamu"]}


async def test_a_schema_in_the_table_s_name(postgresql: Any) -> None:
    application = Application("postgresql", postgresql.url)
    await application.run("CREATE SCHEMA layanan", 'CREATE TABLE layanan."Kematian" (nik text PRIMARY KEY)')
    sink = await opened(application, table="layanan.Kematian", columns={"nik": "nik"})
    await apply(application, sink, delivery(1, nik="1"), delivery(2, nik="1"))
    assert await application.rows('SELECT nik FROM layanan."Kematian"') == [("1",)]
    await application.engine.dispose()


async def test_a_database_that_is_away(application: Application, tmp_path: Any) -> None:
    if application.kind == "sqlite":
        away = f"sqlite:///{tmp_path / 'tidak' / 'ada.db'}"
    else:
        away = application.engine.url.set(port=1, drivername=application.kind).render_as_string(hide_password=False)
    with pytest.raises(Unavailable) as caught:
        await upsert(Application(application.kind, away)).open()
    assert isinstance(caught.value, BusError)
    assert engine(away, where="x").dialect.name in {"sqlite", "postgresql", "mysql", "mariadb"}
