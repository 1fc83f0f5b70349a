"""Opens an application's database and turns the errors of its driver into those of the bus.

Texts of drivers carry row values: only their codes, and the names of columns and constraints, are kept.
"""

# ruff: noqa: PLC0415 - SQLAlchemy is imported on first use: not every office has it, and `bus --help` must not wait for it

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bus.config import secret
from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

DRIVERS = {"sqlite": "aiosqlite", "postgresql": "asyncpg", "mysql": "asyncmy", "mariadb": "asyncmy"}
CONNECT_TIMEOUT = 10  #: seconds; SQLite: how long to wait for another writer
STATEMENT_TIMEOUT = 120  #: seconds until a statement without an answer counts as lost

WRITING_SETTING = "bus.writing"  #: PostgreSQL: set to 1 within a transaction of the bus
WRITING_TABLE = "bus_writing"  #: SQLite: holds a row within a transaction of the bus, never outside
WRITING_VARIABLE = "@bus_writing"  #: MariaDB: 1 on a connection of the bus while it writes


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
    try:
        parsed = make_url(secret(url, where=where))
        kind = parsed.get_backend_name()
        if "+" not in parsed.drivername and kind in DRIVERS:
            parsed = parsed.set(drivername=f"{kind}+{DRIVERS[kind]}")
        if kind == "sqlite" and (readonly or not create):
            parsed = _existing_file(parsed)
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
    except (NoSuchModuleError, ImportError):
        raise ConfigError(
            "no driver for this kind of database", where=where, hint="install the extra of its family"
        ) from None
    if kind in {"mysql", "mariadb"}:
        logging.getLogger("asyncmy").disabled = True  # it logs the server's warnings, and those hold values of rows
    statements = _first_statements(kind, readonly, zone)

    def prepare(connection: Any, _record: Any) -> None:
        if kind == "sqlite" and not readonly:
            connection.isolation_level = None  # transactions are begun by us: the driver would begin too late
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()

    event.listen(made.sync_engine, "connect", prepare)
    if kind == "sqlite" and not readonly:
        event.listen(
            made.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE") and None
        )
    return made


def _isolation(kind: str, readonly: bool) -> dict[str, str]:
    """Sources need no transaction. MariaDB's default would lock the gaps between keys against other subscriptions."""
    if readonly:
        return {"isolation_level": "AUTOCOMMIT"}
    return {} if kind in {"sqlite", "postgresql"} else {"isolation_level": "READ COMMITTED"}


def _existing_file(url: URL) -> URL:
    """The same SQLite database, but never made where it is missing."""
    if not url.database or url.database == ":memory:" or "uri" in url.query:
        return url
    path = quote(os.path.abspath(url.database))
    return url.set(database=f"file:{path}", query={**url.query, "mode": "rw", "uri": "true"})


def _connect_options(kind: str, readonly: bool) -> dict[str, Any]:
    if kind == "postgresql":
        settings = {"application_name": "opd-bus"} | ({"default_transaction_read_only": "on"} if readonly else {})
        return {"timeout": CONNECT_TIMEOUT, "command_timeout": STATEMENT_TIMEOUT, "server_settings": settings}
    if kind == "sqlite":
        return {"timeout": CONNECT_TIMEOUT}
    return {"connect_timeout": CONNECT_TIMEOUT, "read_timeout": STATEMENT_TIMEOUT}


def _first_statements(kind: str, readonly: bool, zone: tzinfo | None) -> list[str]:
    """What is said once on each new connection."""
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
        if type(error).__module__.partition(".")[0] not in {"asyncpg", "asyncmy", "aiosqlite", "sqlite3"}:
            raise
        raise _translate(error, where, gone=False) from None


# Who must act, by prefix of the SQLSTATE (PostgreSQL) or the error's name (SQLite), or by number (MariaDB).
_UNAVAILABLE, _ACCESS, _CONFIG, _REJECTED = "unavailable", "access", "config", "rejected"
_SQLSTATES = {
    "08": _UNAVAILABLE, "25006": _UNAVAILABLE, "40": _UNAVAILABLE, "53": _UNAVAILABLE, "55": _UNAVAILABLE,
    "57": _UNAVAILABLE, "58": _UNAVAILABLE, "0A000": _UNAVAILABLE,  # a cached plan after a change of the table
    "28": _ACCESS, "42501": _ACCESS,
    "3D": _CONFIG, "3F": _CONFIG, "42": _CONFIG, "21": _CONFIG,
    "22": _REJECTED, "23": _REJECTED, "44": _REJECTED, "54": _REJECTED, "P0": _REJECTED,
}  # fmt: skip
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
        return _NUMBERS.get(int(code), _UNAVAILABLE)
    table = _NAMES if code.startswith("SQLITE_") or code in _NAMES else _SQLSTATES
    known = max((prefix for prefix in table if code.startswith(prefix)), key=len, default="")
    return table.get(known, _UNAVAILABLE)


def _fault(code: str) -> str:
    """What a person must repair, where the code says it."""
    if code in {"3D000", "1049"}:
        return f"there is no such database (code {code})"
    if code in {"42P01", "1146"}:
        return f"there is no such table (code {code})"
    if code in {"42703", "1054"}:
        return f"there is no such column (code {code})"
    return f"the query does not fit the database (code {code})"


_REASONS = {
    "unique": "data yang sama sudah ada",
    "null": "isian wajib kosong",
    "foreign": "data rujukan tidak ada",
    "check": "isian melanggar aturan tabel",
    "long": "isian terlalu panjang",
}
_KINDS = {
    "23505": "unique", "1062": "unique", "SQLITE_CONSTRAINT_UNIQUE": "unique", "SQLITE_CONSTRAINT_PRIMARYKEY": "unique",
    "23502": "null", "1048": "null", "1364": "null", "SQLITE_CONSTRAINT_NOTNULL": "null",
    "23503": "foreign", "1452": "foreign", "1451": "foreign", "SQLITE_CONSTRAINT_FOREIGNKEY": "foreign",
    "23514": "check", "4025": "check", "SQLITE_CONSTRAINT_CHECK": "check",
    "22001": "long", "1406": "long",
}  # fmt: skip
# Names of columns and constraints stand at the end of these texts, behind any value.
_NAMED = re.compile(r"(?:for key|for column|^Column|^Field|CONSTRAINT) ['`]([\w.]+)['`](?:[^'`]*)$")
_NAMED_SQLITE = re.compile(r"^(?:UNIQUE|NOT NULL|CHECK) constraint failed: ([\w., ]+)$")


def _reason(orig: Any, code: str) -> str:
    """Why a row was refused, in a clerk's words, with the column's or rule's name where the driver tells it."""
    reason = _REASONS.get(_KINDS.get(code, ""), "ditolak oleh basis data")
    cause = orig.__cause__ or orig
    name = getattr(cause, "column_name", None) or getattr(cause, "constraint_name", None)
    if not name and code.isdigit() and len(orig.args) > 1:
        found = _NAMED.search(str(orig.args[1]))
        name = found and found[1]
    elif not name and code.startswith("SQLITE_CONSTRAINT") and code != "SQLITE_CONSTRAINT_TRIGGER":
        found = _NAMED_SQLITE.search(str(orig))
        name = found and found[1]
    return f"{reason}: {name} (kode {code})" if name else f"{reason} (kode {code})"


def _code(orig: Any) -> str:
    """The SQLSTATE or error number of a driver's exception, or its class: never its text."""
    for name in ("sqlstate", "pgcode", "sqlite_errorname"):
        if value := getattr(orig, name, None):
            return str(value)
    arguments = getattr(orig, "args", ())
    if arguments and isinstance(arguments[0], int):
        return str(arguments[0])
    return type(orig.__cause__ or orig).__name__
