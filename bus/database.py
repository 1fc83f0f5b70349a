"""Opens an application's database and turns the errors of its driver into those of the bus.

Texts of drivers carry row values: only their code is kept. SQLAlchemy is imported on first use, since not every office has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bus.config import secret
from bus.errors import AccessError, BusError, ConfigError, Rejected, Unavailable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

DRIVERS = {"sqlite": "aiosqlite", "postgresql": "asyncpg", "mysql": "asyncmy", "mariadb": "asyncmy"}
CONNECT_TIMEOUT = 10  #: seconds

# SQLSTATE classes, and codes of MariaDB and SQLite, that say who must act.
_ACCESS = ("28", "42501", "1044", "1045", "1142", "1143", "1698")
_GONE = ("08", "53", "57", "40", "55P03", "1040", "1053", "1205", "1213", "1927", "2002", "2003", "2006", "2013", "4031")
_CONFIG = ("3D000", "42", "1049", "1054", "1064", "1146")


def engine(url: str, *, where: str) -> AsyncEngine:
    """An engine for a URL (or ``env:NAME``) with the driver of the bus filled in. Raises ConfigError; connects to nothing yet."""
    try:
        from sqlalchemy import event, make_url
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
        from sqlalchemy.ext.asyncio import create_async_engine
    except ImportError:
        raise ConfigError("SQL databases need an extra", where=where, hint="install opd-bus[postgresql], [mariadb] or [sqlite]") from None
    try:
        parsed = make_url(secret(url, where=where))
        kind = parsed.get_backend_name()
        if "+" not in parsed.drivername and kind in DRIVERS:
            parsed = parsed.set(drivername=f"{kind}+{DRIVERS[kind]}")
        options: dict[str, Any] = {"timeout": CONNECT_TIMEOUT} if kind in {"sqlite", "postgresql"} else {"connect_timeout": CONNECT_TIMEOUT}
        made = create_async_engine(parsed, hide_parameters=True, pool_pre_ping=kind != "sqlite", connect_args=options)
    except ArgumentError:
        raise ConfigError("not a database URL", where=where, hint="write postgresql://user:password@host/name") from None
    except (NoSuchModuleError, ImportError):
        raise ConfigError("no driver for this kind of database", where=where, hint="install the extra of its family") from None
    if kind == "sqlite":
        event.listen(made.sync_engine, "connect", _prepare_sqlite)
        event.listen(made.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return made


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Transactions are begun by us (the driver would begin too late), and readers do not block the application."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.close()


@contextmanager
def errors(where: str) -> Iterator[None]:
    """Turns whatever SQLAlchemy and its drivers raise inside into a BusError that says where, without values."""
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        yield
    except BusError:
        raise
    except DBAPIError as error:
        raise _translate(error, where) from None
    except SQLAlchemyError as error:
        raise ConfigError(f"{type(error).__name__} (database layer)", where=where, hint="check query, table and columns") from None
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"the database does not answer ({type(error).__name__})", where=where, hint="is it running and reachable?") from None


def _translate(error: Any, where: str) -> BusError:
    from sqlalchemy.exc import DataError, IntegrityError

    code = _code(error.orig)
    if error.connection_invalidated or code.startswith(_GONE):
        return Unavailable(f"the database does not answer (code {code})", where=where, hint="is it running and reachable?")
    if code.startswith(_ACCESS):
        return AccessError(f"the database refuses (code {code})", where=where, hint="check user, password and rights")
    if isinstance(error, IntegrityError | DataError) or code.startswith(("22", "23")):
        return Rejected(f"the database rejects the row (code {code})", where=where, hint="compare the table's rules with the event")
    if code.startswith(_CONFIG):
        return ConfigError(f"the query does not fit the database (code {code})", where=where, hint="check query, table and columns")
    return Unavailable(f"the database failed (code {code})", where=where)


def _code(orig: Any) -> str:
    """The SQLSTATE or error number of a driver's exception, or its class: never its text."""
    for name in ("sqlstate", "pgcode", "sqlite_errorname"):
        if value := getattr(orig, name, None):
            return str(value)
    arguments = getattr(orig, "args", ())
    if arguments and isinstance(arguments[0], int):
        return str(arguments[0])
    return type(orig.__cause__ or orig).__name__
