"""What an application's database gets for an outbox: one table and the triggers that fill it, for the owner's approval.

A trigger writes down each change of the watched columns in the transaction that makes it, but not what the bus itself
writes (``bus.database.mark_as_bus``). Every statement can be run again. Not seen: TRUNCATE, cascades of foreign keys on
MariaDB, the delete half of SQLite's INSERT OR REPLACE. A changed key is an update under the new key. SQL Server and
Oracle are in ``sql_outbox_servers``.

A trigger that fails would take the application's statement with it. Where a watched column was dropped or renamed,
PostgreSQL and MariaDB write down the others; SQLite renames it in its triggers, and drops none that they name.
"""

# ruff: noqa: S608 - names are quoted, and the owner reads and approves what is made of the contract

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from adapters.connectors.sql import literal, quoted
from adapters.connectors.sql_outbox_servers import Oracle, SqlServer
from adapters.connectors.sql_outbox_watch import OPERATIONS, Watch, trigger_name
from adapters.connectors.sqlite_json import row_as_json
from bus.database import WRITING_SETTING, WRITING_TABLE, WRITING_VARIABLE

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

UNFIT = "1054, 1366"  #: what MariaDB says of a column that is not there, and of bytes that are no text


def script(dialect: Dialect, table: str, watches: Mapping[str, Watch], *, transactions: bool = True) -> str:
    """Everything as one script for the database's own client, and how to take the triggers away again."""
    made = statements(dialect, table, watches, transactions=transactions)
    make = _kind(dialect, table)
    removal = "".join(f"-- {each};\n" for name, watch in watches.items() for each in make.removal(name, watch))
    return f"{_joined(dialect, made)}\n-- Before a watched column goes, and when the adapter retires:\n{removal}"


def _joined(dialect: Dialect, made: Sequence[str]) -> str:
    if dialect.name in {"sqlite", "postgresql"}:
        return ";\n\n".join(["BEGIN", *made, "COMMIT"]) + ";\n"
    if dialect.name in {"mssql", "oracle"}:  # sqlcmd's and sqlplus's own way to end a statement
        end = "GO" if dialect.name == "mssql" else "/"
        return "".join(f"{statement}\n{end}\n\n" for statement in made)
    return "DELIMITER //\n\n" + "\n//\n\n".join(made) + "\n//\n\nDELIMITER ;\n"


def statements(dialect: Dialect, table: str, watches: Mapping[str, Watch], *, transactions: bool = True) -> list[str]:
    """Everything to run, in order. ``transactions``: whether the watched tables have them (MariaDB)."""
    make = _kind(dialect, table, transactions=transactions)
    made = list(make.tables())
    for name, watch in watches.items():
        made += make.triggers(name, watch)
    return made


def _kind(dialect: Dialect, table: str, *, transactions: bool = True) -> _Sqlite | SqlServer | Oracle:
    kind = _KINDS.get(dialect.name)
    return kind(dialect, table) if kind else _Mariadb(dialect, table, transactions=transactions)


class _Sqlite:
    """SQLite: the bus's own transactions are known by a row in a table, which they delete before they commit."""

    def __init__(self, dialect: Dialect, table: str) -> None:
        self._dialect, self._table = dialect, table

    def tables(self) -> Iterator[str]:
        yield (
            f"CREATE TABLE IF NOT EXISTS {self._name(self._table)} (\n"
            "  id INTEGER PRIMARY KEY AUTOINCREMENT,\n  watch TEXT NOT NULL,\n  operation TEXT NOT NULL,\n"
            "  payload TEXT NOT NULL,\n"
            "  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),\n  sent_at TEXT\n)"
        )
        index = self._name(f"{self._table}_unsent")
        yield f"CREATE INDEX IF NOT EXISTS {index} ON {self._name(self._table)} (id) WHERE sent_at IS NULL"
        yield f"CREATE TABLE IF NOT EXISTS {WRITING_TABLE} (writing INTEGER NOT NULL)"

    def triggers(self, name: str, watch: Watch) -> Iterator[str]:
        yield from self.removal(name, watch)
        for operation in watch.on:
            trigger = self._name(trigger_name(name, operation))
            row = "OLD" if operation == "delete" else "NEW"
            when = f"NOT EXISTS (SELECT 1 FROM {WRITING_TABLE})"
            if operation == "update":
                changed = (f"NEW.{self._name(c)} IS NOT OLD.{self._name(c)}" for c in watch.all_columns)
                when += f"\n  AND ({' OR '.join(changed)})"
            yield (
                f"CREATE TRIGGER {trigger} AFTER {operation.upper()} ON {self._name(watch.table)}\n"
                f"WHEN {when}\nBEGIN\n  INSERT INTO {self._name(self._table)} (watch, operation, payload)\n"
                f"  VALUES ('{name}', '{operation}', {row_as_json(f'{row}.', watch.all_columns)});\nEND"
            )

    def removal(self, name: str, _watch: Watch) -> Iterator[str]:
        for operation in OPERATIONS:
            yield f"DROP TRIGGER IF EXISTS {self._name(trigger_name(name, operation))}"

    def _name(self, name: str) -> str:
        return quoted(self._dialect, name)


class _Postgresql(_Sqlite):
    """PostgreSQL: one function per watch, with its maker's rights, so that the application's user needs none here."""

    def tables(self) -> Iterator[str]:
        yield "SET LOCAL lock_timeout = '5s'"  # else the application would queue behind a trigger that waits
        yield (
            f"CREATE TABLE IF NOT EXISTS {self._name(self._table)} (\n"
            "  id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,\n  watch text NOT NULL,\n"
            "  operation text NOT NULL,\n  payload jsonb NOT NULL,\n"
            "  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),\n  sent_at timestamptz\n)"
        )
        index = self._name(f"{self._table.rpartition('.')[2]}_unsent")
        yield f"CREATE INDEX IF NOT EXISTS {index} ON {self._name(self._table)} (id) WHERE sent_at IS NULL"

    def triggers(self, name: str, watch: Watch) -> Iterator[str]:
        yield (
            f"CREATE OR REPLACE FUNCTION {self._function(name)}() RETURNS trigger\n"
            "LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $bus$\n"
            "DECLARE\n  old_row jsonb;\n  new_row jsonb;\n"
            f"BEGIN\n  IF current_setting('{WRITING_SETTING}', true) = '1' THEN\n    RETURN NULL;\n  END IF;\n"
            f"  BEGIN\n    IF TG_OP <> 'INSERT' THEN\n      old_row := {self._object('OLD', watch)};\n    END IF;\n"
            f"    IF TG_OP <> 'DELETE' THEN\n      new_row := {self._object('NEW', watch)};\n    END IF;\n"
            "  EXCEPTION WHEN undefined_column THEN  -- it was dropped or renamed: the others are written down\n"
            f"    old_row := {self._left('OLD', watch)};\n    new_row := {self._left('NEW', watch)};\n  END;\n"
            "  IF old_row = new_row THEN\n    RETURN NULL;\n  END IF;\n"
            f"  INSERT INTO {self._name(self._table)} (watch, operation, payload)\n"
            f"  VALUES ('{name}', lower(TG_OP), COALESCE(new_row, old_row, '{{}}'));\n  RETURN NULL;\nEND\n$bus$"
        )
        yield from self._dropped(name, watch)
        for operation in watch.on:
            yield (
                f"CREATE TRIGGER {self._name(trigger_name(name, operation))} AFTER {operation.upper()} "
                f"ON {self._name(watch.table)}\nFOR EACH ROW EXECUTE FUNCTION {self._function(name)}()"
            )

    def removal(self, name: str, watch: Watch) -> Iterator[str]:
        yield from self._dropped(name, watch)
        yield f"DROP FUNCTION IF EXISTS {self._function(name)}()"

    def _dropped(self, name: str, watch: Watch) -> Iterator[str]:
        for operation in OPERATIONS:
            yield f"DROP TRIGGER IF EXISTS {self._name(trigger_name(name, operation))} ON {self._name(watch.table)}"

    def _function(self, name: str) -> str:
        schema = self._table.rpartition(".")[0]
        return self._name(f"{schema}.bus_{name.replace('-', '_')}" if schema else f"bus_{name.replace('-', '_')}")

    def _object(self, row: str, watch: Watch) -> str:
        values = ", ".join(f"{row}.{self._name(column)}" for column in watch.all_columns)
        return f"(SELECT to_jsonb(watched) FROM (SELECT {values}) AS watched)"

    def _left(self, row: str, watch: Watch) -> str:
        """Those of the watched columns that the row has; what is not watched is converted too, and is thrown away."""
        names = ", ".join(map(literal, watch.all_columns))
        return f"(SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb({row})) WHERE key IN ({names}))"


class _Mariadb(_Sqlite):
    """MariaDB: the bus's own connections carry a variable.

    Bytes that are no text have no place in JSON: such a column is left out like one that is gone. While one is gone
    every update is told, since which columns it changes cannot be asked.

    The outbox is of the kind of its tables. A statement that fails takes back what its triggers have written where that
    is InnoDB, but leaves the rows of a MyISAM table as they are by then.
    """

    def __init__(self, dialect: Dialect, table: str, *, transactions: bool = True) -> None:
        super().__init__(dialect, table)
        self._engine = "InnoDB" if transactions else "MyISAM"

    def tables(self) -> Iterator[str]:
        yield (
            f"CREATE TABLE IF NOT EXISTS {self._name(self._table)} (\n"
            "  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,\n  watch varchar(64) NOT NULL,\n"
            "  operation varchar(6) NOT NULL,\n  payload longtext NOT NULL,\n"
            "  created_at datetime(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),\n  sent_at datetime(6) NULL,\n"
            f"  KEY unsent (sent_at, id)\n) ENGINE={self._engine} DEFAULT CHARSET=utf8mb4"
        )

    def triggers(self, name: str, watch: Watch) -> Iterator[str]:
        for operation, removal in zip(OPERATIONS, self.removal(name, watch), strict=True):
            yield removal  # its successor comes next: what changes in between is not seen
            if operation not in watch.on:
                continue
            row = "OLD" if operation == "delete" else "NEW"
            when = theirs = f"{WRITING_VARIABLE} IS NULL"
            if operation == "update":
                same = (f"NEW.{self._name(c)} <=> OLD.{self._name(c)}" for c in watch.all_columns)
                when += f" AND NOT ({' AND '.join(same)})"
            values = [f"{literal(column)}, {row}.{self._name(column)}" for column in watch.all_columns]
            into = f"INSERT INTO {self._name(self._table)} (watch, operation, payload)"
            write = f"{into}\n    VALUES ('{name}', '{operation}'"
            left = "".join(
                f"    SET one = JSON_OBJECT({value});\n    SET rest = COALESCE(JSON_MERGE_PRESERVE(rest, one), rest);\n"
                for value in values
            )
            yield (
                f"CREATE TRIGGER {self._name(trigger_name(name, operation))} AFTER {operation.upper()} "
                f"ON {self._name(watch.table)} FOR EACH ROW\nBEGIN\n"
                "  DECLARE unfit bool DEFAULT FALSE;\n"
                "  DECLARE one, rest longtext CHARACTER SET utf8mb4 DEFAULT '{}';\n"
                f"  DECLARE CONTINUE HANDLER FOR {UNFIT} SET unfit = TRUE;\n"
                f"  IF {when} THEN\n    {write}, JSON_OBJECT({', '.join(values)}));\n  END IF;\n"
                f"  IF unfit AND {theirs} THEN  -- a column is gone, or bytes: the others are written down\n"
                f"{left}    {write}, rest);\n  END IF;\nEND"
            )


_KINDS: Mapping[str, type[_Sqlite] | type[SqlServer] | type[Oracle]] = {
    "sqlite": _Sqlite,
    "postgresql": _Postgresql,
    "mssql": SqlServer,
    "oracle": Oracle,
}
