"""Handlers: plain async functions of a contract's mapping.py, typed by the event they take.

    async def hentikan(event: PendudukMeninggal, transaction: AsyncConnection) -> list[BaseModel]: ...

The first parameter is the event; parameters annotated ``Delivery`` or ``AsyncConnection`` (the transaction of the
contract's ``database``) are supplied here, and any other is resolved by fast-depends (``Depends``). What a handler
returns are its follow-up events.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fast_depends import inject
from pydantic import BaseModel

from bus.errors import ConfigError
from bus.ports import Delivery, FollowUp

Handler = Callable[..., Awaitable[Sequence[BaseModel] | None]]


class HandlerSink:
    """A handler as a sink."""

    def __init__(self, function: Handler, database: str | None, *, where: str) -> None:
        self.database, self.atomic = database, database is not None
        self._delivery_names, self._transaction_names, needs_more = _parameters(function, where)
        self._function: Handler = inject(function, cast=False) if needs_more else function
        self._event_name = next(iter(inspect.signature(function).parameters))

    async def open(self) -> None:
        """Nothing to connect to."""

    async def apply(self, deliveries: Sequence[Delivery], transaction: Any) -> Sequence[FollowUp]:
        """Calls the handler for each delivery in order."""
        follow_ups: list[FollowUp] = []
        for delivery in deliveries:
            supplied: dict[str, Any] = {self._event_name: visible(delivery)}
            for name in self._delivery_names:
                supplied[name] = delivery
            for name in self._transaction_names:
                supplied[name] = transaction
            if emitted := await self._function(**supplied):
                follow_ups += [FollowUp(delivery, index, data) for index, data in enumerate(emitted)]
        return follow_ups

    async def close(self) -> None:
        """Nothing to let go of."""


def visible(delivery: Delivery) -> BaseModel:
    """The event with only the fields that its subscription may see; the others are not there at all, not even as None.

    The fields are validated already: the instance is put together without pydantic's constructor, once per event.
    """
    data = delivery.data
    kind = type(data)
    if delivery.fields >= kind.model_fields.keys():
        return data
    shown = kind.__new__(kind)
    object.__setattr__(shown, "__dict__", delivery.values())
    object.__setattr__(shown, "__pydantic_fields_set__", set(delivery.fields))
    object.__setattr__(shown, "__pydantic_extra__", None)
    object.__setattr__(shown, "__pydantic_private__", None)
    return shown


def _parameters(function: Handler, where: str) -> tuple[list[str], list[str], bool]:
    """Which parameters get the delivery, which the transaction, and whether others are left for fast-depends. Raises
    ConfigError.
    """
    if not inspect.iscoroutinefunction(function):
        raise ConfigError("the handler is not an async function", where=where, hint="write `async def`")
    names = list(inspect.signature(function).parameters)[1:]
    hints = typing.get_type_hints(function)
    deliveries = [name for name in names if hints.get(name) is Delivery]
    transactions = [name for name in names if getattr(hints.get(name), "__name__", "") == "AsyncConnection"]
    return deliveries, transactions, len(deliveries) + len(transactions) < len(names)
