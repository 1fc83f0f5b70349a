"""The text of a mail that tells of events, in plain Bahasa Indonesia, for people who have nothing but mail."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, tzinfo
from enum import Enum
from typing import Any

from adapters.connectors.event_attributes import OF_EVENT
from bus.errors import ConfigError
from bus.ports import Delivery
from bus.subjects import SOURCE_PREFIX, TYPE_PREFIX

_FOOT = """--
Surat ini dibuat otomatis; mohon tidak dibalas. Isinya hanya untuk keperluan tugas penerimanya.
Surat dengan kode yang sama adalah surat yang sama: bila terkirim dua kali, abaikan yang kedua."""


def body(
    deliveries: Sequence[Delivery], columns: Mapping[str, str] | None, zone: tzinfo, *, intro: str, where: str
) -> str:
    """The whole text. Raises ConfigError where ``columns`` names a field that may not be seen."""
    told = [_event(each, columns, zone, where) for each in deliveries]
    if len(told) > 1:
        told = [f"{number}. {text}" for number, text in enumerate(told, 1)]
        told.insert(0, f"Surat ini memuat {len(deliveries)} peristiwa.")
    return "\n\n".join([*([intro.strip()] if intro.strip() else []), *told, _FOOT]) + "\n"


def _event(delivery: Delivery, columns: Mapping[str, str] | None, zone: tzinfo, where: str) -> str:
    event, visible = delivery.event, delivery.values()
    name = event.type.removeprefix(TYPE_PREFIX)
    headline = (inspect.getdoc(type(delivery.data)) or name).splitlines()[0]
    lines: dict[str, object] = {}
    for label, source in (columns or {field.replace("_", " "): field for field in visible}).items():
        if source in OF_EVENT:
            lines[label] = getattr(event, OF_EVENT[source])
        elif source in visible:
            lines[label] = visible[source]
        else:
            raise ConfigError(f"`columns` names {source}, which is not in `fields`", where=where)
    origin = {
        "peristiwa": name,
        "dari": event.source.removeprefix(SOURCE_PREFIX),
        "dicatat": datetime.fromisoformat(event.time).astimezone(zone),
        "kode": event.id,
    }
    width = max(map(len, (*lines, *origin)))
    return "\n".join([headline, "", *_lines(lines, width), "", *_lines(origin, width)])


def _lines(values: Mapping[str, object], width: int) -> list[str]:
    return [f"{label:<{width}} : {_value(value)}" for label, value in values.items()]


def _value(value: Any) -> str:
    """As people write it; what goes over several lines is set in, so that it looks like no line of ours."""
    if isinstance(value, Enum):
        value = value.value
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "ya" if value else "tidak"
    if isinstance(value, datetime):
        return f"{value:%d-%m-%Y %H:%M %Z}".strip()
    if isinstance(value, date):
        return f"{value:%d-%m-%Y}"
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, list | tuple | dict) else str(value)
    return "\n    ".join(text.splitlines()) or "-"
