"""The registry of connectors: classes in the entry point group ``bus.connectors``, imported on first use.

The bus knows none by itself, and an office installs only the extras of those that it runs.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from bus.contracts.faults import meant
from bus.contracts.loader import explain, unknown_key
from bus.contracts.model import ConnectorTable
from bus.errors import ConfigError
from bus.ports import ConnectorConfig, Context

GROUP = "bus.connectors"

# What their classes have of bus.ports; ``database`` and ``atomic`` of a sink may depend on its options.
SOURCE = ("Config", "sees", "idle", "open", "read", "commit", "reread", "state", "close")
SINK = ("Config", "open", "apply", "close")

_OF_EXTRA = re.compile(r"""([\w.-]+).*;.*\bextra\s*==\s*['"]([\w-]+)['"]""")


def names() -> list[str]:
    """All connectors that are installed, by the names that contracts use."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def load(name: str, *, where: str = "") -> type[Any]:
    """The class of a connector. Raises ConfigError where there is none, or where a package that it needs is missing."""
    point = next(iter(entry_points(group=GROUP, name=name)), None)
    if point is None:
        raise ConfigError(f"unknown connector {name}", where=where, hint=meant(name, names()))
    try:
        found: type[Any] = point.load()
    except ImportError as error:
        missing = error.name or ""
        if not isinstance(error, ModuleNotFoundError) or missing.startswith(point.module.partition(".")[0]):
            raise ConfigError(f"the connector {name} cannot be loaded: {error}", where=where) from error
        raise ConfigError(
            f"the connector {name} needs the package {missing}", where=where, hint=_extra(point, missing)
        ) from error
    except AttributeError as error:
        raise ConfigError(f"the connector {name} cannot be loaded: {error}", where=where) from error
    if not (is_source(found) or is_sink(found)):
        raise ConfigError(f"{point.value} is neither a source nor a sink", where=where, hint="see bus.ports")
    return found


def configure(connector: type[Any], options: dict[str, Any], *, where: str = "", key: str = "") -> ConnectorConfig:
    """The options of a connector, checked. Raises ConfigError, one line per fault, without values."""
    try:
        config: ConnectorConfig = connector.Config.model_validate(options)
    except ValidationError as error:
        hint = unknown_key(error, connector.Config)
        raise ConfigError(explain(error, (key,) if key else ()), where=where, hint=hint) from None
    return config


def build(table: ConnectorTable, context: Context, *, where: str = "") -> Any:
    """The source or sink that a table of a contract describes, not yet open. Raises ConfigError."""
    connector = load(table.connector, where=where)
    return connector(configure(connector, table.options, where=where), context)


def is_source(connector: type[Any]) -> bool:
    """Whether records can be read out of it."""
    return all(hasattr(connector, name) for name in SOURCE)


def is_sink(connector: type[Any]) -> bool:
    """Whether deliveries can be applied to it."""
    return all(hasattr(connector, name) for name in SINK)


def about(connector: type[Any]) -> str:
    """What the connector's module says of itself; the first line says what it does."""
    return (sys.modules[connector.__module__].__doc__ or "").strip().replace("``", "`")


def _extra(point: EntryPoint, module: str) -> str:
    """Which extra of the connector's distribution brings a missing package."""
    wanted = module.partition(".")[0].replace("_", "-").lower()
    required = (point.dist.requires or []) if point.dist else []
    extras = sorted(
        match[2]
        for line in required
        if (match := _OF_EXTRA.match(line)) and match[1].replace("_", "-").lower() == wanted and match[2] != "all"
    )
    return f"install {' or '.join(f'{point.dist.name}[{extra}]' for extra in extras)}" if point.dist and extras else ""
