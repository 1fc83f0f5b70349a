"""Paths into a FHIR resource: the part of FHIRPath that picks one value.

    birthDate        name[0].text        identifier.where(system='https://fhir.kemkes.go.id/id/nik').value

Elements, ``[n]``, and ``where(element = 'text')``; elements of several types go by their names in JSON
(``occurrenceDateTime``). A path that leads to several values means the first, as FHIR orders them. The whole of
FHIRPath 2.0 (http://hl7.org/fhirpath/) understands these paths in the same way, but for the names of several types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Step = Callable[[list[Any]], list[Any]]
Path = tuple[Step, ...]

_STEP = re.compile(
    r"""(?P<dot>\.)?
    (?: where\(\s*(?P<name>[A-Za-z][\w.]*)\s*=\s*'(?P<text>[^'\\]*)'\s*\) | (?P<element>[A-Za-z]\w*) )
    (?: \[(?P<index>[0-9]+)\] )?""",
    re.VERBOSE,
)


def parsed(text: str) -> Path:
    """The steps of a path. Raises ValueError for what is none."""
    steps: list[Step] = []
    place = 0
    while place < len(text):
        found = _STEP.match(text, place)
        if found is None or bool(found["dot"]) != bool(steps):
            raise ValueError(f"no path from its letter {place + 1} on: write element, [0], or where(element = 'text')")
        steps.append(_where(found["name"], found["text"]) if found["name"] else _element(found["element"]))
        if found["index"]:
            steps.append(_index(int(found["index"])))
        place = found.end()
    if not steps:
        raise ValueError("the path is empty")
    return tuple(steps)


def first(resource: Mapping[str, Any], path: Path) -> Any:
    """What stands at a path; None where there is nothing."""
    at: list[Any] = [resource]
    for step in path:
        at = step(at)
    return at[0] if at else None


def _element(name: str) -> Step:
    return lambda at: [value for item in at for value in _children(item, name)]


def _children(item: Any, name: str) -> list[Any]:
    value = item.get(name) if isinstance(item, Mapping) else None
    if isinstance(value, list):
        return [each for each in value if each is not None]
    return [] if value is None else [value]


def _where(name: str, text: str) -> Step:
    path = tuple(_element(part) for part in name.split("."))
    return lambda at: [item for item in at if isinstance(item, Mapping) and first(item, path) == text]


def _index(number: int) -> Step:
    return lambda at: at[number : number + 1]
