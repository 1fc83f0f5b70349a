"""What operators get: settings, units, and a guide whose steps lead where it says."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bus import config
from bus.contracts.reference import renewed
from tests.docs.blocks import ROOT, block, blocks, text_of
from tests.docs.sandbox import Sandbox

GUIDE = "deploy/README.md"
UNITS = ("bus-up.service", "bus-adapter@.service")
CONTRACT = ROOT / "adapters/departments/bppkad/pajak/adapter.toml"
EXPOSURE = 2.0  #: of 10: what `systemd-analyze security` may find

# Stands for git: what the guide uses of a clone.
_GIT = f"""#!/bin/sh
echo "git $*" >>"$NOTES"
for last; do :; done
[ "$1" != clone ] || {{ mkdir -p "$last" && cp -r {ROOT}/deploy "$last"; }}
"""
# Stands for the venv module: programs that note how they are called.
_PYTHON = """#!/bin/sh
echo "python3 $*" >>"$NOTES"
mkdir -p .venv/bin
for name in pip uv; do
    printf '#!/bin/sh\\necho "%s $*" >>"$NOTES"\\n' $name >.venv/bin/$name
    chmod 755 .venv/bin/$name
done
"""


@pytest.fixture
def machine(tmp_path: Path) -> Sandbox:
    """A machine without anything."""
    sandbox = Sandbox(tmp_path, tmp_path, {"REPOSITORY": "https://example.org/bus.git"})
    for path in ("/etc/systemd/system", "/opt", "/var/lib"):
        sandbox.place(path).mkdir(parents=True)
    sandbox.stub("git", _GIT)
    sandbox.stub("python3", _PYTHON)
    return sandbox


def test_its_table_of_settings_is_current() -> None:
    assert renewed(text_of(GUIDE)) == text_of(GUIDE), f"run: python -m bus.contracts.reference {GUIDE}"


def test_its_settings_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [each.text for each in blocks(GUIDE) if each.language == "toml"]
    assert len(shown) == 2
    monkeypatch.chdir(tmp_path)
    for text in shown:
        (tmp_path / "bus.toml").write_text(text, encoding="utf-8")
        settings = config.load()
        for name, value in tomllib.loads(text).items():
            assert getattr(settings, name) == (Path(value) if name == "home" else value)


def test_one_server_is_installed_as_the_guide_says(machine: Sandbox) -> None:
    machine.run(block(GUIDE, "apt-get install"))
    noted = machine.noted()
    assert noted[0] == "apt-get install --yes git python3-venv"
    assert noted[-1] == "systemctl enable --now bus-up"
    (sync,) = [line for line in noted if line.startswith("uv sync")]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(re.findall(r"--extra (\w+)", block(GUIDE, "apt-get install").text)) <= set(extras)
    assert "--no-dev" in sync
    for unit in UNITS:
        installed = machine.place("/etc/systemd/system") / unit
        assert installed.read_bytes() == (ROOT / "deploy/systemd" / unit).read_bytes()
        assert stat.S_IMODE(installed.stat().st_mode) == 0o644


def test_an_adapter_is_installed_as_the_guide_says(machine: Sandbox) -> None:
    machine.place("/etc/bus").mkdir()
    machine.run(block(GUIDE, "install -m 600"))
    written = machine.place("/etc/bus/bppkad-pajak.env")
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    names = re.findall(r"^(\w+)=", written.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(names) == set(re.findall(r"env:(\w+)", CONTRACT.read_text(encoding="utf-8")))
    assert machine.noted() == ["systemctl enable --now bus-adapter@bppkad-pajak"]


def test_an_upgrade_goes_as_the_guide_says(machine: Sandbox) -> None:
    machine.run("python3 -m venv .venv")
    machine.stub("bus", '#!/bin/sh\necho "bus $*" >>"$NOTES"\n')
    machine.run(block(GUIDE, "git pull"))
    assert [line.split(" --")[0] for line in machine.noted()[1:]] == [
        "git pull",
        "uv sync",
        "bus check",
        "bus streams plan",
        "systemctl restart bus-up",
        "systemctl restart bus-adapter@*",
    ]


def test_an_adapter_is_looked_at_as_the_guide_says(machine: Sandbox) -> None:
    machine.run(block(GUIDE, "systemctl status"))
    assert machine.noted() == [
        "systemctl status bus-adapter@dinsos-bansos",
        "journalctl -u bus-adapter@dinsos-bansos -n 50",
    ]


needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with the installation that these tests run in, an instance, and the guide's drop-in for it."""
    for unit in UNITS:
        text = (ROOT / "deploy/systemd" / unit).read_text(encoding="utf-8")
        assert "/opt/bus/.venv/bin/bus " in text
        (tmp_path / unit).write_text(text.replace("/opt/bus/.venv", sys.prefix), encoding="utf-8")
    (tmp_path / "bus-adapter@bppkad-pajak.service").symlink_to("bus-adapter@.service")
    dropin = tmp_path / "bus-adapter@bppkad-pajak.service.d"
    dropin.mkdir()
    (dropin / "override.conf").write_text(block(GUIDE, "[Service]").text, encoding="utf-8")
    return tmp_path


@needs_systemd
def test_systemd_accepts_the_units(units: Path) -> None:
    assert analyze(units, "verify", "bus-up.service", "bus-adapter@bppkad-pajak.service") == ""


@needs_systemd
def test_systemd_would_tell_a_wrong_line(units: Path) -> None:
    (units / "bus-adapter@bppkad-pajak.service.d/override.conf").write_text("[Service]\nReadWritePath=/srv\n")
    assert "Unknown key" in analyze(units, "verify", "bus-adapter@bppkad-pajak.service")


@needs_systemd
@pytest.mark.parametrize("unit", UNITS)
def test_units_let_a_service_do_little_else(units: Path, unit: str) -> None:
    shown = analyze(units, "security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", shown)
    assert found, shown
    assert float(found[1]) <= EXPOSURE


def test_an_adapters_unit_hides_the_operators_secrets() -> None:
    text = (ROOT / "deploy/systemd/bus-adapter@.service").read_text(encoding="utf-8")
    hidden = {path.removeprefix("-/var/lib/bus/") for path in re.findall(r"-/var/lib/bus/\S+", text)}
    seeds = {f"keys/{name}" for name in ("operator.nk", "sys.nk", "bus.nk", "signing.nk", "accounts", "users")}
    roles = {f"creds/{name}.creds" for name in ("admin", "ops", "system")}
    assert hidden == seeds | roles


def analyze(folder: Path, *arguments: str) -> str:
    """What systemd-analyze prints about the units of a folder."""
    done = subprocess.run(
        ["systemd-analyze", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr
