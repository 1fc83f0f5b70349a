"""A small office installs no extra: the bus itself and its file connector do without them."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest

from tests.architecture import ROOT

# What comes with extras and for development alone; charset-normalizer comes with the exporter of spans as well.
OPTIONAL = {
    "aiohttp",
    "aioodbc",
    "aiosmtplib",
    "aiosqlite",
    "asyncmy",
    "asyncpg",
    "asyncssh",
    "hypothesis",
    "ijson",
    "lxml",
    "openpyxl",
    "oracledb",
    "paho",
    "psycopg",
    "psycopg2",
    "pymysqlreplication",
    "pytest",
    "python_calamine",
    "sqlalchemy",
    "zeep",
}
WITHOUT = """
import importlib, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
importlib.import_module({module!r})
"""


def importing(module: str, *, absent: set[str]) -> subprocess.CompletedProcess[str]:
    """Imports a module in a process of its own where some packages are not installed."""
    code = WITHOUT.format(absent=absent, module=module)
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["bus.app", "bus.platform", "adapters.connectors.file_drop"])
def test_the_bus_does_without_extras(module: str) -> None:
    result = importing(module, absent=OPTIONAL)
    assert result.returncode == 0, result.stderr


def test_an_absent_package_is_really_absent() -> None:
    result = importing("adapters.connectors.sql_poll", absent={"sqlalchemy"})
    assert "ModuleNotFoundError: No module named 'sqlalchemy'" in result.stderr


def test_the_extra_of_all_names_every_other() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = [name for entry in extras.pop("all") for name in re.fullmatch(r"opd-bus\[(.+)\]", entry)[1].split(",")]
    assert sorted(named) == sorted(extras)
