"""SQL Server and Oracle: the statements as text, compiled by SQLAlchemy's dialects. No server is asked."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import mssql, mysql, oracle, postgresql, sqlite
from sqlalchemy.engine import Dialect

from adapters.connectors.sql import chosen, derived, quoted
from adapters.connectors.sql_outbox import SqlOutbox, SqlOutboxConfig
from adapters.connectors.sql_outbox_ddl import script, statements
from adapters.connectors.sql_outbox_watch import Watch
from adapters.connectors.sql_walk import Walk
from tests.adapters.connectors.sql_application import CONTEXT

SERVER, ORACLE = mssql.dialect(), oracle.dialect()
WATCH = {"izin-usaha": Watch(table="layanan.izin", key=("id", "tahun"), columns=("nomor",))}
TABLE = derived("SELECT id, nama, diubah FROM wp WHERE waktu > '10:00';")


def compiled(dialect: Dialect, statement: Any) -> str:
    return " ".join(str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})).split())


def test_the_first_rows_in_each_dialect() -> None:
    query = chosen("id, nama", "wp", "id > 5", size=7, order=["id DESC"])

    assert compiled(SERVER, query) == "SELECT TOP 7 id, nama FROM wp WHERE id > 5 ORDER BY id DESC"
    assert compiled(ORACLE, query) == "SELECT id, nama FROM wp WHERE id > 5 ORDER BY id DESC FETCH FIRST 7 ROWS ONLY"
    for dialect in (mysql.dialect(), postgresql.dialect(), sqlite.dialect()):
        assert compiled(dialect, query).startswith("SELECT id, nama FROM wp WHERE id > 5 ORDER BY id DESC LIMIT 7")


def test_a_page_behind_the_last_row() -> None:
    """No comparison of rows, which neither has, and no AS before a derived table, which Oracle refuses."""
    walk = Walk(("diubah", "id"), "src.diubah IS NOT NULL", after=("2026-01-01", 7))
    behind = "(src.{0} > {2}after0 OR (src.{0} = {2}after0 AND src.{1} > {2}after1))"
    source = "(SELECT id, nama, diubah FROM wp WHERE waktu > '10:00') src"

    query, parameters = walk.query(SERVER, TABLE, 500)
    condition = behind.format("[diubah]", "[id]", ":")
    assert parameters == {"after0": "2026-01-01", "after1": 7}
    assert " ".join(str(query.compile(dialect=mssql.dialect(paramstyle="named"))).split()) == (
        f"SELECT TOP __[POSTCOMPILE_param_1] src.* FROM {source} WHERE src.diubah IS NOT NULL AND {condition} "
        "ORDER BY src.[diubah], src.[id]"
    )

    query, _ = walk.query(ORACLE, TABLE, 500)
    condition = behind.format('"DIUBAH"', '"ID"', ":")
    assert " ".join(str(query.compile(dialect=oracle.dialect(paramstyle="named"))).split()) == (
        f"SELECT src.* FROM {source} WHERE src.diubah IS NOT NULL AND {condition} "
        'ORDER BY src."DIUBAH", src."ID" FETCH FIRST __[POSTCOMPILE_param_1] ROWS ONLY'
    )


def test_names_are_quoted_as_the_database_keeps_them() -> None:
    assert quoted(ORACLE, "layanan.izin") == '"LAYANAN"."IZIN"'
    assert quoted(ORACLE, "Layanan.Izin") == '"Layanan"."Izin"'
    assert quoted(SERVER, "dbo.izin]x") == "[dbo].[izin]]x]"


def test_parameters_of_the_outbox_are_no_reserved_words() -> None:
    """Oracle refuses a parameter that is named like a keyword; SQLAlchemy would have to quote it."""
    marked = text(
        "UPDATE t SET sent_at = :now WHERE id BETWEEN :low AND :high AND created_at <= :until AND x < :before"
    )
    assert '"' not in str(marked.compile(dialect=oracle.dialect(paramstyle="named")))


def test_triggers_of_sql_server_write_down_every_row_of_a_statement() -> None:
    table, inserted, updated, deleted = statements(SERVER, "dbo.bus_event", WATCH)

    assert table.startswith("IF OBJECT_ID(N'[dbo].[bus_event]') IS NULL\nCREATE TABLE [dbo].[bus_event] (")
    assert "IDENTITY(1, 1) PRIMARY KEY" in table
    assert inserted == (
        "CREATE OR ALTER TRIGGER [layanan].[bus_izin_usaha_insert]\nON [layanan].[izin] AFTER INSERT AS\nBEGIN\n"
        "  SET NOCOUNT ON;\n  IF SESSION_CONTEXT(N'bus_writing') IS NOT NULL RETURN;\n"
        "  INSERT INTO [dbo].[bus_event] (watch, operation, payload)\n"
        "  SELECT 'izin-usaha', 'insert', (SELECT r.[id] AS [id], r.[tahun] AS [tahun], r.[nomor] AS [nomor] "
        "FOR JSON PATH, INCLUDE_NULL_VALUES, WITHOUT_ARRAY_WRAPPER)\n  FROM inserted AS r;\nEND"
    )
    assert (
        "FROM inserted AS r LEFT JOIN deleted AS o ON o.[id] = r.[id] AND o.[tahun] = r.[tahun]\n"
        "  WHERE o.[id] IS NULL OR EXISTS "
        "(SELECT r.[id], r.[tahun], r.[nomor] EXCEPT SELECT o.[id], o.[tahun], o.[nomor]);"
    ) in updated
    assert deleted.endswith("FROM deleted AS r;\nEND")
    assert script(SERVER, "dbo.bus_event", WATCH).count("\nGO\n") == 4
    assert "\n-- DROP TRIGGER [layanan].[bus_izin_usaha_insert];\n" in script(SERVER, "dbo.bus_event", WATCH)


def test_triggers_of_oracle_write_down_each_row() -> None:
    table, index, inserted, updated, deleted = statements(ORACLE, "bus_event", WATCH)

    assert 'EXECUTE IMMEDIATE \'CREATE TABLE "BUS_EVENT" (id NUMBER(19) GENERATED BY DEFAULT AS IDENTITY' in table
    assert "SQLCODE NOT IN (-955, -1408)" in table
    assert 'CREATE INDEX "BUS_EVENT_UNSENT" ON "BUS_EVENT" (sent_at, id)' in index
    assert inserted == (
        'CREATE OR REPLACE TRIGGER "LAYANAN"."BUS_IZIN_USAHA_INSERT"\nAFTER INSERT ON "LAYANAN"."IZIN" FOR EACH ROW\n'
        "DECLARE\n  new_row CLOB;\n  old_row CLOB;\nBEGIN\n"
        "  IF SYS_CONTEXT('USERENV', 'CLIENT_INFO') = 'opd-bus' THEN\n    RETURN;\n  END IF;\n"
        "  SELECT JSON_OBJECT('id' VALUE :new.\"ID\", 'tahun' VALUE :new.\"TAHUN\", 'nomor' VALUE :new.\"NOMOR\" "
        "NULL ON NULL RETURNING CLOB) INTO new_row FROM dual;\n"
        "  INSERT INTO \"BUS_EVENT\" (watch, operation, payload)\n  VALUES ('izin-usaha', 'insert', new_row);\nEND;"
    )
    assert 'VALUE :old."NOMOR" NULL ON NULL RETURNING CLOB) INTO old_row FROM dual;\n' in updated
    assert "  IF DBMS_LOB.COMPARE(old_row, new_row) = 0 THEN\n    RETURN;\n  END IF;\n" in updated
    assert ":new" not in deleted
    assert script(ORACLE, "bus_event", WATCH).count("\n/\n") == 5
    assert '\n-- DROP TRIGGER "LAYANAN"."BUS_IZIN_USAHA_DELETE";\n' in script(ORACLE, "bus_event", WATCH)


def test_the_owner_of_an_oracle_database_reads_the_script_without_a_server() -> None:
    config = SqlOutboxConfig.model_validate({"url": "oracle://bus:rahasia@host/xe", "watch": WATCH})

    ddl = SqlOutbox(config, CONTEXT).ddl()

    assert ddl == script(ORACLE, "bus_event", WATCH)
    assert "rahasia" not in ddl


@pytest.mark.parametrize("dialect", [SERVER, ORACLE], ids=["mssql", "oracle"])
def test_only_what_is_watched_is_installed(dialect: Dialect) -> None:
    watch = {"wp": Watch(table="wp", key=("id",), on=("update",))}
    assert [each for each in statements(dialect, "bus_event", watch) if "TRIGGER" in each] == [
        each for each in statements(dialect, "bus_event", watch) if "_update" in each.lower()
    ]
