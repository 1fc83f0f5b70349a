"""The compatibility gate: whether a new minor version of an event type may be published.

Producers and consumers change at different times, so a new schema must hold in both directions:

- *forward*: whatever a new writer writes, every old reader reads;
- *backward*: whatever an old writer wrote, a new reader reads (streams keep events for weeks).

Writers refuse unknown fields and readers ignore them, so each schema has two views, a closed writer's and an open
reader's; the engine (jsoncompat) compares the one with the other. What it cannot see are rules of our own: a field may
not go or be renamed, patterns, formats and units stay, a classification is never lowered, the key stays the key. A
discriminated union may get new members: its readers must let pass what they do not know.

For development and verification only: nothing at run time imports this, and an office need not install jsoncompat.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bus.errors import ConfigError
from bus.events.export import export, published
from bus.events.registry import EventType

Node = Mapping[str, Any]

_ANNOTATIONS = frozenset(("$schema", "$id", "title", "description", "examples", "default", "format", "deprecated"))
_RANK = {"umum": 0, "pribadi": 1, "pribadi_spesifik": 2}
_FIXED = ("name", "kind", "key", "entity", "corrects")  # of x-event: key tokens, subjects and replays hang on them


@dataclass(frozen=True, slots=True)
class Break:
    """One reason why a change may not go out as a minor version."""

    rule: str
    where: str  #: the field, ``a.b`` inside another, empty for the whole type
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} [{self.rule}]" if self.where else f"{self.what} [{self.rule}]"


def check(event_type: EventType, folder: Path) -> list[Break]:
    """What an event type breaks of its published versions; none: it may be published. Raises ConfigError."""
    new = export(event_type)
    found: dict[Break, None] = {}  # in order, each once
    for old in published(event_type.name, folder).values():
        found |= dict.fromkeys(breaks(old, new))
    return list(found)


def breaks(old: Node, new: Node) -> list[Break]:
    """What the new schema breaks of the old one. Raises ConfigError for a schema that refers to itself or outside."""
    before, after = _inline(old, old), _inline(new, new)
    found = [*_identity(old.get("x-event", {}), new.get("x-event", {})), *_fields(before, after, "")]
    for name in _common(before, after):
        found += _judge(_only(before, name), _only(after, name), where=name)
    if not found:
        found += _judge(before, after, where="")
    return found


def _identity(old: Node, new: Node) -> Iterator[Break]:
    for fact in _FIXED:
        if old.get(fact) != new.get(fact):
            yield Break("identity", "", f"{fact} of the event type changed")
    for field in old.get("parties", {}):
        if new.get("parties", {}).get(field) != old["parties"][field]:
            yield Break("identity", field, "no longer the same party")


def _fields(old: Node, new: Node, where: str) -> Iterator[Break]:
    """The rules of our own, for an object and everything inside it."""
    before, after = old.get("properties", {}), new.get("properties", {})
    needed, needs = set(old.get("required", ())), set(new.get("required", ()))
    for name in before.keys() - after.keys():
        yield Break(
            "removed", _join(where, name), "the field is gone or was renamed; keep it, and add the other beside it"
        )
    for name in (needs - needed) & (after.keys()):
        yield Break("required", _join(where, name), "became required; older events do not have it")
    for name in (needed - needs) & after.keys():
        yield Break("optional", _join(where, name), "became optional; older readers need it")
    for name in _common(old, new):
        yield from _values(before[name], after[name], _join(where, name))


def _values(old: Node, new: Node, where: str) -> Iterator[Break]:
    """The rules of our own for one field, list item or union member."""
    for keyword in ("pattern", "format", "x-satuan"):
        if _all(keyword, old) != _all(keyword, new):
            yield Break(keyword, where, f"{keyword} changed; older events or readers follow the old one")
    if _rank(new) < _rank(old):
        yield Break("classification", where, "the classification was lowered")
    members, others = _members(old), _members(new)
    for _ in members.keys() - others.keys():
        yield Break("removed", where, "a member of the union is gone")
    for tag in members.keys() & others.keys():
        yield from _fields(members[tag], others[tag], where)
    for plain, other in zip(_objects(old), _objects(new), strict=False):
        yield from _fields(plain, other, where)
    if "items" in old and "items" in new:
        yield from _values(old["items"], new["items"], where)


def _common(old: Node, new: Node) -> list[str]:
    return [name for name in old.get("properties", {}) if name in new.get("properties", {})]


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _rank(node: Node) -> int:
    return _RANK.get(node.get("x-klasifikasi", "umum"), 0)


def _alternatives(node: Node) -> list[Node]:
    """A node and the branches of an ``anyOf`` (an optional field: its type, or null)."""
    return [node, *(node.get("anyOf") or ())]


def _all(keyword: str, node: Node) -> set[str]:
    return {each[keyword] for each in _alternatives(node) if keyword in each}


def _objects(node: Node) -> list[Node]:
    return [each for each in _alternatives(node) if "properties" in each]


def _members(node: Node) -> dict[str, Node]:
    """The members of a discriminated union by tag; none where the node is no such union."""
    for each in _alternatives(node):
        if tag := each.get("discriminator", {}).get("propertyName"):
            return {_tag(member["properties"][tag]): member for member in each["oneOf"]}
    return {}


def _tag(node: Node) -> str:
    return str(node.get("const", node.get("enum")))


def _inline(node: Any, root: Node, above: tuple[str, ...] = ()) -> Any:
    """A schema with its local references resolved."""
    if isinstance(node, list):
        return [_inline(each, root, above) for each in node]
    if not isinstance(node, Mapping):
        return node
    if (reference := node.get("$ref")) is not None:
        if not reference.startswith("#/$defs/") or reference in above:
            raise ConfigError(f"the reference {reference} is recursive or not local", where=str(root.get("$id", "")))
        target = root["$defs"][reference.removeprefix("#/$defs/")]
        return {**_inline(target, root, (*above, reference)), **{key: node[key] for key in node if key != "$ref"}}
    return {key: _inline(value, root, above) for key, value in node.items() if key not in {"$defs", "x-event"}}


def _only(schema: Node, name: str) -> Node:
    """A schema of one field alone, there and present."""
    return {"type": "object", "properties": {name: schema["properties"][name]}, "required": [name]}


def _judge(old: Node, new: Node, *, where: str) -> Iterator[Break]:
    """Both directions by the engine."""
    if not _holds(_view(old, closed=False), _view(new, closed=True), "serializer"):
        yield Break("forward", where, "an older reader refuses what may be written now")
    if not _holds(_view(old, closed=True), _view(new, closed=False), "deserializer"):
        yield Break("backward", where, "an event written before is refused now")


def _holds(old: Any, new: Any, role: Literal["serializer", "deserializer"]) -> bool:
    try:
        from jsoncompat import check_compat
    except ImportError:
        raise ConfigError(
            "the compatibility gate needs jsoncompat", hint="run it in the development environment"
        ) from None
    try:
        return bool(check_compat(json.dumps(old), json.dumps(new), role))
    except ValueError as error:
        raise ConfigError(f"the engine cannot compare these schemas: {error}") from error


def _view(node: Any, *, closed: bool) -> Any:
    """What the engine gets to see: no annotations; objects closed as by a writer, or open as by a reader.

    A discriminated union becomes an object with one optional field per member, so that members are compared in pairs:
    the engine cannot tell them apart by their tags, and rejects every new one.
    """
    if isinstance(node, list):
        return [_view(each, closed=closed) for each in node]
    if not isinstance(node, Mapping):
        return node
    if "discriminator" in node:
        node = {"type": "object", "properties": _members(node)}
    seen = {
        key: {name: _view(field, closed=closed) for name, field in value.items()}
        if key == "properties"
        else _view(value, closed=closed)
        for key, value in node.items()
        if key not in _ANNOTATIONS and not key.startswith("x-")
    }
    return seen | ({"additionalProperties": False} if closed and "properties" in seen else {})
