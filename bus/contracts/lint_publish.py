"""Lint of ``[source.*]`` and ``[[publish]]``: events known, complete, published by their walidata, from somewhere."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from bus import subjects
from bus.contracts import connectors, lint_options
from bus.contracts.faults import Fault, fault, meant, note, of_error
from bus.contracts.lint_options import Load
from bus.contracts.mapping_module import load_function
from bus.contracts.model import Contract, Publish
from bus.errors import ConfigError
from bus.events import WITHDRAWS_FIELD, Catalogue, EventType
from bus.ports import DELETE, OPERATION, PREVIOUS, UPDATE

RESERVED = "lease"  #: names a subject of its own beside the cursors


def sources(contract: Contract, load: Load) -> Iterator[Fault]:
    """The faults of the sources."""
    used = {entry.source for entry in contract.publish}
    for name, table in contract.source.items():
        key = f"source.{name}"
        try:
            subjects.token(name)
        except ConfigError as error:
            yield of_error(contract, key, error)
        if name == RESERVED:
            yield fault(contract, key, "this name is taken by the bus", "give the source another name")
        if name not in used:
            yield fault(contract, key, "no [[publish]] uses this source", f'add one with from = "{name}", or remove it')
        yield from lint_options.table(contract, key, table, load, "source")


def publishes(contract: Contract, catalogue: Catalogue, load: Load) -> Iterator[Fault]:
    """The faults of what the application emits."""
    for number, entry in enumerate(contract.publish):
        key = f"publish.{number}"
        yield from _origin(contract, key, entry)
        if any(_same(entry, other) for other in contract.publish[:number]):
            yield fault(contract, key, "the same as one above: each row would be published twice", "remove one")
        yield from _event(contract, key, entry, catalogue)
        yield from _records(contract, key, entry, catalogue, load)


def _origin(contract: Contract, key: str, entry: Publish) -> Iterator[Fault]:
    if entry.source is None:
        if not any(each.handler for each in contract.subscribe):
            yield fault(contract, f"{key}.from", "missing", "name a [source.*]; only a handler's events have none")
        if entry.map or entry.match:
            yield fault(contract, key, "map and match need a source", "add `from`; a handler returns whole events")
    elif entry.source not in contract.source:
        yield fault(contract, f"{key}.from", f"no [source.{entry.source}]", meant(entry.source, contract.source))


def _same(one: Publish, other: Publish) -> bool:
    return (one.event, one.source, one.match, one.map) == (other.event, other.source, other.match, other.map)


def _event(contract: Contract, key: str, entry: Publish, catalogue: Catalogue) -> Iterator[Fault]:
    kind = catalogue.get(str(entry.event))
    if kind is None:
        yield fault(contract, f"{key}.event", f"unknown event {entry.event}", meant(str(entry.event), catalogue))
        return
    walidata = {opd.replace("-", "_") for opd in kind.walidata}
    if contract.opd.replace("-", "_") not in walidata:
        yield fault(
            contract,
            f"{key}.event",
            f"{contract.opd} is not the walidata of {entry.event}",
            f"{' or '.join(sorted(walidata))} may publish it",
        )
    if entry.source is None:
        return
    for field in sorted(entry.changes - kind.fields):
        yield fault(contract, f"{key}.changes", f"{entry.event} has no field {field}", meant(field, kind.fields))
    if isinstance(entry.map, str):
        yield from _function(contract, f"{key}.map", entry.map)
    else:
        yield from _fields(contract, f"{key}.map", entry, kind)
    yield from lint_options.forbidden(contract, f"{key}.match", entry.match)


def _fields(contract: Contract, key: str, entry: Publish, kind: EventType) -> Iterator[Fault]:
    mapped = dict(entry.map) if not isinstance(entry.map, str) else {}
    if missing := sorted(kind.required - mapped.keys()):
        hint = f'write {missing[0]} = "<column>"'
        if kind.corrects and WITHDRAWS_FIELD in missing:
            hint = f'write {WITHDRAWS_FIELD} = "{PREVIOUS}", the event that is withdrawn'
        yield fault(contract, key, f"{', '.join(missing)} missing: {entry.event} needs it", hint)
    for field in sorted(mapped.keys() - kind.fields):
        yield fault(contract, f"{key}.{field}", f"{entry.event} has no such field", meant(field, kind.fields))
    for field, column in mapped.items():
        if not column.strip():
            yield fault(contract, f"{key}.{field}", "no column", "name the source's column")
        if column == PREVIOUS and not kind.corrects:
            yield fault(contract, f"{key}.{field}", f"{PREVIOUS} is for corrections (…-dibatalkan) alone")
    yield from lint_options.forbidden(contract, key, (*mapped, *mapped.values()))


def _records(contract: Contract, key: str, entry: Publish, catalogue: Catalogue, load: Load) -> Iterator[Fault]:
    """Columns that its source's records do not have, and facts that these tell again, as far as its options know."""
    table = contract.source.get(entry.source or "")
    if table is None:
        return
    try:
        options = connectors.configure(load(table.connector), table.options)
    except ConfigError:
        return  # reported by the lint of its options
    if options.known_columns is not None:
        yield from _columns(contract, key, entry, options.known_columns)
    if isinstance(entry.map, str):
        return
    operations = options.operations(entry.match)
    if operations == {DELETE} and OPERATION not in {*entry.match, *entry.map.values()}:
        hint = f'write match = {{ {OPERATION} = "{DELETE}" }}, if that is what it means'
        yield fault(contract, f"{key}.map", "of a row that is deleted it tells nothing", hint)
    kind = catalogue.get(str(entry.event))
    if kind and kind.kind == "fact" and UPDATE in operations and not (entry.match or entry.changes):
        fields = ", ".join(f'"{field}"' for field in kind.model.model_fields if field in kind.required)
        yield note(
            contract,
            key,
            "a row that is changed later is told as this fact once more",
            f"name the fields that make it another one, for instance changes = [{fields}]",
        )


def _columns(contract: Contract, key: str, entry: Publish, columns: frozenset[str]) -> Iterator[Fault]:
    told = note if lint_options.UNWRITTEN.fullmatch(entry.basis) else fault  # a template is still being written
    named = {f"{key}.match.{column}": column for column in entry.match}
    if not isinstance(entry.map, str):
        named |= {f"{key}.map.{field}": column for field, column in entry.map.items() if column.strip()}
    for place, column in named.items():
        if column not in columns and column != PREVIOUS:
            yield told(contract, place, f"source.{entry.source} has no column {column}", meant(column, columns))


def _function(contract: Contract, key: str, reference: str) -> Iterator[Fault]:
    try:
        function = load_function(contract, reference)
    except ConfigError as error:
        yield of_error(contract, key, error)
        return
    if inspect.iscoroutinefunction(function):
        yield fault(contract, key, f"{reference} is async", "a mapping only computes: write `def`")
    try:
        inspect.signature(function).bind({})
    except TypeError:
        yield fault(contract, key, f"{reference} does not take one row", "write `def name(row): …`")


def emitted(contract: Contract) -> Iterator[Fault]:
    """What is published from a source for one type in more than one way, unless told apart by ``match``."""
    seen: set[tuple[str | None, str]] = set()
    for number, entry in enumerate(contract.publish):
        origin = (entry.source, str(entry.event))
        if origin in seen and not entry.match and not isinstance(entry.map, str):
            yield note(
                contract, f"publish.{number}", "every row is published as this event more than once", "add `match`"
            )
        seen.add(origin)
