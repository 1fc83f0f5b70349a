"""Writes the reference of contracts, connectors and settings from their models into a document, between its marks.

    python -m bus.contracts.reference adapters/README.md deploy/README.md

A mark is ``<!-- reference: contract -->``, ``<!-- reference: settings -->`` or ``<!-- reference: <connector> -->``;
what follows it, down to ``<!-- end -->``, is replaced. A connector's ends with its sample (``bus.contracts.sample``).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bus.config import Settings
from bus.contracts import connectors
from bus.contracts.model import ConnectorTable, Contract, Publish, Subscribe
from bus.contracts.sample import nested, sample
from bus.errors import ConfigError

_TABLES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The contract", Contract),
    ("`[source.<name>]` and `to`: the connector, its options beside it", ConnectorTable),
    ("`[[publish]]`", Publish),
    ("`[[subscribe]]`", Subscribe),
)
_HEAD = "| key | default | meaning |\n|---|---|---|"
_MARKED = re.compile(r"(<!-- reference: ([a-z0-9_]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(document: str) -> str:
    """The document with all its references as they are now. Raises ConfigError for a mark that names nothing."""
    return _MARKED.sub(lambda found: f"{found[1]}{_section(found[2])}\n{found[3]}", document)


def _section(name: str) -> str:
    if name == "contract":
        return "\n\n".join(f"**{title}**\n\n{_table(model)}" for title, model in _TABLES)
    if name == "settings":
        return "\n".join((_HEAD.replace("key", "variable", 1), *_settings()))
    connector = connectors.load(name, where="reference")
    tables = [f"**`{name}`**\n\n{_table(model)}" for name, model in _nested(connector.Config)]
    shown = f"```toml\n{sample(name)}```"
    return "\n\n".join((_about(connector), _table(connector.Config), *tables, shown))


def _nested(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The options that are tables of their own; or of which each entry is one."""
    for name, info in model.model_fields.items():
        if table := nested(info):
            yield f"{name}.<name>" if table.many else name, table.model


def _about(connector: type[Any]) -> str:
    """What the connector's module says of itself, with what a source sees."""
    about = connectors.about(connector)
    sees = getattr(connector, "sees", None)
    if sees is None:
        return about
    words = {True: "yes", False: "no"}
    return f"{about}\n\nSees updates: {words[sees.updates]}. Sees deletes: {words[sees.deletes]}."


def _table(model: type[BaseModel]) -> str:
    rows = (
        f"| {_key(name, info)} | {_default(info)} | {_cell(info.description or '')} |" for name, info in _known(model)
    )
    return "\n".join((_HEAD, *rows))


def _settings() -> Iterator[str]:
    for name, info in Settings.model_fields.items():
        yield f"| `BUS_{name.upper()}` | {_default(info)} | {_cell(info.description or '')} |"


def _known(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    return ((name, info) for name, info in model.model_fields.items() if not info.exclude)


def _key(name: str, info: FieldInfo) -> str:
    return f"`{info.alias or name}`"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    default = info.get_default(call_default_factory=True)
    if default is None or (not default and not isinstance(default, bool | int | float)):
        return "none"
    return f"`{_cell(json.dumps(default, default=str))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main(arguments: list[str]) -> int:
    """Renews the documents named."""
    for path in map(Path, arguments):
        try:
            path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
        except (ConfigError, OSError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
