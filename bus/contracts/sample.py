"""A sample of a connector: its table of a contract with every option, written from its ``Config``.

What a contract must say is live, the rest is commented; each option has its default or, where that is nothing, an
example, and behind it what it means. So a sample passes `bus check` as it stands, and is TOML whichever of its lines
are freed. What only its writer knows stands in ``<…>``, which it notes.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bus.contracts import connectors

WIDTH = 120

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BY_REFERENCE = re.compile(  # names of places, and of what proves who one is
    r"(^|_)(address|api_key|client_id|folder|host_key|password|secret|server|token|url|user|user_key|username)$"
)


class Nested(NamedTuple):
    """An option that is a table of its own; with ``many`` each of its entries is one, by a name."""

    model: type[BaseModel]
    many: bool


def nested(info: FieldInfo) -> Nested | None:
    """Whether an option is a table, and of what."""
    for part in get_args(info.annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return Nested(part, get_origin(info.annotation) not in {Union, UnionType})
    return None


def sample(name: str, *, variable: str = "APP", key: str = "nik") -> str:
    """The ``[source.data]`` or ``[subscribe.to]`` of a connector. Raises ConfigError where it cannot be loaded.

    ``variable`` begins the names of environment variables; ``key`` is the field that names what the event is about."""
    connector = connectors.load(name)
    path = "source.data" if connectors.is_source(connector) else "subscribe.to"
    return "\n".join(_Writer(variable, key).table(path, connector.Config, {"connector": name})) + "\n"


class _Writer:
    """Writes tables for one application."""

    def __init__(self, variable: str, key: str) -> None:
        self._variable, self._key = variable, key

    def table(
        self, path: str, model: type[BaseModel], first: Mapping[str, str] | None = None, *, live: bool = True
    ) -> Iterator[str]:
        """The lines of a table and of those within it, live ones first; all are comments where it is not ``live``."""
        given, usual = first or {}, getattr(model, "usual", ())
        options = {name: info for name, info in model.model_fields.items() if nested(info) is None}
        width = max(map(len, (*given, *options)))
        needed = {name for name, info in options.items() if live and (info.is_required() or name in usual)}
        yield f"[{path}]" if live else f"# [{path}]"
        for name, value in given.items():
            yield f"{name:<{width}} = {_toml(value)}"
        for name in sorted(options, key=lambda each: each not in needed):
            line = f"{name:<{width}} = {_toml(self._value(name, options[name], name in needed))}"
            yield _explained(line if name in needed else f"# {line}", options[name].description or "")
        for name, info in model.model_fields.items():
            if table := nested(info):
                yield ""
                below = f"{path}.{name}.data" if table.many else f"{path}.{name}"
                yield from self.table(below, table.model, live=live and info.is_required())

    def _value(self, name: str, info: FieldInfo, needed: bool) -> Any:
        """The default of an option, or an example where that is nothing."""
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        if default or isinstance(default, bool | int | float):
            return default
        if info.examples:
            return self._of_event(info.examples[0])
        if _BY_REFERENCE.search(name) and str in (info.annotation, *get_args(info.annotation)):
            return f"env:{self._variable}_{name.upper()}"
        return _made_up(name, info.annotation) if needed or default is None else default

    def _of_event(self, example: Any) -> Any:
        if isinstance(example, str):
            return example.replace("$key", self._key)
        if isinstance(example, Mapping):
            return {self._of_event(name): self._of_event(value) for name, value in example.items()}
        return [self._of_event(each) for each in example] if isinstance(example, list) else example


def _made_up(name: str, annotation: Any) -> Any:
    """What stands for a value that only its writer knows: `bus check` notes what is in ``<…>``."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in {Union, UnionType}:
        return _made_up(name, parts[0])
    if origin is Literal:
        return parts[0]
    if origin is tuple:
        return [_made_up(name, parts[0])]
    return {bool: False, int: 1, float: 1.0}.get(annotation, f"<{name}>")


def _toml(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_name(name)} = {_toml(each)}" for name, each in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else _toml(name)


def _explained(line: str, text: str) -> str:
    """A line with as much of its explanation as it has room for."""
    short = textwrap.shorten(text, max(WIDTH - len(line) - len("  # "), len("…")), placeholder=" …")
    return f"{line}  # {short}" if short.strip(" …") else line
