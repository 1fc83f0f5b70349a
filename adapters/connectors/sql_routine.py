"""What an event calls: a stored procedure, a function or one statement, and how values become its parameters.

The database is asked once, at the start, for what the name stands for and which types its parameters have. Where it
does not tell (SQLite, MariaDB's statements), a value goes as it is, and times are local, without an offset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from sqlalchemy import ARRAY, text
from sqlalchemy.types import NullType, String

from adapters.connectors.sql import quoted
from adapters.connectors.sql_columns import Convert, conversion
from bus.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import TextClause
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.types import TypeEngine

Parameters = Mapping[str, str] | tuple[str, ...]
ISOLATED = {"sqlite"}  #: without stored procedures

_POSTGRESQL = """
SELECT p.prokind, p.proname FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.proname = :name AND p.prokind IN ('p', 'f')
  AND CASE WHEN :schema = '' THEN pg_catalog.pg_function_is_visible(p.oid) ELSE n.nspname = :schema END
ORDER BY p.prokind DESC LIMIT 1
"""
_MARIADB = """
SELECT r.routine_type, p.parameter_name, p.parameter_mode, p.data_type FROM information_schema.routines r
LEFT JOIN information_schema.parameters p ON p.specific_schema = r.routine_schema
  AND p.specific_name = r.specific_name AND p.routine_type = r.routine_type AND p.ordinal_position > 0
WHERE r.routine_name = :name AND r.routine_schema = COALESCE(NULLIF(:schema, ''), DATABASE())
ORDER BY r.routine_type DESC, p.ordinal_position
"""


@dataclass(frozen=True)
class Routine:
    """A statement with named parameters, what fills each (a field, or ``$id`` and the like), and the conversions."""

    statement: TextClause
    sources: Mapping[str, str]
    convert: Mapping[str, Convert]


def names_in(statement: str) -> tuple[str, ...]:
    """The parameters of a statement, ``:name``."""
    return tuple(text(statement).compile().params)


def filled(statement: str, parameters: Parameters) -> dict[str, str]:
    """What fills each parameter of a statement: what is mapped, else the field of its name. Raises ValueError."""
    names = names_in(statement)
    if not isinstance(parameters, Mapping):
        if parameters:
            raise ValueError("a statement's parameters have names: write parameters = { name = field }")
        parameters = {}
    if unknown := sorted(parameters.keys() - set(names)):
        raise ValueError(f"the statement has no :{unknown[0]}")
    return {name: parameters.get(name, name) for name in names}


async def of_statement(
    connection: AsyncConnection, statement: str, sources: Mapping[str, str], zone: tzinfo
) -> Routine:
    """One statement as it stands in the contract."""
    clause = text(statement)
    types = await _types(connection, clause, sources) if connection.dialect.name == "postgresql" else {}
    return Routine(clause, sources, _conversions(connection.dialect, sources, types, zone))


async def of_call(connection: AsyncConnection, name: str, parameters: Parameters, zone: tzinfo, where: str) -> Routine:
    """A stored procedure or function. Raises ConfigError where there is none, or none with such parameters."""
    dialect = connection.dialect
    if dialect.name in ISOLATED:
        raise ConfigError("SQLite has no stored procedures", where=where, hint="write `statement` instead of `call`")
    if dialect.name == "postgresql":
        return await _of_postgresql(connection, name, parameters, zone, where)
    return await _of_mariadb(connection, name, parameters, zone, where)


async def _of_postgresql(
    connection: AsyncConnection, name: str, parameters: Parameters, zone: tzinfo, where: str
) -> Routine:
    schema, _, own = name.rpartition(".")
    found = (await connection.execute(text(_POSTGRESQL), {"name": own, "schema": schema})).first()
    if found is None:
        raise _missing(name, where)
    sources = _numbered(parameters)
    marks = [f":{parameter}" for parameter in sources]
    if isinstance(parameters, Mapping):
        marks = [
            f"{quoted(connection.dialect, parameter)} => {mark}"
            for parameter, mark in zip(parameters, marks, strict=True)
        ]
    verb = "CALL" if found.prokind in {"p", b"p"} else "SELECT"
    clause = text(f"{verb} {quoted(connection.dialect, name)}({', '.join(marks)})")
    types = await _types(connection, clause, sources)
    return Routine(clause, sources, _conversions(connection.dialect, sources, types, zone))


async def _of_mariadb(
    connection: AsyncConnection, name: str, parameters: Parameters, zone: tzinfo, where: str
) -> Routine:
    schema, _, own = name.rpartition(".")
    found = (await connection.execute(text(_MARIADB), {"name": own, "schema": schema})).all()
    if not found:
        raise _missing(name, where)
    wanted = [row for row in found if row[0] == found[0][0] and row[1] is not None]
    if any(mode not in {None, "IN"} for _, _, mode, _ in wanted):
        raise ConfigError(f"{name} has OUT parameters", where=where, hint="call one that only takes values")
    order = [parameter for _, parameter, _, _ in wanted]
    if isinstance(parameters, Mapping):
        if {one.lower() for one in parameters} != {one.lower() for one in order}:
            raise ConfigError(f"the parameters of {name} are {', '.join(order)}", where=where, hint="name each of them")
        by_name = {one.lower(): source for one, source in parameters.items()}
        parameters = tuple(by_name[one.lower()] for one in order)
    if len(parameters) != len(order):
        raise ConfigError(f"{name} takes {len(order)} parameters: {', '.join(order)}", where=where)
    sources = _numbered(parameters)
    verb = "CALL" if found[0][0] == "PROCEDURE" else "SELECT"
    clause = text(f"{verb} {quoted(connection.dialect, name)}({', '.join(f':{one}' for one in sources)})")
    types = {mark: kind for mark, (_, _, _, kind) in zip(sources, wanted, strict=True)}
    return Routine(clause, sources, _conversions(connection.dialect, sources, types, zone))


def _numbered(parameters: Parameters) -> dict[str, str]:
    """Parameters by their place, whatever the routine calls them."""
    sources = parameters.values() if isinstance(parameters, Mapping) else parameters
    return {f"p{place}": source for place, source in enumerate(sources)}


def _missing(name: str, where: str) -> ConfigError:
    return ConfigError(
        f"there is no procedure or function {name}", where=where, hint="is it made, and may this user execute it?"
    )


async def _types(connection: AsyncConnection, clause: TextClause, names: Mapping[str, str]) -> dict[str, str]:
    """PostgreSQL itself says which type each parameter has, and refuses what does not fit."""
    compiled = clause.compile(dialect=connection.dialect)
    raw: Any = (await connection.get_raw_connection()).driver_connection
    prepared = await raw.prepare(str(compiled))
    oids = [one.oid for one in prepared.get_parameters()]
    query = "SELECT format_type(oid, NULL) FROM unnest($1::oid[]) WITH ORDINALITY AS t(oid, n) ORDER BY n"
    found = (await connection.exec_driver_sql(query, (oids,))).scalars()
    return dict(zip(compiled.positiontup or list(names), found, strict=True))


def _conversions(
    dialect: Dialect, sources: Mapping[str, str], types: Mapping[str, str], zone: tzinfo
) -> dict[str, Convert]:
    return {name: _conversion(dialect, source, types.get(name), zone) for name, source in sources.items()}


def _conversion(dialect: Dialect, source: str, kind: str | None, zone: tzinfo) -> Convert:
    """From an event's value to a parameter; an error names the field, never the value."""
    plain = dialect.name == "sqlite"
    if kind is not None:
        return conversion(source, _type(dialect, kind), zone, plain=plain)
    as_is = conversion(source, NullType(), zone, plain=plain)

    def local(value: Any) -> Any:
        if isinstance(value, datetime) and value.tzinfo:
            value = value.astimezone(zone).replace(tzinfo=None)
        return as_is(value)

    return local


def _type(dialect: Dialect, kind: str) -> TypeEngine[Any]:
    """The database's own name of a type as SQLAlchemy knows it."""
    if kind.endswith("[]"):
        return ARRAY(String())
    known: Mapping[str, type[TypeEngine[Any]]] = getattr(dialect, "ischema_names", {})
    made = known.get(kind, NullType)()
    if kind.endswith("with time zone") and hasattr(made, "timezone"):
        made.timezone = True
    return made


def values(routine: Routine, visible: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of one event. Raises Rejected, which names the field alone."""
    return {name: routine.convert[name](visible[source]) for name, source in routine.sources.items()}


def fields_of(sources: Sequence[str] | Mapping[str, str]) -> frozenset[str]:
    """The fields among what fills the parameters; ``$id`` and the like are the event's own."""
    listed = sources.values() if isinstance(sources, Mapping) else sources
    return frozenset(source for source in listed if not source.startswith("$"))
