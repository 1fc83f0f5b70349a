"""Finds and reads contracts. Every error names the file and the key, and never repeats a value."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError

from bus.contracts.faults import meant
from bus.contracts.model import Contract
from bus.errors import ConfigError

FILE = "adapter.toml"


def find(paths: Iterable[Path]) -> list[Path]:
    """The contracts at these paths: a contract, its folder, or any folder above. Raises ConfigError where there is
    none.
    """
    found: list[Path] = []
    for path in paths:
        here = [path] if path.name == FILE and path.is_file() else sorted(path.rglob(FILE))
        if not here:
            raise ConfigError(f"no {FILE} here", where=str(path), hint="name an adapter's folder, or a folder above it")
        found += [each for each in here if each not in found]
    return found


def load(path: Path) -> Contract:
    """Reads one contract. Raises ConfigError with one line per fault."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("no such file", where=str(path)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path), hint="let this user read it") from None
    except UnicodeDecodeError as error:
        what = f"not valid TOML: no UTF-8 at byte {error.start}"
        raise ConfigError(what, where=str(path), hint="save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}", where=str(path)) from None
    if "path" in document:
        raise ConfigError("path: unknown key", where=str(path), hint="remove it")
    try:
        contract = Contract.model_validate({**document, "path": path})
    except ValidationError as error:
        raise ConfigError(explain(error), where=str(path), hint=unknown_key(error, Contract)) from None
    except ConfigError as error:
        raise ConfigError(error.what, where=str(path), hint=error.hint) from None
    return contract


def load_all(paths: Iterable[Path]) -> list[Contract]:
    """Reads all contracts at these paths. Raises ConfigError for the first that is wrong, or for an application met
    twice.
    """
    contracts, errors = load_each(paths)
    if errors:
        raise errors[0]
    return contracts


def load_each(paths: Iterable[Path]) -> tuple[list[Contract], list[ConfigError]]:
    """Reads what can be read of the contracts at these paths, and says what is wrong with the others. Raises
    ConfigError where there are none.
    """
    contracts: dict[str, Contract] = {}
    errors: list[ConfigError] = []
    for path in find(paths):
        try:
            contract = load(path)
        except ConfigError as error:
            errors.append(error)
            continue
        if other := contracts.get(str(contract.name)):
            what = f"the application {contract.name} stands in {other.path} too"
            errors.append(ConfigError(what, where=str(path), hint="give one of them another name"))
        else:
            contracts[str(contract.name)] = contract
    return list(contracts.values()), errors


def explain(error: ValidationError, prefix: Sequence[str] = ()) -> str:
    """A validation error as ``key: what is wrong`` per fault, without the values that were given."""
    return "; ".join(
        f"{'.'.join((*prefix, *map(str, fault['loc'])))}: {_words(fault['type'], fault['msg'])}"
        for fault in error.errors(include_input=False, include_url=False, include_context=False)
    )


def unknown_key(error: ValidationError, model: type[BaseModel]) -> str:
    """A hint for the first key that is unknown, in ``model`` or a table within it; "" where there is none."""
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        if fault["type"] == "extra_forbidden":
            *above, key = map(str, fault["loc"])
            return meant(key, _keys(model, above), "adapters/README.md lists its keys")
    return ""


def _keys(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """The keys of the table that lies at ``path`` in ``model``; on it are the names and numbers of entries, too."""
    for part in path:
        info = next((info for name, info in model.model_fields.items() if part in {name, info.alias}), None)
        if info is not None:
            tables = (info.annotation, *get_args(info.annotation))
            model = next((each for each in tables if isinstance(each, type) and issubclass(each, BaseModel)), model)
    return [info.alias or name for name, info in model.model_fields.items() if not info.exclude]


def _words(kind: str, message: str) -> str:
    return {"missing": "missing", "extra_forbidden": "unknown key"}.get(kind, message.removeprefix("Value error, "))
