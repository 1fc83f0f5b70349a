"""What is installed is what pyproject.toml pins."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distributions

import pytest
from packaging.markers import Marker

from tests import pins

SEEDS = {"pip", "setuptools", "wheel", "uv"}  # what a fresh virtual environment has, and the installer itself
PROJECT = "opd-bus"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _for_this_python(list_name: str) -> dict[str, str]:
    parsed = [pins.parse(pin) for pin in pins.read(list_name)]
    return {name: version for name, version, marker in parsed if not marker or Marker(marker).evaluate()}


def test_every_installed_package_has_its_pinned_version() -> None:
    installed = {_normal(each.name): each.version for each in distributions()}
    pinned = _for_this_python(pins.RUNTIME)
    found = {name: version for name, version in installed.items() if name not in SEEDS and name != PROJECT}
    assert PROJECT in installed
    assert found == {name: version for name, version in pinned.items() if name in found}


def test_pins_and_lock_hold_the_same_packages() -> None:
    pinned: dict[str, set[str]] = {}
    for name, version, _ in map(pins.parse, pins.read(pins.RUNTIME)):
        pinned.setdefault(name, set()).add(version)
    assert pins.locked() == pinned


def test_direct_and_build_requirements_are_pinned() -> None:
    project = tomllib.loads(pins.PYPROJECT.read_text(encoding="utf-8"))
    groups = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    wanted = {
        _normal(match[0])
        for group in [*groups, *project["dependency-groups"].values()]
        for requirement in group
        if (match := re.match(r"[A-Za-z0-9._-]+", requirement))
    }
    assert wanted - {PROJECT} <= {pins.parse(pin)[0] for pin in pins.read(pins.RUNTIME)}
    assert {*project["build-system"]["requires"], *pins.BUILD_TOOLS} <= {
        pins.parse(pin)[0] for pin in pins.read(pins.BUILD)
    }


def test_packages_of_both_lists_have_one_version() -> None:
    runtime, build = _for_this_python(pins.RUNTIME), _for_this_python(pins.BUILD)
    shared = runtime.keys() & build.keys()
    assert shared
    assert {name: runtime[name] for name in shared} == {name: build[name] for name in shared}


def test_no_download_address_is_kept() -> None:
    assert "://" not in pins.PYPROJECT.read_text(encoding="utf-8")
    assert "uv.lock" in (pins.ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_markers_stay_only_where_versions_differ() -> None:
    exported = [
        "b==1.0",
        "c==2.0 ; sys_platform == 'win32'",
        "a==1 ; python_version < '3.12'",
        "a==2 ; python_version >= '3.12'",
    ]
    assert pins.simplify(exported) == [
        "a==1 ; python_version < '3.12'",
        "a==2 ; python_version >= '3.12'",
        "b==1.0",
        "c==2.0",
    ]


def test_a_list_is_replaced_and_nothing_else() -> None:
    text = '[tool.uv]\nbuild-constraint-dependencies = [\n    "x==1",\n]\nconstraint-dependencies = [\n]\nafter = 1\n'
    replaced = pins.replace(text, pins.RUNTIME, ["a==1", "b==2"])
    assert replaced == text.replace(
        "\nconstraint-dependencies = [\n", '\nconstraint-dependencies = [\n    "a==1",\n    "b==2",\n'
    )
    with pytest.raises(pins.PinError, match="no list"):
        pins.replace("[tool.uv]\n", pins.RUNTIME, [])


@pytest.mark.parametrize("pin", ["nats-py>=2", "nats-py", "nats-py @ file:///x", "nats-py==2.*, <3"])
def test_only_exact_pins_are_pins(pin: str) -> None:
    with pytest.raises(ValueError, match="not an exact pin"):
        pins.parse(pin)
