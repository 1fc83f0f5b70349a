"""Dead letters that were decided long enough ago go, out of their stream too; the others stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus import config, subjects
from bus.broker.connection import NOT_FOUND, ApiError, Connection
from bus.broker.publish import Message, Publisher
from bus.delivery import dead_letters, redrive
from bus.delivery.dead_letters import DeadLetter
from bus.observability.index import Index
from bus.observability.indexer import Indexer
from bus.observability.retention import forget, kept_for
from tests.bus.observability.conftest import SIAK, STREAMS


def rejected(key: str) -> DeadLetter:
    """The dead letter of a record."""
    values = {"key": key, "content": key.encode(), "reason": "-", "where": "", "columns": {"nama": f"Contoh {key}"}}
    return dead_letters.of_record(SIAK, "source-mutasi", **values, limit=10_000)  # type: ignore[arg-type]


async def forgotten(connection: Connection, index: Index, before_ms: int) -> int:
    """Deletes what was decided before a moment; returns how many."""
    letters = index.decided(before_ms)
    await forget(connection, index, letters)
    return len(letters)


async def in_the_stream(connection: Connection) -> list[str]:
    """The ids of the dead letters in their stream."""
    state = (await connection.api(f"STREAM.INFO.{subjects.DLQ_STREAM}", {"subjects_filter": ">"}))["state"]
    return sorted(subject.rpartition(".")[2] for subject in state.get("subjects", ()))


async def test_what_was_decided_goes_and_what_is_open_stays(admin: Connection, tmp_path: Path) -> None:
    publisher, letters = Publisher(admin), [rejected(key) for key in ("satu", "dua", "tiga")]
    gone, back, stays = letters
    again = dead_letters.of_record(
        SIAK, "source-mutasi", key="dua", content=b"x", reason="-", where="", columns={}, limit=10_000, again=back.id
    )
    first = letters[1].message()
    await publisher.send(Message.of(first.subject, first.body, "the same, rejected once before"))
    await dead_letters.store(publisher, letters)
    for letter in (gone, back):
        await publisher.send(redrive.message_of(letter, author="-", reason="-"))
    await dead_letters.store(publisher, [again])
    with Index(tmp_path / "own.db") as index:
        assert await Indexer(admin, index, STREAMS).catch_up()
        states = {each.letter.id: each for each in index.letters()}
        assert {name: each.state for name, each in states.items()} == {
            gone.id: "redriven",
            back.id: "back",
            stays.id: "open",
            again.id: "open",
        }
        decision = states[back.id].redrive
        assert decision is not None
        assert await forgotten(admin, index, decision.stored_ms) == 0, "not yet long enough ago"
        place = states[back.id].letter.sequence
        assert await forgotten(admin, index, decision.stored_ms + 1) == 1, "of the other nobody knows what became"
        assert await forgotten(admin, index, decision.stored_ms + 1) == 0
        assert {each.letter.id for each in index.letters()} == {gone.id, stays.id, again.id}

    assert await in_the_stream(admin) == sorted([gone.id, stays.id, again.id])
    with pytest.raises(ApiError) as refused:
        await admin.api(f"STREAM.MSG.GET.{subjects.DLQ_STREAM}", {"seq": place})
    assert refused.value.err_code in NOT_FOUND
    with Index(tmp_path / "anew.db") as anew:
        assert await Indexer(admin, anew, STREAMS).catch_up()
        assert {each.letter.id for each in anew.letters()} == {gone.id, stays.id, again.id}


async def test_one_that_its_stream_has_lost_goes_too(admin: Connection, tmp_path: Path) -> None:
    publisher, letter = Publisher(admin), rejected("satu")
    await dead_letters.store(publisher, [letter])
    await publisher.send(redrive.message_of(letter, author="-", reason="-"))
    again = dead_letters.of_record(
        SIAK, "source-mutasi", key="satu", content=b"x", reason="-", where="", columns={}, limit=10_000, again=letter.id
    )
    await dead_letters.store(publisher, [again])
    with Index(tmp_path / "own.db") as index:
        assert await Indexer(admin, index, STREAMS).catch_up()
        await admin.api(f"STREAM.MSG.DELETE.{subjects.DLQ_STREAM}", {"seq": 1})
        assert await forgotten(admin, index, 2**60) == 1
        assert [each.letter.id for each in index.letters()] == [again.id]


def test_a_decided_one_never_outlives_its_decision() -> None:
    assert kept_for(config.load()).days == 7
    assert kept_for(config.load(max_age_days=4)).days == 2
