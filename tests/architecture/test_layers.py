"""The contracts of import-linter hold, and each of them finds the import that it forbids."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture import PACKAGES, ROOT, modules

SDK = "opentelemetry.sdk"


class Plant(NamedTuple):
    """An import that must not be: which contract forbids it, where it is planted, what the linter then says."""

    contract: str
    path: str
    code: str
    finding: str


PLANTS = [
    Plant("layers", "bus/events/planted.py", "from bus import delivery", "bus.events.planted -> bus.delivery"),
    Plant("layers", "bus/errors.py", "import bus.envelope", "bus.errors -> bus.envelope"),
    Plant("layers", "bus/contracts/planted.py", "import bus.broker", "bus.contracts.planted -> bus.broker"),
    Plant("layers", "bus/security/planted.py", "def later():\n    import bus.cli", "bus.security.planted -> bus.cli"),
    Plant("layers", "bus/planted.py", "", "bus.planted"),
    Plant("bus-alone", "bus/cli/planted.py", "import schemas.pajak", "bus.cli.planted -> schemas.pajak"),
    Plant("bus-alone", "bus/delivery/planted.py", "import adapters", "bus.delivery.planted -> adapters"),
    Plant("broker-alone", "bus/delivery/planted.py", "import nats", "bus.delivery.planted -> nats"),
    Plant("broker-alone", "bus/cli/planted.py", "def later():\n    import nats.js", "bus.cli.planted -> nats"),
    Plant(
        "broker-alone",
        "adapters/connectors/planted.py",
        "import faststream",
        "adapters.connectors.planted -> faststream",
    ),
    Plant(
        "public-face",
        "adapters/connectors/planted.py",
        "import bus.delivery",
        "adapters.connectors.planted -> bus.delivery",
    ),
    Plant(
        "public-face", "adapters/formats/planted.py", "from bus import broker", "adapters.formats.planted -> bus.broker"
    ),
    Plant("schemas-alone", "schemas/planted.py", "import bus.ports", "schemas.planted -> bus.ports"),
    Plant("schemas-alone", "schemas/planted.py", "import adapters.formats", "schemas.planted -> adapters.formats"),
    Plant(
        "adapters",
        "adapters/formats/planted.py",
        "import adapters.connectors",
        "adapters.formats.planted -> adapters.connectors",
    ),
    Plant("adapters", "adapters/planted.py", "", "adapters.planted"),
    Plant(
        "departments",
        "adapters/departments/satu/a.py",
        "import adapters.departments.dua",
        "satu.a -> adapters.departments.dua",
    ),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the product that a test may spoil."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for department in ("satu", "dua"):
        (tmp_path / "adapters/departments" / department).mkdir()
        (tmp_path / "adapters/departments" / department / "__init__.py").touch()
    return tmp_path


def lint(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs import-linter over a tree."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", *options]
    environment = {**os.environ, "PYTHONPATH": str(root), "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=environment)


def test_all_contracts_are_kept(copy: Path) -> None:
    result = lint(copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.contract}:{plant.path}")
def test_a_planted_import_is_found(copy: Path, plant: Plant) -> None:
    with (copy / plant.path).open("a", encoding="utf-8") as module:
        module.write(f"\n{plant.code}\n")
    result = lint(copy, "--contract", plant.contract)
    assert result.returncode == 1
    assert "1 broken" in result.stdout
    assert plant.finding in result.stdout


def test_every_contract_has_a_plant() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    assert {contract["id"] for contract in contracts} == {plant.contract for plant in PLANTS}


def imports(module: Path) -> Iterator[str]:
    """The dotted names that a module imports. import-linter knows no more of an outside package than its first part."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"), module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sdk_importers(root: Path) -> set[Path]:
    """The modules that import the OpenTelemetry SDK or an exporter."""
    forbidden = (f"{SDK}.", "opentelemetry.exporter.")
    return {
        module.relative_to(root)
        for module in modules(root)
        if any(f"{name}.".startswith(forbidden) for name in imports(module))
    }


def test_the_tracing_sdk_is_set_up_in_one_place() -> None:
    place = Path("bus/observability")
    assert {module for module in sdk_importers(ROOT) if place not in module.parents} == set()


@pytest.mark.parametrize(
    "code",
    [f"import {SDK}", "from opentelemetry import sdk", f"def later():\n    from {SDK}.trace import TracerProvider"],
)
def test_a_planted_sdk_is_found(copy: Path, code: str) -> None:
    (copy / "bus/broker/planted.py").write_text(code, encoding="utf-8")
    assert Path("bus/broker/planted.py") in sdk_importers(copy)
