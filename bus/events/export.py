"""Event types as published JSON Schemas (draft 2020-12): ``<folder>/<type>/<major>.<minor>.json``, added, never edited.

A document says what a reader may rely on. ``x-klasifikasi`` is each field's classification (UU 27/2022 art. 4),
``x-satuan`` its unit, ``x-event`` what the bus must know. Rules that no schema can say (a check digit) are the model's
alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from bus.errors import ConfigError
from bus.events.registry import Catalogue, EventType
from bus.subjects import EventName

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_VERSION = re.compile(r"([1-9][0-9]*)\.(0|[1-9][0-9]*)")

Schema = dict[str, Any]


class State(StrEnum):
    """How an event type stands to its published schemas."""

    SAME = "same"
    UNPUBLISHED = "unpublished"  #: there is no schema of its version yet
    CHANGED = "changed"  #: the published schema of its version says something else


class _Plain(GenerateJsonSchema):
    """Without the titles that pydantic makes out of field names: they say nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


def export(event_type: EventType) -> Schema:
    """The JSON Schema of an event type, as it is to be published."""
    body = event_type.model.model_json_schema(schema_generator=_Plain)
    return {
        "$schema": DRAFT,
        "$id": event_type.dataschema,
        "title": body.pop("title"),
        "description": body.pop("description", ""),
        "x-event": _facts(event_type),
        **body,
        "examples": [dict(event_type.example)],
    }


def _facts(event_type: EventType) -> Schema:
    facts: Schema = {
        "name": str(event_type.name),
        "kind": event_type.kind,
        "key": event_type.key,
        "entity": event_type.entity,
        "walidata": list(event_type.walidata),
        "parties": dict(event_type.parties),
    }
    return facts | ({"corrects": str(event_type.corrects)} if event_type.corrects else {})


def dumps(schema: Mapping[str, Any]) -> str:
    """The text of a published file."""
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def path_of(event_type: EventType, folder: Path) -> Path:
    """Where the schema of an event type's version is published."""
    return folder / str(event_type.name) / f"{event_type.schema_version}.json"


def published(name: EventName, folder: Path) -> dict[tuple[int, int], Schema]:
    """All published schemas of a type by (major, minor), oldest first. Raises ConfigError for a file that is none."""
    found: dict[tuple[int, int], Schema] = {}
    for path in sorted((folder / str(name)).glob("*.json")):
        version = _VERSION.fullmatch(path.stem)
        if version is None:
            raise ConfigError("the name is not <major>.<minor>.json", where=str(path))
        try:
            found[int(version[1]), int(version[2])] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError("not valid JSON", where=str(path), hint="restore the published file") from error
    return dict(sorted(found.items()))


def state(event_type: EventType, folder: Path) -> State:
    """Whether an event type is published as it is."""
    try:
        text = path_of(event_type, folder).read_text(encoding="utf-8")
    except FileNotFoundError:
        return State.UNPUBLISHED
    return State.SAME if text == dumps(export(event_type)) else State.CHANGED


def differences(catalogue: Catalogue, folder: Path) -> list[str]:
    """One line for each type that is not published as it is, and for each published one that is gone."""
    lines = []
    for event_type in catalogue.values():
        match state(event_type, folder):
            case State.UNPUBLISHED:
                lines.append(f"{event_type.name}: version {event_type.schema_version} is not published")
            case State.CHANGED:
                lines.append(
                    f"{event_type.name}: differs from its published version {event_type.schema_version}"
                    f' (declare schema_version="{next_minor(event_type, folder)}")'
                )
            case State.SAME:
                lines += _behind(event_type, folder)
    gone = sorted({path.name for path in folder.iterdir() if path.is_dir()} - set(catalogue)) if folder.exists() else []
    return lines + [f"{name}: published and no longer in the catalogue" for name in gone]


def next_minor(event_type: EventType, folder: Path) -> str:
    """The version that comes after the newest published one, ``1.0`` where there is none."""
    versions = published(event_type.name, folder)
    if not versions:
        return f"{event_type.name.major}.0"
    major, minor = max(versions)
    return f"{major}.{minor + 1}"


def _behind(event_type: EventType, folder: Path) -> list[str]:
    newest = "{}.{}".format(*max(published(event_type.name, folder)))
    if newest == event_type.schema_version:
        return []
    return [f"{event_type.name}: declares version {event_type.schema_version}, but {newest} is published"]
