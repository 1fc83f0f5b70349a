"""The files of a new adapter, out of templates, and a connector's sample where there is none for it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from string import Template

from bus.contracts import connectors
from bus.contracts.sample import sample
from bus.events import EventType
from bus.subjects import AppName

REPLAYED = ("file_drop", "sql_cdc", "sql_outbox", "sql_poll")  #: sources with a template, data, and a test over these

_TEMPLATES = resources.files("bus.cli") / "templates"


def publishing(name: AppName, kind: EventType, connector: str, folder: Path) -> dict[str, str]:
    """The files of an application that publishes: contract, test, and a sample of its data where it can be replayed."""
    fields = [field for field in kind.model.model_fields if field in kind.example or field in kind.required]
    rest = [field for field in kind.model.model_fields if field not in fields]
    values = {
        **_values(name, kind, folder),
        "columns": _quoted(field for field in fields if field in kind.required),
        "fields": ", ".join(fields),
        "all": _quoted(fields),
        "key": _file_key(kind),
        "columns_of": "\n".join(f'{field} = "{field}"' for field in fields),
        "pairs": "\n".join(f'        "{field}": row["{field}"],' for field in fields),
        "optional": f"also: {', '.join(rest)}" if rest else "all of the event's fields",
        "intro": f"Publishes `{kind.name}` from the application's own data.",
        "run": " --dry-run` shows the events that its rows become, without a server; without the option they are sent.",
    }
    replayed = connector in REPLAYED
    by_function = connector == "sql_cdc"  # deletes are changes too: a table of columns cannot leave them out
    values["source"] = _filled(f"{connector}.toml", values) if replayed else _table(connector, kind, values)
    values["map"] = _filled("map_function.toml" if by_function else "map.toml", values).strip()
    values["sections"] = _filled("publish.toml", values).strip()
    if not replayed:
        return _unplayed(values)
    files = _common(values) | {"test_adapter.py": _filled(f"test_{connector}.py", values)}
    row = {field: kind.example.get(field) for field in fields}
    if by_function:
        files["mapping.py"] = _filled("mapping_rows.py", values)
    if connector == "file_drop":
        files["samples/data.csv"] = _csv(row)
    else:
        files["samples/application.sql"] = _sql(row)
    if "adapter_suite" in files["test_adapter.py"]:
        data = kind.model.model_validate(row).model_dump_json(exclude_none=True)
        files["samples/events.jsonl"] = f'{{"event": "{kind.name}", "data": {data}}}\n'
    return files


def subscribing(name: AppName, kind: EventType, target: str | None, folder: Path, *, walidata: bool) -> dict[str, str]:
    """The files of an application that consumes: contract, test, and without a target a handler and an event for it.

    Where the OPD is not the ``walidata`` of anything the contract says what to do about that.
    """
    fields = [field for field in kind.model.model_fields if field in kind.required]
    where = f"`{target}` writes it into the application" if target else "`mapping.py` says what becomes of it"
    values = {
        **_values(name, kind, folder),
        "columns": _quoted(fields),
        "key": kind.key,
        "intro": f"Consumes `{kind.name}`; {where}.",
        "run": "` starts it, while `bus up` runs.",
    }
    values["target"] = "\n" + _table(target, kind, values) if target else _filled("handler.toml", values)
    sections = [_filled("subscribe.toml", values), *([] if walidata else [_filled("no_walidata.toml", values)])]
    values["sections"] = "\n\n".join(map(str.strip, sections))
    if target:
        return _unplayed(values)
    event = {field: kind.example[field] for field in fields}
    return _common(values) | {
        "mapping.py": _filled("mapping.py", values),
        "samples/event.json": json.dumps(event, indent=2, ensure_ascii=False) + "\n",
        "test_adapter.py": _filled("test_subscribe.py", values),
    }


def _values(name: AppName, kind: EventType, folder: Path) -> dict[str, str]:
    return {
        "app": name.app,
        "opd": name.opd,
        "title": name.app.replace("_", " ").capitalize(),
        "variable": name.app.upper(),
        "folder": folder.as_posix(),
        "event": str(kind.name),
        "type": kind.name.ce_type,
        "module": kind.model.__module__,
        "model": kind.model.__name__,
    }


def _common(values: Mapping[str, str]) -> dict[str, str]:
    return {
        "adapter.toml": _filled("contract.toml", values),
        "README.md": _filled("README.md", values),
        "__init__.py": "",
    }


def _unplayed(values: Mapping[str, str]) -> dict[str, str]:
    """The files where nothing stands for the application: what is tested is the contract."""
    return _common(values) | {"test_adapter.py": _filled("test_contract.py", values)}


def _table(connector: str, kind: EventType, values: Mapping[str, str]) -> str:
    """A connector's sample, under what the connector says of itself."""
    about = connectors.about(connectors.load(connector)).partition("\n")[0]
    table = sample(connector, variable=values["variable"], key=kind.key)
    return _filled("connector.toml", {"about": about, "table": table})


def _file_key(kind: EventType) -> str:
    """What names a row of a file: of a state its entity, of a fact only the source's own number can."""
    if kind.kind == "state":
        return f'key       = ["{kind.key}"]'
    return (
        '# key     = ["nomor"]  # the column that numbers the rows, if there is one: then a changed row is the same row'
    )


def _csv(row: Mapping[str, object]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\n")
    writer.writerows([row.keys(), row.values()])
    return text.getvalue()


def _sql(row: Mapping[str, object]) -> str:
    columns = ", ".join(f"{field} {'INTEGER' if isinstance(value, int) else 'TEXT'}" for field, value in row.items())
    values = ", ".join(_literal(value) for value in row.values())
    return (
        "-- The tables that the contract reads, with the columns that it needs.\n"
        f"CREATE TABLE data (id INTEGER PRIMARY KEY, diubah TEXT NOT NULL, {columns});\n"
        f"INSERT INTO data VALUES (1, '2026-01-31 08:00:00', {values});\n"
    )


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def _quoted(fields: Iterable[str]) -> str:
    return ", ".join(f'"{field}"' for field in fields)


def _filled(template: str, values: Mapping[str, str]) -> str:
    return Template((_TEMPLATES / f"{template}.tmpl").read_text(encoding="utf-8")).substitute(values)
