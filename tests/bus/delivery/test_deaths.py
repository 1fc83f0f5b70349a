"""The journal of what is in hand: who killed the process?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bus.delivery.deaths import FATAL, Deaths


@contextmanager
def started(path: Path) -> Iterator[Deaths]:
    """The journal as a process that starts finds it."""
    deaths = Deaths(path)
    yield deaths
    deaths.close()


def die(path: Path, *event_ids: str) -> None:
    """A process that dies with these in hand: what it wrote stays, and the next one finds it."""
    with started(path) as deaths, deaths.in_hand(event_ids):
        left = path.read_text()
    path.write_text(left)
    with started(path):
        pass


def test_a_batch_in_hand_makes_suspects_and_no_culprit(tmp_path: Path) -> None:
    for _ in range(FATAL + 1):
        die(tmp_path / "hand", "a", "b")

    with started(tmp_path / "hand") as deaths:
        assert deaths.suspect("a")
        assert not deaths.fatal("a")


def test_one_alone_in_hand_at_three_deaths_is_the_culprit(tmp_path: Path) -> None:
    die(tmp_path / "hand", "a", "b")
    for _ in range(FATAL):
        die(tmp_path / "hand", "a")

    with started(tmp_path / "hand") as deaths:
        assert deaths.fatal("a")
        assert not deaths.fatal("b")


def test_who_is_settled_is_no_suspect(tmp_path: Path) -> None:
    die(tmp_path / "hand", "a", "b")
    with started(tmp_path / "hand") as deaths:
        deaths.acquit(["a", "b"])

    with started(tmp_path / "hand") as deaths:
        assert not deaths.suspect("a")


def test_leaving_by_an_error_is_no_death(tmp_path: Path) -> None:
    with started(tmp_path / "hand") as deaths, pytest.raises(ConnectionError), deaths.in_hand(["a"]):
        raise ConnectionError

    with started(tmp_path / "hand") as deaths:
        assert not deaths.suspect("a")
