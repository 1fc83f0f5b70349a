"""Opens an application's database and turns the errors of its driver into those of the bus.

Texts of drivers carry row values: only their codes, and the names of columns and constraints, are kept. SQLAlchemy is
imported on first use: not every office has it, and `bus --help` must not wait for it. What concerns SQL Server and
Oracle was written by their documentation and reviewed, not tried on a server.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bus.config import secret
from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

DRIVERS = {
    "sqlite": "aiosqlite",
    "postgresql": "asyncpg",
    "mysql": "asyncmy",
    "mariadb": "asyncmy",
    "mssql": "aioodbc",
    "oracle": "oracledb_async",
}
_EXTRAS = {"mysql": "mariadb", "mssql": "sqlserver"}  #: where the extra is not named as the database in the URL
_ODBC = "ODBC Driver 18 for SQL Server"  #: Microsoft's, beside unixODBC; another by ?driver=… in the URL
CONNECT_TIMEOUT = 10  #: seconds; SQLite: how long to wait for another writer
STATEMENT_TIMEOUT = 120  #: seconds until a statement without an answer counts as lost

WRITING_SETTING = "bus.writing"  #: PostgreSQL: set to 1 within a transaction of the bus
WRITING_TABLE = "bus_writing"  #: SQLite: holds a row within a transaction of the bus, never outside
WRITING_VARIABLE = "@bus_writing"  #: MariaDB: 1 on a connection of the bus while it writes
WRITING_CONTEXT = "bus_writing"  #: SQL Server: a key of SESSION_CONTEXT, likewise
WRITING_CLIENT = "opd-bus"  #: Oracle: the session's CLIENT_INFO, likewise


def engine(
    url: str, *, where: str, readonly: bool = False, create: bool = True, zone: tzinfo | None = None
) -> AsyncEngine:
    """An engine for a URL (or ``env:NAME``), the driver filled in. Raises ConfigError; connects to nothing yet.

    A transaction of SQLite takes the write lock at its start. ``readonly`` is for sources: no transaction, no lock
    beyond a statement, and the database refuses every write. ``create=False`` (and ``readonly``) refuse a SQLite file
    that does not exist. ``zone`` is the time zone in which MariaDB shows and takes its TIMESTAMP columns.
    """
    try:
        from sqlalchemy import event, make_url
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
        from sqlalchemy.ext.asyncio import create_async_engine
    except ImportError:
        raise ConfigError(
            "SQL databases need an extra", where=where, hint="install opd-bus[postgresql], [mariadb] or [sqlite]"
        ) from None
    kind = ""
    try:
        parsed = _with_driver(make_url(secret(url, where=where)), must_exist=readonly or not create)
        kind = parsed.get_backend_name()
        made = create_async_engine(
            parsed,
            hide_parameters=True,
            pool_pre_ping=kind != "sqlite",
            connect_args=_connect_options(kind, readonly),
            **_isolation(kind, readonly),
        )
    except (ArgumentError, ValueError):
        raise ConfigError(
            "not a database URL", where=where, hint="write postgresql://user:password@host/name"
        ) from None
    except NoSuchModuleError:
        raise ConfigError(
            "not a kind of database that the bus knows", where=where, hint=f"it knows {', '.join(DRIVERS)}"
        ) from None
    except ImportError as error:
        raise _without_driver(kind, error, where) from None
    event.listen(made.sync_engine, "connect", partial(_prepare, kind, readonly, zone))
    if kind == "sqlite":
        from bus.sqlite_connection import let_go

        let_go(made, patience=CONNECT_TIMEOUT + 1)
        if not readonly:
            event.listen(made.sync_engine, "begin", _begin_immediate)
    return made


def _without_driver(kind: str, error: ImportError, where: str) -> ConfigError:
    """The driver's package is missing, or what that needs of the system."""
    if kind == "mssql" and "libodbc" in str(error):
        return ConfigError("SQL Server needs unixODBC", where=where, hint=f"install unixodbc and Microsoft's {_ODBC}")
    extra = _EXTRAS.get(kind, kind)
    return ConfigError(f"no driver for {kind}", where=where, hint=f"install opd-bus[{extra}]")


def _with_driver(url: URL, *, must_exist: bool) -> URL:
    """The URL with the bus's driver; one of SQLite so that a missing file is not made."""
    kind = url.get_backend_name()
    if "+" not in url.drivername and kind in DRIVERS:
        url = url.set(drivername=f"{kind}+{DRIVERS[kind]}")
    if kind == "mssql" and not {"driver", "odbc_connect"} & url.query.keys():
        url = url.update_query_dict({"driver": _ODBC})
    if kind != "sqlite" or not must_exist or not url.database or url.database == ":memory:" or "uri" in url.query:
        return url
    path = quote(os.path.abspath(url.database))
    return url.set(database=f"file:{path}", query={**url.query, "mode": "rw", "uri": "true"})


def _prepare(kind: str, readonly: bool, zone: tzinfo | None, connection: Any, _record: Any) -> None:
    """What is set once on each new connection."""
    if kind == "sqlite" and not readonly:
        connection.isolation_level = None  # transactions are begun by us: the driver would begin too late
    if kind in {"mysql", "mariadb"}:
        logging.getLogger("asyncmy").disabled = True  # it logs the server's warnings, and those hold values of rows
    cursor = connection.cursor()
    for statement in _first_statements(kind, readonly, zone):
        cursor.execute(statement)
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _isolation(kind: str, readonly: bool) -> dict[str, str]:
    """Sources need no transaction. MariaDB's default would lock the gaps between keys against other subscriptions."""
    if readonly:
        return {"isolation_level": "AUTOCOMMIT"}
    return {} if kind in {"sqlite", "postgresql"} else {"isolation_level": "READ COMMITTED"}


def _connect_options(kind: str, readonly: bool) -> dict[str, Any]:
    if kind == "postgresql":
        settings = {"application_name": "opd-bus"} | ({"default_transaction_read_only": "on"} if readonly else {})
        return {"timeout": CONNECT_TIMEOUT, "command_timeout": STATEMENT_TIMEOUT, "server_settings": settings}
    if kind in {"sqlite", "mssql"}:
        return {"timeout": CONNECT_TIMEOUT}  # mssql: of the login
    if kind == "oracle":
        return {"tcp_connect_timeout": CONNECT_TIMEOUT}
    return {"connect_timeout": CONNECT_TIMEOUT, "read_timeout": STATEMENT_TIMEOUT}


def _first_statements(kind: str, readonly: bool, zone: tzinfo | None) -> list[str]:
    """The settings of a connection as SQL."""
    if kind == "sqlite":
        return [f"PRAGMA busy_timeout={CONNECT_TIMEOUT * 1000}", *(["PRAGMA query_only=ON"] if readonly else [])]
    if kind in {"mysql", "mariadb"}:
        shown = [f"SET time_zone='{offset(zone)}'"] if zone else []
        return [*shown, *(["SET SESSION TRANSACTION READ ONLY"] if readonly else [])]
    return []


def offset(zone: tzinfo) -> str:
    """A zone as MariaDB takes it without its table of zones, ``+07:00``."""
    text = datetime.now(zone).strftime("%z")
    return f"{text[:3]}:{text[3:5]}"


async def mark_as_bus(connection: AsyncConnection) -> None:
    """Marks what the open transaction writes as the bus's own: an outbox leaves it out, so that nothing echoes.

    The application's own connections never see the mark.
    """
    kind = connection.dialect.name
    if kind == "postgresql":
        await connection.exec_driver_sql(f"SET LOCAL {WRITING_SETTING} = '1'")
    elif kind == "sqlite":
        query = f"SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{WRITING_TABLE}'"  # noqa: S608
        if (await connection.exec_driver_sql(query)).first():
            await connection.exec_driver_sql(f"INSERT INTO {WRITING_TABLE} (writing) VALUES (1)")  # noqa: S608
            await connection.run_sync(_unmark_at_commit)
    elif kind == "mssql":
        await connection.exec_driver_sql(f"EXEC sp_set_session_context N'{WRITING_CONTEXT}', 1")
    elif kind == "oracle":
        await connection.exec_driver_sql(f"BEGIN DBMS_APPLICATION_INFO.SET_CLIENT_INFO('{WRITING_CLIENT}'); END;")
    else:
        await connection.exec_driver_sql(f"SET {WRITING_VARIABLE} = 1")


def _unmark_at_commit(connection: Connection) -> None:
    """The row goes before the commit, so that no other connection ever sees it; a rollback takes it along anyhow."""
    from sqlalchemy import event

    def unmark(marked: Connection) -> None:
        marked.exec_driver_sql(f"DELETE FROM {WRITING_TABLE}")  # noqa: S608

    event.listen(connection, "commit", unmark, once=True)


@contextmanager
def errors(where: str) -> Iterator[None]:
    """Turns whatever SQLAlchemy and its drivers raise inside into a BusError that says where, without values."""
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError
    from sqlalchemy.exc import TimeoutError as PoolTimeout

    try:
        yield
    except BusError:
        raise
    except DBAPIError as error:
        raise _translate(error.orig, where, gone=error.connection_invalidated) from None
    except (OSError, TimeoutError, PoolTimeout) as error:
        raise Unavailable(
            f"the database does not answer ({type(error).__name__})", where=where, hint="is it running and reachable?"
        ) from None
    except SQLAlchemyError as error:
        raise ConfigError(
            f"{type(error).__name__} (database layer)", where=where, hint="check query, table and columns"
        ) from None
    except OverflowError:
        raise Rejected("angka terlalu besar untuk kolomnya", where=where) from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _MODULES:
            raise
        raise _translate(error, where, gone=False) from None


_MODULES = frozenset(("asyncpg", "asyncmy", "aiosqlite", "sqlite3", "pyodbc", "oracledb"))
# Who must act: by prefix of a SQLSTATE (PostgreSQL, ODBC) or an error's name (SQLite, Oracle), or by number (MariaDB).
_UNAVAILABLE, _ACCESS, _CONFIG, _REJECTED = "unavailable", "access", "config", "rejected"
_SQLSTATES = {
    "08": _UNAVAILABLE, "25006": _UNAVAILABLE, "40": _UNAVAILABLE, "53": _UNAVAILABLE, "55": _UNAVAILABLE,
    "57": _UNAVAILABLE, "58": _UNAVAILABLE, "0A000": _UNAVAILABLE,  # a cached plan after a change of the table
    "28": _ACCESS, "42501": _ACCESS,
    "2D": _CONFIG, "3D": _CONFIG, "3F": _CONFIG, "42": _CONFIG, "21": _CONFIG,
    "22": _REJECTED, "23": _REJECTED, "44": _REJECTED, "54": _REJECTED, "P0": _REJECTED,
}  # fmt: skip
# What an application's own procedure raises: SQLSTATEs that the standard leaves to it, numbers of none of the server's.
_STATE = re.compile(r"[0-9A-Z]{5}")
_OWN_STATE, _OWN_NUMBERS = re.compile(r"45|[I-OQ-WYZ][0-9A-Z]{4}$"), 5000
_NUMBERS = (
    dict.fromkeys((1044, 1045, 1142, 1143, 1227, 1370, 1419, 1698, 1820, 1862, 4151), _ACCESS)
    | dict.fromkeys((1049, 1051, 1052, 1054, 1060, 1064, 1103, 1109, 1146, 1193, 1235, 1248, 1305, 1149), _CONFIG)
    | dict.fromkeys((1048, 1062, 1169, 1267, 1216, 1217, 1242, 1264, 1265, 1292, 1364, 1366, 1406), _REJECTED)
    | dict.fromkeys((1451, 1452, 1557, 1586, 1644, 1690, 3819, 4025, 1411, 1367, 1441, 1525, 4078), _REJECTED)
)
_NAMES = {
    "SQLITE_READONLY": _ACCESS, "SQLITE_PERM": _ACCESS, "SQLITE_AUTH": _ACCESS,
    "SQLITE_ERROR": _CONFIG, "SQLITE_NOTADB": _CONFIG, "SQLITE_CORRUPT": _CONFIG, "SQLITE_MISUSE": _CONFIG,
    "SQLITE_RANGE": _CONFIG,
    "SQLITE_CONSTRAINT": _REJECTED, "SQLITE_MISMATCH": _REJECTED, "SQLITE_TOOBIG": _REJECTED,
    "DataError": _REJECTED, "ProgrammingError": _CONFIG, "InterfaceError": _UNAVAILABLE,
    "ORA-01017": _ACCESS, "ORA-01031": _ACCESS, "ORA-01045": _ACCESS, "ORA-2800": _ACCESS,
    "ORA-009": _CONFIG, "ORA-017": _CONFIG, "ORA-04043": _CONFIG, "ORA-12505": _CONFIG, "ORA-12514": _CONFIG,
    "ORA-00001": _REJECTED, "ORA-014": _REJECTED, "ORA-01722": _REJECTED, "ORA-018": _REJECTED, "ORA-0229": _REJECTED,
    "ORA-12899": _REJECTED, "ORA-20": _REJECTED,
}  # fmt: skip


def _translate(orig: Any, where: str, *, gone: bool) -> BusError:
    code = _code(orig)
    match _UNAVAILABLE if gone else _who(code):
        case "access":
            return AccessError(
                f"the database refuses (code {code})", where=where, hint="check user, password and rights"
            )
        case "config":
            return ConfigError(_fault(code), where=where, hint="check database, query, table and columns")
        case "rejected":
            return Rejected(_reason(orig, code), where=where)
    return Unavailable(
        f"the database does not answer (code {code})", where=where, hint="is it running, reachable and not locked?"
    )


def _who(code: str) -> str:
    if code.isdigit() and len(code) < 5:  # noqa: PLR2004 - a SQLSTATE has five places
        return _NUMBERS.get(int(code), _UNAVAILABLE if int(code) < _OWN_NUMBERS else _REJECTED)
    if _OWN_STATE.match(code):
        return _REJECTED
    table = _NAMES if code.startswith(("SQLITE_", "ORA-")) or code in _NAMES else _SQLSTATES
    known = max((prefix for prefix in table if code.startswith(prefix)), key=len, default="")
    return table.get(known, _UNAVAILABLE)


def _fault(code: str) -> str:
    """What a person must repair, where the code says it."""
    if code in {"3D000", "1049", "ORA-12505", "ORA-12514"}:
        return f"there is no such database (code {code})"
    if code in {"42P01", "1146", "42S02", "ORA-00942"}:
        return f"there is no such table (code {code})"
    if code in {"42703", "1054", "42S22", "ORA-00904"}:
        return f"there is no such column (code {code})"
    return f"the query does not fit the database (code {code})"


_REASONS = {
    "data yang sama sudah ada": "23505 1062 ORA-00001 SQLITE_CONSTRAINT_UNIQUE SQLITE_CONSTRAINT_PRIMARYKEY",
    "isian wajib kosong": "23502 1048 1364 ORA-01400 SQLITE_CONSTRAINT_NOTNULL",
    "data rujukan tidak ada": "23503 1452 1216 SQLITE_CONSTRAINT_FOREIGNKEY",
    "masih dirujuk data lain": "1451 1217 23001",
    "isian melanggar aturan tabel": "23514 4025 SQLITE_CONSTRAINT_CHECK",
    "isian terlalu panjang": "22001 1406 ORA-12899 SQLITE_TOOBIG",
    "angka di luar batas kolom": "22003 1264 1690",
    "isian tidak cocok dengan jenis kolom": "22007 22008 22P02 1292 1366 1265 SQLITE_MISMATCH",
}
_REASON = {code: reason for reason, codes in _REASONS.items() for code in codes.split()}
# Where a text tells the column's or rule's name. Values may stand in front of it: the patterns hold on to an end.
_NAMED = {
    re.compile(r"^Field '([^']+)' doesn't have a default value$"): (1364,),
    re.compile(r"^Column '([^']+)' cannot be null$"): (1048,),
    re.compile(r"for key '([^']+)'$"): (1062,),
    re.compile(r"^CONSTRAINT `([^`]+)` failed for [^ ]+$"): (4025,),
    re.compile(r", CONSTRAINT `([^`]+)` FOREIGN KEY \([^)]+\) REFERENCES [^']+$"): (1451, 1452),
    re.compile(r"for column (?:`[^`]+`\.`[^`]+`\.)?[`']([^`']+)[`'] at row \d+$"): (1264, 1265, 1292, 1366, 1406),
    re.compile(r"^(?:UNIQUE|NOT NULL|CHECK) constraint failed: ([\w., ]+)$"): tuple(
        f"SQLITE_CONSTRAINT_{rule}" for rule in ("UNIQUE", "PRIMARYKEY", "NOTNULL", "CHECK")
    ),
}
_NAME = {str(code): pattern for pattern, codes in _NAMED.items() for code in codes}


def _reason(orig: Any, code: str) -> str:
    """Why a row was refused, in a clerk's words, with the column's or rule's name where the driver tells it."""
    reason = _REASON.get(code, "ditolak oleh basis data")
    cause = orig.__cause__ or orig  # asyncpg's own exception
    name = getattr(cause, "column_name", None) or getattr(cause, "constraint_name", None)
    if not name and code in _NAME and orig.args:
        found = _NAME[code].search(str(orig.args[-1]))
        name = found and found[1]
    return f"{reason}: {name} (kode {code})" if name else f"{reason} (kode {code})"


def _code(orig: Any) -> str:
    """The SQLSTATE or error number of a driver's exception, or its class: never its text."""
    arguments = getattr(orig, "args", ())
    if arguments and isinstance(arguments[0], int):
        return str(min(arguments[0], 9999))  # larger ones are an application's own, and no SQLSTATE
    if arguments and type(orig).__module__ == "pyodbc" and _STATE.fullmatch(str(arguments[0])):
        return str(arguments[0])
    if full_code := getattr(arguments[0] if arguments else None, "full_code", ""):
        return str(full_code)  # oracledb: ORA-00942
    for name in ("sqlstate", "sqlite_errorname"):
        if value := getattr(orig, name, None):
            return str(value)
    return type(orig.__cause__ or orig).__name__
