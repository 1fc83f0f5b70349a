"""What an outbox watches, and the names and texts that its triggers are made of on every database."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Operation = Literal["insert", "update", "delete"]
OPERATIONS: tuple[Operation, ...] = ("insert", "update", "delete")


class Watch(BaseModel):
    """A table that is watched, ``[source.<name>.watch.<watch>]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    table: str = Field(description="the table, with its schema where needed")
    key: tuple[str, ...] = Field(min_length=1, description="columns that name a row")
    columns: tuple[str, ...] = Field(default=(), description="further columns that an event needs")
    on: tuple[Operation, ...] = Field(
        default=OPERATIONS, min_length=1, description="what is told of it: insert, update, delete"
    )

    @property
    def all_columns(self) -> tuple[str, ...]:
        """The key's columns and the others, each once."""
        return tuple(dict.fromkeys((*self.key, *self.columns)))


def trigger_name(watch: str, operation: Operation) -> str:
    """The name of the trigger of one operation."""
    return f"bus_{watch.replace('-', '_')}_{operation}"
