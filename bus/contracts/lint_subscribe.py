"""Lint of ``[[subscribe]]``: events and fields that exist, publishers that publish, and a target that can take them."""

from __future__ import annotations

import ast
import inspect
import textwrap
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bus.contracts import lint_options
from bus.contracts.faults import Fault, fault, meant, note, of_error
from bus.contracts.lint_options import Load
from bus.contracts.mapping_module import load_function
from bus.contracts.model import ConnectorTable, Contract, Subscribe
from bus.errors import ConfigError
from bus.events import Catalogue, EventType, event_type_of

TRANSACTION = "AsyncConnection"  #: the annotation of a handler's parameter that gets the transaction


def subscriptions(
    contract: Contract, contracts: Sequence[Contract], catalogue: Catalogue, load: Load
) -> Iterator[Fault]:
    """The faults of what the application consumes."""
    for number, entry in enumerate(contract.subscribe):
        key = f"subscribe.{number}"
        if any(entry.consumer == other.consumer for other in contract.subscribe[:number]):
            yield fault(contract, key, f"{entry.event} is subscribed to twice", "one subscription per event type")
        kind = catalogue.get(str(entry.event))
        if kind is None:
            yield fault(contract, f"{key}.event", f"unknown event {entry.event}", meant(str(entry.event), catalogue))
            continue
        for field in sorted(entry.fields - kind.fields):
            yield fault(contract, f"{key}.fields", f"{entry.event} has no field {field}", meant(field, kind.fields))
        yield from lint_options.forbidden(contract, f"{key}.fields", entry.fields)
        yield from _publishers(contract, key, entry, contracts)
        yield from _target(contract, key, entry, kind, load)
        if entry.handler is not None:
            yield from _handler(contract, f"{key}.handler", entry, entry.handler, catalogue)


def _publishers(contract: Contract, key: str, entry: Subscribe, contracts: Sequence[Contract]) -> Iterator[Fault]:
    granted = {str(each.name) for each in contracts if entry.event in each.emits}
    known = {str(each.name) for each in contracts}
    for name in map(str, entry.publishers):
        if name in known and name not in granted:
            yield fault(contract, f"{key}.from", f"{name} does not publish {entry.event}", meant(name, granted))
        elif name not in known:
            yield note(contract, f"{key}.from", f"no contract of {name} here", "check it together with this one")
    if not entry.publishers and not granted - {str(contract.name)}:
        what = f"no contract that was named publishes {entry.event}"
        yield note(contract, f"{key}.event", what, "check it together with its publisher; without one nothing arrives")


def _target(contract: Contract, key: str, entry: Subscribe, kind: EventType, load: Load) -> Iterator[Fault]:
    if (entry.to is None) == (entry.handler is None):
        what = "both `to` and `handler`" if entry.to else "neither `to` nor `handler`"
        yield fault(contract, key, what, "a subscription goes to one place")
    if entry.database is not None:
        yield from lint_options.secrets(contract, f"{key}.database", entry.database)
        if entry.handler is None:
            yield fault(contract, f"{key}.database", "only a handler uses it", "remove it; `to` has its own url")
    if entry.to is not None:
        yield from lint_options.table(contract, f"{key}.to", entry.to, load, "sink")
        yield from _needs(contract, f"{key}.to", entry, entry.to, load)


def _needs(contract: Contract, key: str, entry: Subscribe, table: ConnectorTable, load: Load) -> Iterator[Fault]:
    """The fields that a sink must see: it says so by ``needs(config)``."""
    try:
        connector = load(table.connector)
        needs: Callable[[Any], frozenset[str]] | None = getattr(connector, "needs", None)
        missing = sorted(needs(connector.Config(**table.options)) - entry.fields) if needs else []
    except (ConfigError, ValueError):
        return  # reported by the lint of its options
    if missing:
        yield fault(contract, key, f"needs {', '.join(missing)}", "add it to `fields`")


def _handler(contract: Contract, key: str, entry: Subscribe, reference: str, catalogue: Catalogue) -> Iterator[Fault]:
    kind = catalogue[str(entry.event)]
    try:
        function = load_function(contract, reference)
    except ConfigError as error:
        yield of_error(contract, key, error)
        return
    if not inspect.iscoroutinefunction(function):
        yield fault(contract, key, f"{reference} is not async", "write `async def`")
        return
    names = list(inspect.signature(function).parameters)
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError) as error:
        yield fault(contract, key, f"{reference} has an annotation that cannot be resolved: {error}")
        return
    if not names or hints.get(names[0]) is not kind.model:
        yield fault(contract, key, f"{reference} does not take {entry.event}", _signature(reference, kind))
        return
    if entry.database is None and any(getattr(hints.get(name), "__name__", "") == TRANSACTION for name in names[1:]):
        yield fault(contract, key, f"{reference} takes a transaction", "name its `database` in the subscription")
    if unseen := sorted((_read(function, names[0]) & kind.fields) - entry.fields):
        yield fault(contract, key, f"{reference} reads {', '.join(unseen)}", "add it to `fields`, or do without it")
    for event in sorted(_returned(hints.get("return")) - set(map(str, contract.emits))):
        yield fault(contract, key, f"{reference} returns {event}", "grant it with a [[publish]] without `from`")


def _returned(hint: object) -> set[str]:
    """The event types in a return annotation."""
    found = {name for part in typing.get_args(hint) for name in _returned(part)}
    if kind := isinstance(hint, type) and event_type_of(hint):
        found.add(str(kind.name))
    return found


def _signature(reference: str, kind: EventType) -> str:
    return f"write `async def {reference.partition(':')[2]}(event: {kind.model.__name__}, …)`"


def _read(function: Callable[..., Any], parameter: str) -> set[str]:
    """The attributes of a parameter that a function's own text reads."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, SyntaxError):
        return set()
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == parameter
    }
