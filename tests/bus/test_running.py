"""A command in a second terminal finds the bus that runs."""

from __future__ import annotations

import json
from pathlib import Path

from bus.config import Settings
from bus.running import FOLDER, announced, find, home_of


def test_what_runs_is_found_while_it_runs(tmp_path: Path) -> None:
    home = tmp_path / "demo" / "1"
    with announced(tmp_path, "demo", home):
        (found,) = find(tmp_path)
        assert (found.what, found.home) == ("demo", home)
        assert home_of(Settings(home=tmp_path)).home == home
    assert find(tmp_path) == []
    assert home_of(Settings(home=tmp_path)).home == tmp_path


def test_of_two_demos_the_latest_is_meant(tmp_path: Path) -> None:
    with announced(tmp_path, "demo", tmp_path / "1"):
        with announced(tmp_path, "demo", tmp_path / "2"):
            assert home_of(Settings(home=tmp_path)).home == tmp_path / "2"
        assert home_of(Settings(home=tmp_path)).home == tmp_path / "1"


def test_the_bus_of_this_home_comes_before_a_demo(tmp_path: Path) -> None:
    with announced(tmp_path, "up", tmp_path), announced(tmp_path, "demo", tmp_path / "1"):
        assert home_of(Settings(home=tmp_path)).home == tmp_path


def test_what_a_killed_process_left_behind_goes(tmp_path: Path) -> None:
    """Its number may belong to another process by now: the lock on the file decides."""
    folder = tmp_path / FOLDER
    folder.mkdir()
    for name, text in (("1.json", json.dumps({"what": "up", "home": "/x", "pid": 1, "started": 1})), ("2.json", "{")):
        (folder / name).write_text(text)
    assert find(tmp_path) == []
    assert list(folder.glob("*.json")) == []
