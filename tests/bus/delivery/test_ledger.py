"""The ledger: which records are new, and which change of their key they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bus.delivery.ledger import Entry, Ledger, Told, key_of, mark_of
from bus.ports import Record


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    opened = Ledger(tmp_path / "ledger")
    yield opened
    opened.close()


def cursor(row: int, ago: timedelta = timedelta()) -> dict[str, Any]:
    """What a stream keeps of a position."""
    return {"position": {"baris": row}, "at": (datetime.now(UTC) - ago).isoformat()}


def entry(record: Record, content: bytes, count: int = 1) -> Entry:
    return Entry(key_of(record), content, mark_of(record), count, {"a.b.c.v1": Told("f" * 32, "kunci")})


def test_entries_survive_a_restart(ledger: Ledger, tmp_path: Path) -> None:
    record = Record("1", {})
    epoch = ledger.epoch
    ledger.commit([entry(record, b"A")], 7)
    ledger.close()

    with closing(Ledger(tmp_path / "ledger")) as again:
        assert again.epoch == epoch
        assert again.look([key_of(record)]) == {key_of(record): entry(record, b"A")}


def test_what_was_rejected_is_remembered_until_it_is_well(ledger: Ledger) -> None:
    sick = replace(entry(Record("1", {}), b"A"), refused=b"B")
    ledger.commit([sick], 7)
    assert ledger.look([sick.key]) == {sick.key: sick}
    assert Entry.load(sick.dump()) == sick

    ledger.commit([replace(sick, refused=b"")], 8)
    assert ledger.look([sick.key])[sick.key].refused == b""


def test_nobody_else_may_read_it(ledger: Ledger, tmp_path: Path) -> None:
    """It says whom facts are about."""
    ledger.commit([entry(Record("1", {}), b"A")], 7)

    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "ledger": 0o600,
        "ledger-wal": 0o600,
        "ledger-shm": 0o600,
    }


def test_it_is_rolled_forward_from_the_cursor(ledger: Ledger) -> None:
    record = Record("1", {})
    ledger.commit([], 7)

    stored = {"epoch": ledger.epoch, "after": 7, "ledger": [entry(record, b"A").dump()], **cursor(4)}
    assert ledger.resume(stored, 9, "sumber") == {"baris": 4}

    assert ledger.look([key_of(record)]) == {key_of(record): entry(record, b"A")}


def test_of_an_older_ledger_the_ids_alone_are_known(ledger: Ledger) -> None:
    *values, _ = entry(Record("1", {}), b"A").dump()

    assert Entry.load([*values, {"a.b.c.v1": "f" * 32}]).told == {"a.b.c.v1": Told("f" * 32, "")}


def test_without_a_cursor_everything_is_new(ledger: Ledger) -> None:
    record = Record("1", {})
    epoch = ledger.epoch
    ledger.commit([entry(record, b"A")], 7)

    assert ledger.resume(None, 0, "sumber") is None

    assert ledger.look([key_of(record)]) == {}
    assert ledger.epoch != epoch


def test_a_cursor_that_has_expired_is_not_forgotten(tmp_path: Path) -> None:
    """Nor is what was told before it: a source that rests for longer than events are kept would tell it again."""
    record = Record("1", {})
    with closing(Ledger(tmp_path / "ledger", keep=timedelta(days=30))) as ledger:
        epoch = ledger.epoch
        ledger.commit([entry(record, b"A")], 7, cursor(4, timedelta(days=31)))
        with capture_logs() as logs:
            assert ledger.resume(None, 0, "sumber") == {"baris": 4}
        assert "expired" in logs[0]["event"]
        assert ledger.epoch == epoch
        assert key_of(record) in ledger.look([key_of(record)])


def test_a_cursor_that_was_removed_is_forgotten(tmp_path: Path) -> None:
    record = Record("1", {})
    with closing(Ledger(tmp_path / "ledger", keep=timedelta(days=30))) as ledger:
        ledger.commit([entry(record, b"A")], 7, cursor(4, timedelta(days=29)))
        assert ledger.resume(None, 0, "sumber") is None
        assert ledger.look([key_of(record)]) == {}


def test_versions_by_mark_do_not_depend_on_what_is_remembered(ledger: Ledger) -> None:
    first, second = Record("1", {}, mark="2026-01-31T08:00:00"), Record("1", {}, mark="2026-01-31T08:00:01")

    assert ledger.version(first, None).text == "2026-01-31T08:00:00#1"
    assert ledger.version(first, entry(first, b"A", count=1)).text == "2026-01-31T08:00:00#2"
    assert ledger.version(second, entry(first, b"A", count=5)).text == ledger.version(second, None).text


def test_without_marks_a_lost_ledger_begins_a_new_epoch(tmp_path: Path) -> None:
    record = Record("1", {})
    with closing(Ledger(tmp_path / "one")) as one, closing(Ledger(tmp_path / "other")) as other:
        assert one.version(record, None).text != other.version(record, None).text
        assert one.version(record, entry(record, b"A", count=3)).text == f"{one.epoch}#4"


def test_whose_cursor_it_follows(ledger: Ledger) -> None:
    ledger.commit([], 7)
    own = {"epoch": ledger.epoch, "after": 7}
    assert ledger.follows(own, 9), "the cursor carries what is missing"
    assert ledger.follows(own | {"after": 5}, 7)
    assert not ledger.follows(own | {"after": 9}, 11), "what the one before carries is missing"
    assert not ledger.follows(own | {"epoch": "another's"}, 9)
    ledger.adopt("another's", 9)
    assert ledger.follows(own | {"epoch": "another's"}, 9)
    ledger.adopt("", 9)
    assert ledger.epoch not in {"another's", own["epoch"], ""}


def test_all_of_it_is_told_again_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.delivery.ledger.PARTS", 3)
    entries = [entry(Record(str(number), {}), b"A") for number in range(8)]
    with closing(Ledger(tmp_path / "ledger")) as ledger:
        assert ledger.whole_from(5) == 5, "nothing is remembered that an earlier cursor carries"
        ledger.commit(entries, 7)
        assert ledger.whole_from(9) == 0
        first = ledger.part()
        ledger.told_again(first, 9)
        assert ledger.whole_from(10) == 0
    with closing(Ledger(tmp_path / "ledger")) as ledger:  # goes on where it was
        second = ledger.part()
        ledger.told_again(second, 11)
        last = ledger.part()
        ledger.told_again(last, 13)
        assert ledger.whole_from(14) == 9, "the cursor behind which the first part lies"
        assert [len(part) for part in (first, second, last)] == [3, 3, 2]
        assert {each.key for part in (first, second, last) for each in part} == {each.key for each in entries}
        assert ledger.part() == first
        ledger.told_again(first, 15)
        assert ledger.whole_from(16) == 9, "until it was told as a whole once more"


def test_a_part_is_due_a_while_after_the_one_before(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "ledger", keep=timedelta(days=30))) as ledger:
        assert not ledger.due
    with closing(Ledger(tmp_path / "ledger", keep=timedelta(microseconds=1))) as ledger:
        assert ledger.due


def test_it_holds_no_identifiers(ledger: Ledger, tmp_path: Path) -> None:
    record = Record("3571010101800001", {"nik": "3571010101800001"})
    ledger.commit([entry(record, b"A")], 7)
    ledger.close()

    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert b"a.b.c.v1" in stored
    assert b"3571010101800001" not in stored
