"""What an application's database gets for an outbox: one table and the triggers that fill it, for the owner's approval.

A trigger writes down each change of the watched columns in the transaction that makes it, but not what the bus itself
writes (``bus.database.mark_as_bus``). Every statement can be run again. Not seen: TRUNCATE, cascades of foreign keys on
MariaDB, the delete half of SQLite's INSERT OR REPLACE. A changed key is an update under the new key.
"""

# ruff: noqa: S608 - names are quoted, and the owner reads and approves what is made of the contract

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.connectors.sql import quoted
from bus.database import WRITING_SETTING, WRITING_TABLE, WRITING_VARIABLE

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

Operation = Literal["insert", "update", "delete"]


class Watch(BaseModel):
    """A table that is watched, ``[source.<name>.watch.<watch>]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    table: str = Field(description="the table, with its schema where needed")
    key: tuple[str, ...] = Field(min_length=1, description="columns that name a row")
    columns: tuple[str, ...] = Field(default=(), description="further columns that an event needs")
    on: tuple[Operation, ...] = Field(default=("insert", "update", "delete"), min_length=1)

    @property
    def all_columns(self) -> tuple[str, ...]:
        """The key's columns and the others, each once."""
        return tuple(dict.fromkeys((*self.key, *self.columns)))


def trigger_name(watch: str, operation: Operation) -> str:
    """The name of the trigger of one operation."""
    return f"bus_{watch.replace('-', '_')}_{operation}"


def script(dialect: Dialect, table: str, watches: Mapping[str, Watch]) -> str:
    """Everything as one script for the database's own client."""
    made = statements(dialect, table, watches)
    if dialect.name in {"sqlite", "postgresql"}:
        return ";\n\n".join(["BEGIN", *made, "COMMIT"]) + ";\n"
    return "DELIMITER //\n\n" + "\n//\n\n".join(made) + "\n//\n\nDELIMITER ;\n"


def statements(dialect: Dialect, table: str, watches: Mapping[str, Watch]) -> list[str]:
    """Everything to run, in order."""
    make = {"sqlite": _Sqlite, "postgresql": _Postgresql}.get(dialect.name, _Mariadb)(dialect, table)
    made = list(make.tables())
    for name, watch in watches.items():
        made += make.triggers(name, watch)
    return made


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
        for operation in watch.on:
            trigger = self._name(trigger_name(name, operation))
            yield f"DROP TRIGGER IF EXISTS {trigger}"
            row = "OLD" if operation == "delete" else "NEW"
            when = f"NOT EXISTS (SELECT 1 FROM {WRITING_TABLE})"
            if operation == "update":
                changed = (f"NEW.{self._name(c)} IS NOT OLD.{self._name(c)}" for c in watch.all_columns)
                when += f"\n  AND ({' OR '.join(changed)})"
            yield (
                f"CREATE TRIGGER {trigger} AFTER {operation.upper()} ON {self._name(watch.table)}\n"
                f"WHEN {when}\nBEGIN\n  INSERT INTO {self._name(self._table)} (watch, operation, payload)\n"
                f"  VALUES ('{name}', '{operation}', json_object({self._pairs(row, watch.all_columns)}));\nEND"
            )

    def _pairs(self, row: str, columns: Sequence[str]) -> str:
        # A BLOB has no place in JSON: json_object would fail, and with it the application's own statement.
        values = (f"{row}.{self._name(column)}" for column in columns)
        return ", ".join(
            f"{_literal(column)}, CASE typeof({value}) WHEN 'blob' THEN hex({value}) ELSE {value} END"
            for column, value in zip(columns, values, strict=True)
        )

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
        schema = self._table.rpartition(".")[0]
        function = self._name(f"{schema}.bus_{name.replace('-', '_')}" if schema else f"bus_{name.replace('-', '_')}")
        yield (
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger\n"
            "LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $bus$\n"
            f"BEGIN\n  IF current_setting('{WRITING_SETTING}', true) = '1' THEN\n    RETURN NULL;\n  END IF;\n"
            f"  IF TG_OP = 'UPDATE' THEN\n    IF {self._object('NEW', watch)} = {self._object('OLD', watch)} THEN\n"
            f"      RETURN NULL;\n    END IF;\n  END IF;\n  IF TG_OP = 'DELETE' THEN\n"
            f"    INSERT INTO {self._name(self._table)} (watch, operation, payload)\n"
            f"    VALUES ('{name}', 'delete', {self._object('OLD', watch)});\n  ELSE\n"
            f"    INSERT INTO {self._name(self._table)} (watch, operation, payload)\n"
            f"    VALUES ('{name}', lower(TG_OP), {self._object('NEW', watch)});\n  END IF;\n  RETURN NULL;\nEND\n$bus$"
        )
        for operation in watch.on:
            trigger, table = self._name(trigger_name(name, operation)), self._name(watch.table)
            yield f"DROP TRIGGER IF EXISTS {trigger} ON {table}"
            yield (
                f"CREATE TRIGGER {trigger} AFTER {operation.upper()} ON {table}\n"
                f"FOR EACH ROW EXECUTE FUNCTION {function}()"
            )

    def _object(self, row: str, watch: Watch) -> str:
        values = ", ".join(f"{row}.{self._name(column)}" for column in watch.all_columns)
        return f"(SELECT to_jsonb(watched) FROM (SELECT {values}) AS watched)"


class _Mariadb(_Sqlite):
    """MariaDB: the bus's own connections carry a variable."""

    def tables(self) -> Iterator[str]:
        yield (
            f"CREATE TABLE IF NOT EXISTS {self._name(self._table)} (\n"
            "  id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,\n  watch varchar(64) NOT NULL,\n"
            "  operation varchar(6) NOT NULL,\n  payload longtext NOT NULL,\n"
            "  created_at datetime(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),\n  sent_at datetime(6) NULL,\n"
            "  KEY unsent (sent_at, id)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
        )

    def triggers(self, name: str, watch: Watch) -> Iterator[str]:
        for operation in watch.on:
            trigger = self._name(trigger_name(name, operation))
            yield f"DROP TRIGGER IF EXISTS {trigger}"
            row = "OLD" if operation == "delete" else "NEW"
            when = f"{WRITING_VARIABLE} IS NULL"
            if operation == "update":
                same = (f"NEW.{self._name(c)} <=> OLD.{self._name(c)}" for c in watch.all_columns)
                when += f" AND NOT ({' AND '.join(same)})"
            pairs = ", ".join(f"{_literal(column)}, {row}.{self._name(column)}" for column in watch.all_columns)
            yield (
                f"CREATE TRIGGER {trigger} AFTER {operation.upper()} ON {self._name(watch.table)} FOR EACH ROW\n"
                f"IF {when} THEN\n  INSERT INTO {self._name(self._table)} (watch, operation, payload)\n"
                f"  VALUES ('{name}', '{operation}', JSON_OBJECT({pairs}));\nEND IF"
            )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
