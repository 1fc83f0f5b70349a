"""Writes a new adapter: a complete folder that passes `bus check` and its own tests, to be changed from there.

An OPD that is the walidata of an event type gets a source that publishes it; another one a subscription with a handler.
"""

from __future__ import annotations

import csv
import io
import json
import keyword
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from string import Template

from bus.contracts.faults import meant
from bus.errors import ConfigError
from bus.events import Catalogue, EventType
from bus.subjects import AppName

CONNECTORS = ("file_drop", "sql_cdc", "sql_outbox", "sql_poll")  #: sources for which there are templates
FIRST = "kependudukan.penduduk.meninggal.v1"  #: what a subscriber starts with, unless told

_TEMPLATES = resources.files("bus.cli") / "templates"


def create(name: AppName, *, into: Path, connector: str = "file_drop", event: str | None = None) -> list[Path]:
    """Writes the folder ``into/<opd>/<app>`` and returns its files. Raises ConfigError, and leaves nothing half done.

    ``event`` is the type to publish or to subscribe to; without it the first that fits.
    """
    name = _identifiers(name)
    folder = into / name.opd / name.app
    if folder.exists():
        raise ConfigError(
            "there is something here already", where=str(folder), hint="choose another name, or remove it"
        )
    if connector not in CONNECTORS:
        raise ConfigError(f"no template for the connector {connector}", hint=meant(connector, CONNECTORS))
    kind, publishes = _kind(name, Catalogue.load(), event)
    files = _publishing(name, kind, connector, folder) if publishes else _subscribing(name, kind, folder)
    _write(folder, files)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _identifiers(name: AppName) -> AppName:
    made = AppName(name.opd.replace("-", "_"), name.app.replace("-", "_"))
    for part in made:
        if not part.isidentifier() or keyword.iskeyword(part):
            raise ConfigError(f"{part!r} cannot be a folder of Python", hint="use letters, digits and _")
    return made


def _kind(name: AppName, catalogue: Catalogue, event: str | None) -> tuple[EventType, bool]:
    """The event type to begin with, and whether this OPD may publish it."""
    own = [kind for kind in catalogue.values() if name.opd in kind.walidata and kind.corrects is None]
    own.sort(key=lambda kind: (kind.kind != "fact", kind.name))
    if event is not None:
        if event not in catalogue:
            raise ConfigError(f"unknown event {event}", hint="the event types are in schemas/")
        return catalogue[event], catalogue[event] in own
    if own:
        return own[0], True
    return catalogue.get(FIRST) or next(iter(catalogue.values())), False


def _publishing(name: AppName, kind: EventType, connector: str, folder: Path) -> dict[str, str]:
    """The files of an application that publishes: contract, sample of its data, test."""
    fields = [field for field in kind.model.model_fields if field in kind.example or field in kind.required]
    rest = [field for field in kind.model.model_fields if field not in fields]
    row = {field: kind.example.get(field) for field in fields}
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
        "try_out": " --dry-run` shows the events that its rows become; no server is needed.",
    }
    by_function = connector == "sql_cdc"  # deletes are changes too: a table of columns cannot leave them out
    values["source"] = _filled(f"{connector}.toml", values)
    values["map"] = _filled("map_function.toml" if by_function else "map.toml", values).strip()
    values["sections"] = _filled("publish.toml", values).strip()
    files = _common(values) | {"test_adapter.py": _filled(f"test_{connector}.py", values)}
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


def _subscribing(name: AppName, kind: EventType, folder: Path) -> dict[str, str]:
    """The files of an application that consumes: contract, handler, sample event, test."""
    fields = [field for field in kind.model.model_fields if field in kind.required]
    values = {
        **_values(name, kind, folder),
        "columns": _quoted(fields),
        "key": kind.key,
        "intro": f"Consumes `{kind.name}`; `mapping.py` says what becomes of it.",
        "try_out": "` starts it, while `bus up` runs.",
    }
    values["sections"] = _filled("subscribe.toml", values).strip()
    sample = {field: kind.example[field] for field in fields}
    return _common(values) | {
        "mapping.py": _filled("mapping.py", values),
        "samples/event.json": json.dumps(sample, indent=2, ensure_ascii=False) + "\n",
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


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """The whole folder or nothing; the OPD's folder becomes a Python package."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
        try:
            for name, text in files.items():
                (draft / name).parent.mkdir(exist_ok=True)
                (draft / name).write_text(text, encoding="utf-8")
            draft.chmod(0o755)
            draft.rename(folder)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        (folder.parent / "__init__.py").touch()
    except OSError as error:
        raise ConfigError(f"cannot write: {error.strerror}", where=str(folder)) from error
