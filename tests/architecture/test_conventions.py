"""Conventions that no linter knows."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatch
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.architecture import ROOT, modules

MAX_LINES = 400
MAX_FUNCTION = 60  #: lines: one screen
HEAVY = {"asyncmy", "asyncpg", "faststream", "nats", "opentelemetry", "pydantic", "sqlalchemy", "structlog", "uvloop"}
VAGUE = re.compile(r"(^|_)(utils?|helpers?|misc|common|manager)(_|$)")
# Put together, so that this file does not hold what it looks for.
REGISTRIES = re.compile(
    "|".join([r"\bpy" + r"pi\.", r"\bpython" + r"hosted\.", r"\bregistry\." + r"npm", r"\bcrates" + r"\.io"])
)
MACHINE = re.compile(r"(?<![\w.$}])/(?:wor" + "k|roo" + "t)/")
IMPORTED = """
import sys
import bus.cli.main
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def kept() -> list[Path]:
    """The files that are kept: all but those that .gitignore names. git itself need not be installed."""
    patterns = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines() if line]
    found = []
    for folder, folders, files in os.walk(ROOT):
        ignored = {name for name in [*folders, *files] if any(fnmatch(name, each) for each in [*patterns, ".git"])}
        folders[:] = set(folders) - ignored
        found += [Path(folder, name) for name in set(files) - ignored]
    return sorted(found)


def lines_with(pattern: re.Pattern[str], paths: Iterable[Path]) -> list[str]:
    """Where the pattern stands in text files, as ``path:line``."""
    found = []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # a sample that is no UTF-8 text, on purpose
        found += [f"{path}:{number}" for number, line in enumerate(lines, 1) if pattern.search(line)]
    return found


def test_the_command_line_imports_nothing_heavy_before_it_knows_the_command() -> None:
    output = subprocess.run(
        [sys.executable, "-c", IMPORTED], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "typer" in output.split()
    assert HEAVY & set(output.split()) == set()


def test_modules_are_short() -> None:
    everything = [*modules(), *sorted((ROOT / "tests").rglob("*.py"))]
    assert len(everything) > 20
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in everything}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def test_functions_fit_one_screen() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (node.end_lineno or node.lineno) - node.lineno >= MAX_FUNCTION
    ]
    assert long == []


def test_names_say_what_a_module_is() -> None:
    parts = {part for path in modules() for part in path.relative_to(ROOT).with_suffix("").parts}
    assert "errors" in parts
    assert {part for part in parts if VAGUE.search(part)} == set()


def test_every_folder_of_code_is_a_package_with_an_identifier_for_its_name() -> None:
    # import-linter and mypy pass silently over any other.
    folders = {folder for path in modules() for folder in path.relative_to(ROOT).parents if folder != Path()}
    assert Path("bus/broker") in folders
    assert [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").is_file()] == []
    assert [str(folder) for folder in folders if not folder.name.isidentifier()] == []


def test_nothing_names_a_package_registry_or_a_path_of_this_machine() -> None:
    paths = kept()
    assert {ROOT / "pyproject.toml", ROOT / ".ci/run"} <= set(paths)
    assert ROOT / "uv.lock" not in paths
    assert lines_with(REGISTRIES, paths) == []
    assert lines_with(MACHINE, paths) == []


def test_planted_names_are_found(tmp_path: Path) -> None:
    planted = tmp_path / "planted.md"
    hosts = ["https://py" + "pi.org/simple", "files.python" + "hosted.org", "registry." + "npmjs.org", "crates" + ".io"]
    planted.write_text("\n".join(["fine", *hosts, "see /wor" + "k/main/x", "a/work/b ../work/c"]), encoding="utf-8")
    assert lines_with(REGISTRIES, [planted]) == [f"{planted}:{number}" for number in (2, 3, 4, 5)]
    assert lines_with(MACHINE, [planted]) == [f"{planted}:6"]


@pytest.mark.parametrize("script", [".ci/run", "tests/run"])
def test_scripts_are_strict_and_executable(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert "\nset -euo pipefail\n" in path.read_text(encoding="utf-8")
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0


def test_every_entry_point_is_installed_and_leads_somewhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {("console_scripts", *each) for each in project["scripts"].items()}
    declared |= {(group, *each) for group, points in project["entry-points"].items() for each in points.items()}
    installed = distribution("opd-bus").entry_points
    assert {(point.group, point.name, point.value) for point in installed} == declared
    for point in installed:
        assert point.load()
