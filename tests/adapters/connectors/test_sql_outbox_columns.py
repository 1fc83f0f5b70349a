"""The owner of an application drops or renames a watched column: the application goes on, and the bus says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.exc import OperationalError

from adapters.connectors import sql_outbox
from adapters.connectors.sql_outbox import SqlOutbox, SqlOutboxConfig
from bus.database import mark_as_bus
from bus.errors import ConfigError
from bus.ports import Record
from tests.adapters.connectors.sql_application import CONTEXT, Application, read_all

TABLE = "CREATE TABLE izin (nomor varchar(20) PRIMARY KEY, status varchar(20), nilai decimal(20,2))"
WATCH = {"table": "izin", "key": ["nomor"], "columns": ["status", "nilai"]}
RENAMED = "ALTER TABLE izin RENAME COLUMN status TO keadaan"
RENAMED_BACK = "ALTER TABLE izin RENAME COLUMN keadaan TO status"
OF_EACH_KIND = {
    "postgresql": {
        "numeric(30,5)": "12345678901234567890.12345",
        "double precision": "0.1",
        "timestamp": "'2026-03-01 07:08:09.123456'",
        "timestamptz": "'2026-03-01 07:08:09+07'",
        "date": "'2026-03-01'",
        "time": "'07:08:09'",
        "bytea": r"'\x00ff80'",
        "boolean": "true",
        "text": r"""E'a"\\b\n{}'""",
        "jsonb": """'{"x": 1.50}'""",
        "int[]": "'{1,2}'",
    },
    "mariadb": {
        "decimal(30,5)": "12345678901234567890.12345",
        "double": "0.1",
        "datetime(6)": "'2026-03-01 07:08:09.123456'",
        "timestamp(3) NULL": "'2026-03-01 07:08:09'",
        "date": "'2026-03-01'",
        "time": "'07:08:09'",
        "binary(4)": "'abcd'",
        "boolean": "true",
        "longtext": r"""'a"\\b\n{}'""",
        "json": """'{"x": 1.50}'""",
        "year": "2026",
    },
}


@pytest_asyncio.fixture
async def application(application: Application) -> Application:
    await application.run(TABLE)
    return application


@pytest.fixture(params=["postgresql", "mariadb"])
def kind(request: pytest.FixtureRequest) -> str:
    """A database whose triggers can do without a column."""
    name: str = request.param
    return name


@pytest_asyncio.fixture
async def served(kind: str, request: pytest.FixtureRequest) -> Any:
    """An application on such a database."""
    made = Application.of(kind, request)
    await made.run(TABLE)
    yield made
    await made.engine.dispose()


def outbox(application: Application, **watch: Any) -> SqlOutbox:
    config = {"url": application.url, "watch": {"izin": {**WATCH, **watch}}, "poll": 0.01}
    return SqlOutbox(SqlOutboxConfig.model_validate(config), CONTEXT)


async def installed(application: Application, **watch: Any) -> SqlOutbox:
    source = outbox(application, **watch)
    await source.install()
    await source.open(None)
    return source


async def told(source: SqlOutbox) -> list[Record]:
    return [record for batch in await read_all(source) for record in batch.records]


async def test_a_renamed_column_breaks_no_application_and_loses_nothing(served: Application) -> None:
    source = await installed(served)
    await served.run("INSERT INTO izin VALUES ('0', 'A', 1)")
    assert len(await told(source)) == 1
    await served.run(RENAMED)
    await served.run(
        "INSERT INTO izin VALUES ('1', 'A', 1.5), ('2', 'A', NULL), ('3', NULL, 2)",
        "UPDATE izin SET nilai = 3571010101010001 WHERE nomor = '1'",
        "DELETE FROM izin WHERE nomor = '2'",
    )
    with pytest.raises(ConfigError, match="izin: the table izin has no column status"):
        await source.read()
    with pytest.raises(ConfigError, match="izin: the table izin has no column status"):
        await source.open(None)

    await served.run(RENAMED_BACK)
    await source.open(None)
    records = await told(source)
    assert [(each.data["_operasi"], each.data["nomor"]) for each in records] == [
        ("insert", "1"),
        ("insert", "2"),
        ("insert", "3"),
        ("update", "1"),
        ("delete", "2"),
    ]
    # What the triggers could not write down is read from the row as it is by now; a deleted row is none any more.
    assert [each.data.get("status", "gone") for each in records] == ["A", "gone", None, "A", "gone"]
    assert [each.data["nilai"] for each in records[3:]] == [3571010101010001, None]

    await served.run("UPDATE izin SET status = 'B' WHERE nomor = '1'")
    assert [each.data["status"] for each in await told(source)] == ["B"]
    await source.close()


async def test_what_the_bus_writes_is_no_event_then_either(served: Application) -> None:
    source = await installed(served)
    await served.run(RENAMED)
    async with served.engine.begin() as transaction:
        await mark_as_bus(transaction)
        await served.run_in(
            transaction, "INSERT INTO izin VALUES ('1', 'A', 1)", "UPDATE izin SET nilai = 2", "DELETE FROM izin"
        )
    assert await source.read() is None
    await source.close()


async def test_a_dropped_column_goes_out_of_the_contract(served: Application) -> None:
    source = await installed(served)
    await served.run("ALTER TABLE izin DROP COLUMN nilai", "INSERT INTO izin VALUES ('1', 'A')")
    await source.close()
    again = await installed(served, columns=["status"])
    await served.run("UPDATE izin SET status = 'B'")
    assert [each.data["status"] for each in await told(again)] == ["A", "B"]
    await again.close()


async def test_a_row_without_its_key_is_refused_alone(served: Application) -> None:
    source = await installed(served)
    await served.run("ALTER TABLE izin RENAME COLUMN nomor TO no")
    await served.run("INSERT INTO izin VALUES ('1', 'A', 1)")
    await served.run("ALTER TABLE izin RENAME COLUMN no TO nomor")
    await served.run("INSERT INTO izin VALUES ('2', 'A', 1)")
    assert [each.fault for each in await told(source)] == ["kolom nomor tidak ada ketika baris ini diubah", ""]
    await source.close()


async def test_nothing_that_is_watched_is_left(served: Application) -> None:
    source = await installed(served, columns=[])
    await served.run("ALTER TABLE izin RENAME COLUMN nomor TO no")
    await served.run("INSERT INTO izin VALUES ('1', 'A', 1)", "UPDATE izin SET no = '2'", "DELETE FROM izin")
    assert await served.rows("SELECT operation FROM bus_event ORDER BY id") == [("insert",), ("update",), ("delete",)]
    await source.close()


async def test_the_other_values_are_written_as_ever(served: Application) -> None:
    values = OF_EACH_KIND[served.kind]
    columns = {f"c{place}": kind for place, kind in enumerate(values)}
    defined = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    await served.run(f"CREATE TABLE data (id integer PRIMARY KEY, {defined}, lain integer)")
    source = await installed(served, table="data", key=["id"], columns=[*columns, "lain"])
    nothing = ", ".join(["NULL"] * len(values))
    rows = [f"INSERT INTO data VALUES (1, {', '.join(values.values())}, 7), (2, {nothing}, 7)", "DELETE FROM data"]

    await served.run(*rows)
    await served.run("ALTER TABLE data DROP COLUMN lain", "ALTER TABLE data ADD COLUMN asing integer")
    await served.run(*rows)
    written = await served.rows("SELECT operation, CONCAT(payload) FROM bus_event ORDER BY id")
    told = [(operation, json.loads(payload, parse_float=str, parse_int=str)) for operation, payload in written]
    assert [each[1].pop("lain", "gone") for each in told] == ["7"] * 4 + ["gone"] * 4
    assert told[4:] == told[:4]
    assert told[0][1].keys() == {"id", *columns}
    await source.close()


async def test_a_value_that_json_cannot_hold_breaks_no_application(mariadb: Any) -> None:
    """Bytes of MariaDB: they are read from the row."""
    application = Application("mariadb", mariadb.url)
    await application.run("CREATE TABLE izin (nomor varchar(20) PRIMARY KEY, status blob, nilai int)")
    source = await installed(application)
    await application.run(r"INSERT INTO izin VALUES ('1', x'00ff80', 7)")
    [record] = await told(source)
    assert record.data["status"] == b"\x00\xff\x80"
    assert record.data["nilai"] == 7
    await source.close()
    await application.engine.dispose()


async def test_sqlite_keeps_its_triggers_in_step(sqlite_url: str) -> None:
    """It drops no column that a trigger names, and renames it there, too."""
    application = Application("sqlite", sqlite_url)
    await application.run(TABLE)
    source = await installed(application)
    with pytest.raises(OperationalError, match="error in trigger bus_izin_insert"):
        await application.run("ALTER TABLE izin DROP COLUMN nilai")
    await application.run(RENAMED, "INSERT INTO izin VALUES ('1', 'A', 1)")
    assert [each.data["status"] for each in await told(source)] == ["A"]
    with pytest.raises(ConfigError, match="izin: the table izin has no column status"):
        await source.open(None)
    await source.close()
    again = await installed(application, columns=["keadaan", "nilai"])
    await application.run("UPDATE izin SET keadaan = 'B'")
    assert [each.data["keadaan"] for each in await told(again)] == ["B"]
    await again.close()
    await application.engine.dispose()


async def test_infinity_breaks_no_reading(sqlite_url: str) -> None:
    application = Application("sqlite", sqlite_url)
    await application.run(TABLE)
    source = await installed(application)
    await application.run("INSERT INTO izin VALUES ('1', 'A', 9e999)")
    assert [each.data["nilai"] for each in await told(source)] == ["Inf"]
    await source.close()
    await application.engine.dispose()


async def test_what_goes_while_nothing_comes_is_told(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_outbox, "CHECK_EVERY", 0.0)
    source = await installed(application)
    assert await source.read() is None
    await application.run("DROP TABLE izin", TABLE)  # as some migrations do: the triggers go with it
    with pytest.raises(ConfigError, match="no trigger bus_izin_insert"):
        await source.read()
    await source.close()


async def test_an_operation_that_is_not_watched_any_more_has_no_trigger(application: Application) -> None:
    await (await installed(application)).close()
    again = await installed(application, on=["delete"])
    await application.run("INSERT INTO izin VALUES ('1', 'A', 1)", "UPDATE izin SET status = 'B'", "DELETE FROM izin")
    assert [each.data["_operasi"] for each in await told(again)] == ["delete"]
    await again.close()


async def test_the_script_tells_how_to_take_it_away(application: Application) -> None:
    source = await installed(application)
    removal = [line.removeprefix("-- ") for line in source.ddl().splitlines() if line.startswith("-- DROP")]
    for statement in removal:
        await application.run(statement)
    await application.run("INSERT INTO izin VALUES ('1', 'A', 1)", "UPDATE izin SET status = 'B'", "DELETE FROM izin")
    assert await source.read() is None
    await source.install()
    await source.open(None)
    await application.run("INSERT INTO izin VALUES ('1', 'A', 1)")
    assert len(await told(source)) == 1
    await source.close()
