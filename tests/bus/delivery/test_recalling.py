"""What one machine has told is known to another, and does not expire."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bus.ports import Batch, Position, Record
from bus.testing.lines import Line, until
from bus.testing.memory import MemoryStreams
from tests.bus.delivery.test_outflow import Rows, line, working


class Dumps(Rows):
    """A source that reads whole tables, and knows no versions: only the ledger tells what is new."""

    def __init__(self, *dumps: dict[str, str]) -> None:
        super().__init__()
        self._dumps = list(dumps)

    async def open(self, position: Position | None) -> None:
        self.read_up_to = position["batch"] if position else 0

    async def read(self) -> Batch | None:
        if not self._dumps:
            return None
        self.read_up_to += 1
        rows = [Record(key, {"kunci": key, "nilai": value}) for key, value in self._dumps.pop(0).items()]
        return Batch(rows, {"batch": self.read_up_to})


async def told(line: Line, *dumps: dict[str, str]) -> list[tuple[str, str]]:
    """What becomes of whole tables, in a process of its own."""
    rows, before = Dumps(*dumps), len(line.emitted())
    committed = len(dumps)
    async with working(line.process(rows)):
        await until(lambda: len(rows.committed) == committed)
    return line.emitted()[before:]


async def test_another_machine_remembers_what_this_one_has_told(tmp_path: Path) -> None:
    streams = MemoryStreams()
    one, other = line(tmp_path / "one", streams), line(tmp_path / "other", streams)
    assert await told(one, {"1": "a", "2": "a"}, {"1": "b", "2": "a"}) == [("1", "a"), ("2", "a"), ("1", "b")]
    assert await told(other, {"1": "b", "2": "a", "3": "a"}) == [("3", "a")]
    assert await told(one, {"1": "a", "2": "a", "3": "a"}) == [("1", "a")], "back again, which is a change too"
    assert await told(one, {"3": "a"}) == []
    assert await told(other, {"1": "a", "2": "c", "3": "a"}) == [("2", "c")]
    assert len({message.id for message in streams.events}) == len(streams.events) == 6


async def test_a_machine_that_cannot_remember_all_tells_it_once_more(tmp_path: Path) -> None:
    streams = MemoryStreams()
    one, other = line(tmp_path / "one", streams), line(tmp_path / "other", streams)
    await told(one, {"1": "a", "2": "a"}, {"1": "b"})
    del streams._cursors[0]  # it has expired
    with capture_logs() as logs:
        assert await told(other, {"1": "b", "2": "a"}) == [("2", "a")]
    assert [each["log_level"] for each in logs if "kept no more" in each["event"]] == ["warning"]
    assert len({message.id for message in streams.events}) == len(streams.events) == 4


async def test_what_is_remembered_does_not_expire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told again, so that cursors which are still kept carry all of it."""
    monkeypatch.setattr("bus.delivery.ledger.PARTS", 2)
    streams = MemoryStreams()
    one, other = line(tmp_path / "one", streams), line(tmp_path / "other", streams)
    one.keep = timedelta(seconds=0.2)
    table = {str(number): "a" for number in range(9)}

    def whole() -> int:
        return json.loads(streams._cursors[-1].body)["whole"]

    async with working(one.process(Dumps(table))):
        await until(lambda: bool(streams._cursors) and whole() > 1)
    streams._cursors = [each for each in streams._cursors if each.sequence >= whole()]
    with capture_logs() as logs:
        assert await told(other, table | {"0": "b"}) == [("0", "b")]
    assert not [each for each in logs if each["log_level"] == "warning"]


async def test_what_came_after_an_expired_cursor_is_not_taken_for_all(tmp_path: Path) -> None:
    """The first cursor behind it has none before it, as the very first one."""
    streams = MemoryStreams()
    one, other = line(tmp_path / "one", streams), line(tmp_path / "other", streams)
    await told(one, {"1": "a", "2": "a"})
    streams._cursors.clear()
    streams._last.clear()
    one.keep = timedelta(microseconds=1)
    assert await told(one, {"1": "b", "2": "a"}) == [("1", "b")], "it goes on where the ledger says"
    one.keep = timedelta.max
    with capture_logs() as logs:
        assert await told(other, {"1": "a", "2": "a"}) == [("1", "a"), ("2", "a")]
    assert [each["log_level"] for each in logs if "kept no more" in each["event"]] == ["warning"]
    assert len({message.id for message in streams.events}) == len(streams.events) == 5, "none under the id of before"


async def test_a_third_machine_follows_one_that_could_not_remember_all(tmp_path: Path) -> None:
    """And what is not known is told once more by the first of them alone."""
    streams = MemoryStreams()
    machines = [line(tmp_path / name, streams) for name in ("one", "other", "third")]
    await told(machines[0], {"1": "a", "2": "a"}, {"1": "b"})
    del streams._cursors[0]
    with capture_logs() as logs:
        assert await told(machines[1], {"2": "a"}) == [("2", "a")]
        assert await told(machines[2], {"1": "b", "2": "a"}) == []
    assert [each["log_level"] for each in logs if "kept no more" in each["event"]] == ["warning"]
