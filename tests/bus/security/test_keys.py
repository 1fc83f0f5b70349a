"""Keys are made once, by whoever comes first, and are nobody else's to read."""

from __future__ import annotations

import base64
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bus.errors import ConfigError
from bus.security import files, keys

_MAKE = """
import sys
from pathlib import Path
from bus.security import keys
home = Path(sys.argv[1])
sys.stdin.read(1)
ring = keys.keyring(home)
print(ring.operator.public, ring.system.public, ring.bus.public, ring.signing.public)
print(keys.user_key(home, "rsud.simrs").public, keys.make_entity_key(home / "keys" / "entity.key").hex())
"""


def test_keys_stay(tmp_path: Path) -> None:
    first, second = keys.keyring(tmp_path / "home"), keys.keyring(tmp_path / "home")
    assert [first.operator.public, first.bus.public] == [second.operator.public, second.bus.public]
    assert first.operator.public.startswith("O")
    assert first.signing.public.startswith("A")
    assert first.signing.public != first.bus.public
    assert keys.user_key(tmp_path / "home", "admin").public.startswith("U")


def test_nobody_else_may_read_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    keys.keyring(home)
    keys.make_entity_key(home / "keys" / "entity.key")
    assert stat.S_IMODE((home / "keys").stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in (home / "keys").iterdir()} == {0o600}


def test_processes_that_start_at_once_get_the_same_keys(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _MAKE, str(tmp_path / "home")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("x")
        racer.stdin.flush()
    said = {racer.communicate(timeout=60)[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0] * 4
    assert len(said) == 1
    assert said.pop().strip()
    assert not list((tmp_path / "home" / "keys").glob(".*.nk.*"))  # no half-written file is left


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    keys.keyring(tmp_path / "home")
    path = tmp_path / "home" / "keys" / "signing.nk"
    path.chmod(mode)
    with pytest.raises(ConfigError, match=r"signing\.nk: others may read this secret \(chmod 600 .*signing\.nk\)"):
        keys.keyring(tmp_path / "home")


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home" / "keys").mkdir(parents=True, mode=0o755)
    (tmp_path / "home" / "keys").chmod(0o755)
    with pytest.raises(ConfigError, match="others may enter this folder"):
        keys.keyring(tmp_path / "home")


@pytest.mark.parametrize("content", ["", "hello\n", "SUAEXAMPLE\n"])
def test_a_damaged_key_is_named(tmp_path: Path, content: str) -> None:
    keys.keyring(tmp_path / "home")
    (tmp_path / "home" / "keys" / "bus.nk").write_text(content)
    with pytest.raises(ConfigError, match=r"bus\.nk: not the seed of an nkey"):
        keys.keyring(tmp_path / "home")


def test_a_key_of_another_kind_is_named(tmp_path: Path) -> None:
    keys.keyring(tmp_path / "home")
    folder = tmp_path / "home" / "keys"
    (folder / "bus.nk").write_bytes((folder / "operator.nk").read_bytes())
    with pytest.raises(ConfigError, match="another kind"):
        keys.keyring(tmp_path / "home")


def test_the_entity_key_is_32_random_bytes(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "entity.key"
    made = keys.make_entity_key(path)
    assert len(made) == 32
    assert keys.make_entity_key(path) == keys.load_entity_key(path) == made
    assert base64.b64decode(path.read_text()) == made
    assert keys.make_entity_key(tmp_path / "other" / "entity.key") != made


def test_a_missing_entity_key_says_who_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"entity\.key: cannot read the secret: .*`bus up` makes it"):
        keys.load_entity_key(tmp_path / "entity.key")


@pytest.mark.parametrize(
    "content", [b"", b"short", base64.b64encode(b"x" * 31), base64.b64encode(b"x" * 33), b"\xff" * 32]
)
def test_a_damaged_entity_key_is_refused_without_its_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "entity.key"
    files.create(path, content)
    with pytest.raises(ConfigError, match="32 bytes as base64") as refused:
        keys.load_entity_key(path)
    assert not content or content.decode(errors="replace") not in str(refused.value)
