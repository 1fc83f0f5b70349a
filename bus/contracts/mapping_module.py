"""Loads the Python beside a contract, ``mapping.py``, by its path and under a name of its own.

So departments never see each other's modules, and two folders may each have a ``mapping.py``.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

from bus.contracts.model import Contract
from bus.errors import ConfigError


def load_function(contract: Contract, reference: str) -> Callable[..., Any]:
    """The function that ``mapping:function`` names, from the contract's folder. Raises ConfigError."""
    where = str(contract.path)
    module_name, colon, name = reference.partition(":")
    if not colon or not module_name.isidentifier() or not name.isidentifier():
        raise ConfigError(f"{reference!r} names no function", where=where, hint='write "mapping:function"')
    path = contract.folder / f"{module_name}.py"
    found = getattr(_module(contract, path), name, None)
    if not callable(found):
        near = get_close_matches(name, _functions(_module(contract, path)), 1)
        hint = f"did you mean {near[0]}?" if near else f"write `def {name}(…)` in it"
        raise ConfigError(f"no function {name}", where=str(path), hint=hint)
    return found  # type: ignore[no-any-return]


def _module(contract: Contract, path: Path) -> ModuleType:
    """The module, executed once per file and change of it."""
    try:
        seen = path.stat()
    except OSError as error:
        raise ConfigError(
            f"{path.name} is named here and cannot be read: {error.strerror}", where=str(contract.path)
        ) from None
    stamp = blake2b(f"{path.resolve()}\0{seen.st_mtime_ns}\0{seen.st_size}".encode(), digest_size=6).hexdigest()
    name = f"_{path.stem}_of_{contract.opd}_{contract.app}_{stamp}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError("not a Python module", where=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # type hints are resolved through it
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ConfigError(
            f"{type(error).__name__}: {error}", where=str(path), hint="it must import by itself"
        ) from error
    return module


def _functions(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
