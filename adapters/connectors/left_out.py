"""Records that a source leaves out, since a field tells that the bus wrote them: they would come back as an echo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field

Skip = Annotated[
    Mapping[str, str | int | bool],
    Field(examples=[{"sumber": "bus"}], description='records with these values are left out: sumber = "bus"'),
]
"""The option ``skip`` of a source."""


def left_out(skip: Skip, value_of: Callable[[str], Any]) -> bool:
    """Whether a record, of which ``value_of`` gives the fields, is left out."""
    return bool(skip) and all(value_of(name) == value for name, value in skip.items())
