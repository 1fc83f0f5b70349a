"""Drivers of databases: one that is missing, and the errors of those whose servers are not at hand."""

from __future__ import annotations

import sys
from ctypes.util import find_library
from types import SimpleNamespace

import oracledb
import pytest
from sqlalchemy.exc import DBAPIError

from bus.database import engine, errors
from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable

SECRET = "Siti Aminah"


@pytest.mark.parametrize(
    ("url", "module", "hint"),
    [
        ("mssql://bus:x@host/keuangan", "aioodbc", "install opd-bus[sqlserver]"),
        ("oracle://bus:x@host/?service_name=pajak", "oracledb", "install opd-bus[oracle]"),
        ("mariadb://bus:x@host/x", "asyncmy", "install opd-bus[mariadb]"),
    ],
)
def test_a_driver_that_is_missing(monkeypatch: pytest.MonkeyPatch, url: str, module: str, hint: str) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError) as caught:
        engine(url, where="here")
    assert caught.value.hint == hint
    assert "\n" not in str(caught.value)


def test_sql_server_is_asked_by_odbc() -> None:
    """Microsoft's driver 18, unless the URL names another; where unixODBC is missing, the line says so."""
    for url, driver in (("mssql://u:p@h/x", "ODBC Driver 18 for SQL Server"), ("mssql://u:p@h/x?driver=Lain", "Lain")):
        if find_library("odbc") is None:
            with pytest.raises(ConfigError, match="SQL Server needs unixODBC"):
                engine(url, where="here")
            continue
        made = engine(url, where="here")
        assert (made.dialect.driver, made.url.query["driver"]) == ("aioodbc", driver)


class _Odbc(Exception):  # as pyodbc raises them: the SQLSTATE, and a text that may hold values
    __module__ = "pyodbc"


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("08001", Unavailable, "does not answer"),
        ("28000", AccessError, "refuses"),
        ("42S02", ConfigError, "no such table"),
        ("42S22", ConfigError, "no such column"),
        ("23000", Rejected, "ditolak"),
        ("40001", Unavailable, "does not answer"),
        ("ORA-12541", Unavailable, "does not answer"),
        ("DPY-4011", Unavailable, "does not answer"),
        ("ORA-01017", AccessError, "refuses"),
        ("ORA-28000", AccessError, "refuses"),
        ("ORA-00942", ConfigError, "no such table"),
        ("ORA-00904", ConfigError, "no such column"),
        ("ORA-00001", Rejected, "data yang sama sudah ada"),
        ("ORA-12899", Rejected, "isian terlalu panjang"),
        ("ORA-20001", Rejected, "ditolak"),
    ],
)
def test_errors_of_sql_server_and_oracle_by_their_codes(code: str, kind: type[BusError], words: str) -> None:
    """Made by hand: no server of either kind is at hand."""
    orig = (
        oracledb.DatabaseError(SimpleNamespace(full_code=code, message=SECRET)) if "-" in code else _Odbc(code, SECRET)
    )
    with pytest.raises(kind, match=words) as caught, errors("here"):
        raise DBAPIError("SELECT 1", None, orig)
    assert code in str(caught.value)
    assert SECRET not in str(caught.value)
