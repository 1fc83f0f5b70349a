"""Pins every package that is installed to one exact version, in pyproject.toml, without download addresses.

    uv run python -m tests.pins             adds what new dependencies bring, drops what is gone, moves nothing else
    uv run python -m tests.pins --upgrade   moves everything to its newest version

Two lists between markers are rewritten: ``constraint-dependencies`` (what runs: all extras, all groups) and
``build-constraint-dependencies`` (what builds the project and the packages that come as sources, and uv itself, which
``tests/run`` installs). uv.lock holds the same with addresses; it is made anew on each machine and is not kept in git.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYPROJECT = ROOT / "pyproject.toml"
RUNTIME, BUILD = "constraint-dependencies", "build-constraint-dependencies"
BUILD_TOOLS = (
    "hatchling",
    "editables",
    "setuptools",
    "uv",
)  #: editables: hatchling in place; setuptools: nkeys has no wheel

_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;]+)(?: *; *(?P<marker>.+))?")


class PinError(Exception):
    """uv found no set of versions; its own words say why."""


def read(list_name: str) -> list[str]:
    """The pins that stand in pyproject.toml."""
    pins: list[str] = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]["uv"][list_name]
    return pins


def parse(pin: str) -> tuple[str, str, str]:
    """Name, version and marker ("" for none) of a pin. Raises ValueError where it is no exact one."""
    match = _PIN.fullmatch(pin)
    if match is None:
        raise ValueError(f"{pin!r} is not an exact pin")
    return match["name"], match["version"], match["marker"] or ""


def locked() -> dict[str, set[str]]:
    """What uv.lock holds: versions by name, without the project itself. Several versions: one per Python."""
    versions: dict[str, set[str]] = defaultdict(set)
    for package in tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]:
        if "registry" in package["source"]:
            versions[package["name"]].add(package["version"])
    return dict(versions)


def simplify(exported: Sequence[str]) -> list[str]:
    """Drops the markers that only say where a package is needed; keeps those that tell two versions apart."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for line in exported:
        by_name[parse(line)[0]].append(line)
    pins = []
    for name, lines in sorted(by_name.items()):
        versions = {parse(line)[1] for line in lines}
        pins += [f"{name}=={versions.pop()}"] if len(versions) == 1 else sorted(lines)
    return pins


def replace(text: str, list_name: str, pins: Sequence[str]) -> str:
    """The text of pyproject.toml with one list replaced; the opening line and the closing bracket are the markers."""
    block = re.compile(rf"(?m)^({re.escape(list_name)} = \[\n)(?:    .*\n)*(\]\n)")
    if len(block.findall(text)) != 1:
        raise PinError(f"pyproject.toml has no list `{list_name} = [` of its own lines")
    lines = "".join(f'    "{pin}",\n' for pin in pins)
    return block.sub(lambda match: match[1] + lines + match[2], text)


def refresh(*, upgrade: bool = False) -> None:
    """Rewrites both lists and uv.lock. Raises PinError and leaves everything as it was where there is no solution."""
    before = PYPROJECT.read_text(encoding="utf-8")
    try:
        _write(replace(replace(before, RUNTIME, []), BUILD, []) if upgrade else before)
        _uv("lock", "--quiet", *(["--upgrade"] if upgrade else []))
        runtime = simplify(_lines(_uv("export", "--all-extras", "--all-groups", "--no-hashes", "--no-emit-project")))
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
            constraints.write("\n".join(runtime if upgrade else [*runtime, *_missing(read(BUILD), runtime)]))
            constraints.flush()
            options = ("--universal", "--python-version", "3.11", "--constraint", constraints.name)
            build = simplify(_lines(_uv("pip", "compile", "-", *options, stdin="\n".join(BUILD_TOOLS))))
        _write(replace(replace(before, RUNTIME, runtime), BUILD, build))
        _uv("lock", "--quiet")
    except BaseException:
        _write(before)
        raise


def _missing(pins: Sequence[str], others: Sequence[str]) -> list[str]:
    """The pins of packages that the others do not name."""
    names = {parse(pin)[0] for pin in others}
    return [pin for pin in pins if parse(pin)[0] not in names]


def _lines(output: str) -> list[str]:
    return [line.strip() for line in output.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _write(text: str) -> None:
    PYPROJECT.write_text(text, encoding="utf-8")


def _uv(*arguments: str, stdin: str = "") -> str:
    command = [os.environ.get("UV", "uv"), *arguments]
    done = subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PinError(f"uv {' '.join(arguments[:2])} failed:\n{done.stderr.strip()}")
    return done.stdout


def main() -> int:
    """The command; exit code 1 with uv's words where there is no solution."""
    parser = argparse.ArgumentParser(prog="python -m tests.pins", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--upgrade", action="store_true", help="move everything to its newest version")
    try:
        refresh(upgrade=parser.parse_args().upgrade)
    except PinError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(read(RUNTIME))} packages and {len(read(BUILD))} build tools are pinned")
    return 0


if __name__ == "__main__":
    sys.exit(main())
