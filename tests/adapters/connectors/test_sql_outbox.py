"""The outbox: what triggers write down, what is read, what is marked, and what is no echo."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.exc import IntegrityError

from adapters.connectors.sql_outbox import SqlOutbox, SqlOutboxConfig
from bus.database import mark_as_bus
from bus.errors import ConfigError
from bus.ports import Batch, Source
from tests.adapters.connectors.sql_application import CONTEXT, Application, keys, read_all, stored

TABLE = (
    "CREATE TABLE izin (nomor varchar(20) PRIMARY KEY, status varchar(20), nilai decimal(20,2), rahasia varchar(20))"
)
WATCH = {"izin": {"table": "izin", "key": ["nomor"], "columns": ["status", "nilai"]}}


@pytest_asyncio.fixture
async def application(application: Application) -> Application:
    await application.run(TABLE)
    return application


def outbox(application: Application, **options: Any) -> SqlOutbox:
    config = SqlOutboxConfig.model_validate({"url": application.url, "watch": WATCH, "poll": 0.01, **options})
    return SqlOutbox(config, CONTEXT)


async def installed(application: Application, **options: Any) -> SqlOutbox:
    source = outbox(application, **options)
    await source.install()
    await source.open(None)
    return source


async def issue(application: Application, *numbers: int) -> None:
    await application.run(
        *(f"INSERT INTO izin (nomor, status, nilai, rahasia) VALUES ('{n}', 'A', 1.5, 'x')" for n in numbers)
    )


async def test_every_operation_becomes_a_record(application: Application) -> None:
    source = await installed(application)
    assert isinstance(source, Source)
    before = datetime.now(UTC)
    await issue(application, 1)
    await application.run("UPDATE izin SET status = 'B', nilai = 3571010101010001 WHERE nomor = '1'")
    await application.run("UPDATE izin SET rahasia = 'y' WHERE nomor = '1'", "DELETE FROM izin WHERE nomor = '1'")
    [batch] = await read_all(source)
    assert [(record.data["_operasi"], record.data["status"]) for record in batch.records] == [
        ("insert", "A"),
        ("update", "B"),
        ("delete", "B"),
    ]
    assert {record.key for record in batch.records} == {'["izin","1"]'}
    assert all(record.data.keys() == {"nomor", "status", "nilai", "_kejadian", "_operasi"} for record in batch.records)
    assert batch.records[1].data["nilai"] == 3571010101010001
    assert [int(record.version or 0) for record in batch.records] == [1, 2, 3]
    for record in batch.records:
        assert record.at
        assert abs(record.at - before) < timedelta(seconds=60)
    assert await source.read() is None
    await source.close()


async def test_a_value_that_goes_and_comes_back_is_three_records(application: Application) -> None:
    source = await installed(application)
    await issue(application, 1)
    for status in ("B", "A", "A"):
        await application.run(f"UPDATE izin SET status = '{status}' WHERE nomor = '1'")
    [batch] = await read_all(source)
    assert [record.data["status"] for record in batch.records] == ["A", "B", "A"]
    await source.close()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_a_transaction_that_commits_late_is_seen(kind: str, request: pytest.FixtureRequest) -> None:
    application = Application.of(kind, request)
    await application.run(TABLE)
    source = await installed(application)
    async with application.engine.begin() as late:
        await application.run_in(late, "INSERT INTO izin (nomor) VALUES ('late')")
        await issue(application, 2, 3)
        assert keys(await read_all(source)) == ['["izin","2"]', '["izin","3"]']
    assert keys(await read_all(source)) == ['["izin","late"]']
    await source.close()
    await application.engine.dispose()


async def test_what_was_stored_before_a_crash_is_marked_at_the_next_start(application: Application) -> None:
    source = await installed(application, batch=2)
    await issue(application, 1, 2, 3, 4, 5)
    first = await source.read()
    assert first
    assert first.more
    await source.close()  # stored, but not marked
    again = outbox(application, batch=2)
    await again.open(stored(first.position))
    assert keys(await read_all(again)) == ['["izin","3"]', '["izin","4"]', '["izin","5"]']
    await again.close()


async def test_what_was_not_stored_is_read_again(application: Application) -> None:
    source = await installed(application, batch=2)
    await issue(application, 1, 2, 3)
    first = await source.read()
    await source.close()
    again = outbox(application, batch=2)
    await again.open(None)
    second = await again.read()
    assert first
    assert second == first
    await again.close()


async def test_an_older_copy_of_the_database_loses_nothing(application: Application) -> None:
    """The numbers of sent rows are given out again after a restore: they are other rows."""
    source = await installed(application)
    await issue(application, 1, 2)
    [batch] = await read_all(source)
    await source.close()
    await application.run("DELETE FROM izin", "DELETE FROM bus_event")
    await application.run(
        "INSERT INTO bus_event (id, watch, operation, payload) VALUES (1, 'izin', 'insert', '{\"nomor\": \"9\"}')"
    )
    again = outbox(application)
    await again.open(stored(batch.position))
    assert keys(await read_all(again)) == ['["izin","9"]']
    await again.close()


async def test_what_the_bus_writes_is_no_event(application: Application) -> None:
    source = await installed(application)
    async with application.engine.begin() as transaction:
        await mark_as_bus(transaction)
        await application.run_in(
            transaction,
            "INSERT INTO izin (nomor) VALUES ('1')",
            "UPDATE izin SET status = 'B'",
            "DELETE FROM izin",
            "INSERT INTO izin (nomor) VALUES ('2')",
        )
    assert await source.read() is None
    other = Application(application.kind, application.url)
    await issue(other, 3)
    assert keys(await read_all(source)) == ['["izin","3"]']
    await other.engine.dispose()
    await source.close()


async def test_a_transaction_of_the_bus_that_fails_leaves_no_mark(application: Application) -> None:
    source = await installed(application)
    async with application.engine.connect() as transaction:
        await transaction.begin()
        await mark_as_bus(transaction)
        await application.run_in(transaction, "INSERT INTO izin (nomor) VALUES ('1')")
        await transaction.rollback()
    other = Application(application.kind, application.url)
    await issue(other, 2)
    assert keys(await read_all(source)) == ['["izin","2"]']
    await other.engine.dispose()
    await source.close()


async def test_marks_cost_nothing_where_no_outbox_is(sqlite_url: str) -> None:
    application = Application("sqlite", sqlite_url)
    await application.run(TABLE)
    async with application.engine.begin() as transaction:
        await mark_as_bus(transaction)
        await application.run_in(transaction, "INSERT INTO izin (nomor) VALUES ('1')")
    assert await application.rows("SELECT nomor FROM izin") == [("1",)]
    await application.engine.dispose()


async def test_only_the_operations_asked_for(application: Application) -> None:
    source = await installed(application, watch={"izin": {**WATCH["izin"], "on": ["delete"]}})
    await issue(application, 1)
    await application.run("DELETE FROM izin")
    [batch] = await read_all(source)
    assert [record.data["_operasi"] for record in batch.records] == ["delete"]
    await source.close()


async def test_two_sources_share_a_table(application: Application) -> None:
    await application.run("CREATE TABLE usaha (nib varchar(13) PRIMARY KEY)")
    source = await installed(application)
    other = await installed(application, watch={"usaha-baru": {"table": "usaha", "key": ["nib"]}})
    await issue(application, 1)
    await application.run("INSERT INTO usaha VALUES ('8120000000001')")
    assert keys(await read_all(source)) == ['["izin","1"]']
    assert keys(await read_all(other)) == ['["usaha-baru","8120000000001"]']
    await source.close()
    await other.close()


async def test_sent_rows_go_after_their_time(application: Application) -> None:
    source = await installed(application, keep_days=0, batch=2)
    await issue(application, 1, 2, 3)
    first = await source.read()
    assert first
    await source.commit(first, [])  # nothing that is sent is older than now, or all of it
    await source.close()
    again = outbox(application, keep_days=0, batch=2)
    await again.open(stored(first.position))
    await read_all(again)
    left = await application.rows("SELECT id FROM bus_event WHERE id < 3")
    assert left == []
    await again.close()


async def test_rereads_the_row_as_it_is_now(application: Application) -> None:
    source = await installed(application)
    await issue(application, 1, 2)
    await application.run("DELETE FROM izin WHERE nomor = '2'")
    await read_all(source)
    await application.run("UPDATE izin SET status = 'C' WHERE nomor = '1'")
    record = await source.reread('["izin","1"]')
    assert record
    assert record.data["status"] == "C"
    assert record.data["_operasi"] == "update"
    deleted = await source.reread('["izin","2"]')
    assert deleted
    assert deleted.data["_operasi"] == "delete"
    for gone in ('["izin","3"]', '["lain","1"]', "1", "x"):
        assert await source.reread(gone) is None
    await source.close()


async def test_installing_again_changes_the_triggers_and_keeps_the_rows(application: Application) -> None:
    source = await installed(application)
    await issue(application, 1)
    await source.close()
    again = await installed(application, watch={"izin": {**WATCH["izin"], "columns": ["status", "nilai", "rahasia"]}})
    await issue(application, 2)
    [batch] = await read_all(again)
    assert [record.data["rahasia"] for record in batch.records] == ["x", "x"]  # of the first it is read from the row
    await again.close()


async def test_what_is_not_installed_is_said(application: Application) -> None:
    source = outbox(application)
    with pytest.raises(ConfigError, match="no outbox table bus_event"):
        await source.open(None)
    await outbox(application, watch={"izin": {**WATCH["izin"], "on": ["insert"]}}).install()
    with pytest.raises(ConfigError, match="no trigger bus_izin_update"):
        await source.open(None)
    await source.close()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_the_owner_can_run_the_script_with_the_database_s_own_client(
    kind: str, request: pytest.FixtureRequest
) -> None:
    database = request.getfixturevalue(kind)
    application = Application(kind, database.url)
    await application.run(TABLE)
    source = outbox(application)
    database.sql(source.ddl())
    await source.open(None)
    await issue(application, 1)
    assert keys(await read_all(source)) == ['["izin","1"]']
    await source.close()
    await application.engine.dispose()


async def test_the_script_runs_on_sqlite_and_a_blob_does_no_harm(sqlite_url: str) -> None:
    application = Application("sqlite", sqlite_url)
    await application.run(TABLE)
    source = outbox(application)
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    connection.executescript(source.ddl())
    connection.execute("INSERT INTO izin (nomor, status) VALUES ('1', x'00ff')")
    connection.commit()
    connection.close()
    await source.open(None)
    [batch] = await read_all(source)
    assert batch.records[0].data["status"] == "00FF"
    await source.close()
    await application.engine.dispose()


async def test_the_application_needs_no_right_on_the_outbox(postgresql: Any) -> None:
    application = Application("postgresql", postgresql.url)
    await application.run(TABLE)
    source = await installed(application)
    await application.run(
        "CREATE ROLE aplikasi_kecil", "GRANT INSERT ON izin TO aplikasi_kecil", "SET ROLE aplikasi_kecil",
        "INSERT INTO izin (nomor) VALUES ('1')", "RESET ROLE",
    )  # fmt: skip
    assert keys(await read_all(source)) == ['["izin","1"]']
    await source.close()
    await application.run("DROP OWNED BY aplikasi_kecil", "DROP ROLE aplikasi_kecil")
    await application.engine.dispose()


async def test_a_position_is_small_and_exact(application: Application) -> None:
    """Runs of numbers, so that a number in a gap, committed later, is not marked."""
    source = await installed(application)
    await issue(application, *range(500))
    await application.run("UPDATE bus_event SET sent_at = created_at WHERE id = 100")
    batch: Batch | None = await source.read()
    assert batch
    assert batch.position["sent"] == [[1, 99], [101, 500]]
    assert len(json.dumps(batch.position)) < 200
    await source.close()


async def test_a_table_without_transactions_is_watched_too(mariadb: Any) -> None:
    """MyISAM keeps the rows of a statement that fails behind them."""
    application = Application("mariadb", mariadb.url)
    await application.run(f"{TABLE} ENGINE=MyISAM")
    other = outbox(application, table="lama")
    await other.install()
    with pytest.raises(ConfigError, match=r"the table izin has no transactions \(MyISAM\).*transactions = false"):
        await other.open(None)
    await other.close()
    source = await installed(application, transactions=False)
    await issue(application, 1)
    with pytest.raises(IntegrityError):
        await application.run("INSERT INTO izin (nomor, status) VALUES ('2', 'A'), ('3', 'A'), ('1', 'A'), ('4', 'A')")
    await application.run("UPDATE izin SET status = 'B'", "DELETE FROM izin WHERE nomor = '1'")

    assert mariadb.sql("SELECT nomor FROM izin ORDER BY nomor") == [("2",), ("3",)]
    told = [
        (record.data["_operasi"], record.data["nomor"]) for batch in await read_all(source) for record in batch.records
    ]
    assert sorted(told) == [
        ("delete", "1"),
        *(("insert", number) for number in "123"),
        *(("update", number) for number in "123"),
    ]
    await application.run("ALTER TABLE izin ENGINE=InnoDB")
    with pytest.raises(ConfigError, match=r"the table izin has transactions.*transactions = true"):
        await source.open(None)
    await source.close()
    await application.engine.dispose()
