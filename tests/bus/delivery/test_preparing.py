"""What makes a record a new event."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bus.contracts import Contract
from bus.delivery.dead_letters import DeadLetter
from bus.delivery.drafting import Drafting
from bus.delivery.ledger import Ledger
from bus.delivery.mapping import Mapper
from bus.delivery.preparing import ENTRIES, Prepared, Preparer
from bus.events.registry import KeyTokens
from bus.ports import Record
from bus.testing.events import APP, CATALOGUE, NAME
from bus.testing.memory import MemoryStreams

PUBLISH = {"event": str(NAME), "from": "baris", "basis": "uji saja", "map": {"kunci": "kunci", "nilai": "nilai"}}


def contract(*publish: dict[str, Any]) -> Contract:
    document = {"app": APP.app, "opd": APP.opd, "title": "-", "owner": "-", "contact": "-", "stage": "pilot"}
    return Contract.model_validate({**document, "publish": publish})


def preparer(tmp_path: Path, *publish: dict[str, Any], **options: Any) -> Preparer:
    mapper = Mapper(contract(*(publish or [PUBLISH | options])), "baris", CATALOGUE, Drafting(KeyTokens(b"uji")))
    return Preparer(APP, "baris", mapper, Ledger(tmp_path / "ledger"), MemoryStreams())


def told(preparer: Preparer, *records: Record) -> list[tuple[str, str]]:
    prepared = Prepared()
    preparer.add(records, prepared, {})
    bodies = [json.loads(event.data) for event in prepared.events]
    return [(body["kunci"], body["nilai"]) for body in bodies]


def record(key: str, value: str, version: str | None = None) -> Record:
    return Record("alat 1", {"kunci": key, "nilai": value}, version)


@pytest.mark.parametrize("version", [None, "1"])
def test_only_what_changes_the_named_fields_is_a_new_event(tmp_path: Path, version: str | None) -> None:
    """Readings of a thing whose state, not whose every value, is told; also where the source has its own order."""
    readings = [
        record("aman", "1"),
        record("aman", "2"),
        record("siaga", "3"),
        record("siaga", "4"),
        record("aman", "5"),
    ]
    numbered = [record(*each.data.values(), version and str(at)) for at, each in enumerate(readings)]

    assert told(preparer(tmp_path, changes=["kunci"]), *numbered) == [("aman", "1"), ("siaga", "3"), ("aman", "5")]


def test_without_such_fields_any_other_content_is_a_new_event(tmp_path: Path) -> None:
    once = [record("aman", "1"), record("aman", "1"), record("aman", "2")]

    assert told(preparer(tmp_path), *once) == [("aman", "1"), ("aman", "2")]


@pytest.mark.parametrize("version", [None, "7"])
def test_what_cannot_be_sent_is_a_dead_letter(tmp_path: Path, version: str | None) -> None:
    large = record("aman", "x" * (MemoryStreams.room + 1), version)
    unfit = Record("alat 2", {"kunci": "aman"}, version)
    prepared = Prepared()

    preparer(tmp_path).add([large, record("aman", "1", version), unfit], prepared, {})

    assert [json.loads(event.data)["nilai"] for event in prepared.events] == ["1"]
    assert [each.reason for each in prepared.rejections] == [
        "datanya terlalu besar untuk dikirim",
        "kolom nilai: tidak ada di sumber",
    ]
    assert [each.key for each in prepared.letters] == ["alat 1", "alat 2"]


def test_the_events_of_a_record_have_one_time(tmp_path: Path) -> None:
    twice = [PUBLISH, PUBLISH | {"map": {"kunci": "nilai", "nilai": "kunci"}}]
    prepared = Prepared()

    preparer(tmp_path, *twice).add([record("aman", "1")], prepared, {})

    assert len(prepared.events) == 2
    assert len({event.time for event in prepared.events}) == 1


def test_what_is_again_as_it_was_before_it_was_rejected_is_no_change(tmp_path: Path) -> None:
    prepared = Prepared()
    values = ["1", "rusak", "rusak", "1", "rusak", "rusak lagi", "2", "1"]

    preparer(tmp_path).add([record("aman", value) for value in values], prepared, {})

    assert [json.loads(event.data)["nilai"] for event in prepared.events] == ["1", "2", "1"]
    assert [each.columns["nilai"] for each in prepared.letters] == ["rusak", "rusak", "rusak lagi"]
    assert len(prepared.rejections) == 4


@pytest.mark.parametrize(
    "unfit", [{"key": "\ud83d"}, {"key": "1", "mark": "\udc80"}, {"key": "1", "version": "\ud83d"}]
)
def test_half_a_character_in_what_names_a_record_is_a_dead_letter(tmp_path: Path, unfit: dict[str, str]) -> None:
    broken = Record(data={"kunci": "\ud83d", "nilai": "x"}, **{"version": None, **unfit})
    prepared = Prepared()

    preparer(tmp_path).add([broken, record("aman", "1")], prepared, {})

    assert [json.loads(event.data)["nilai"] for event in prepared.events] == ["1"]
    (letter,) = prepared.letters
    assert "huruf yang rusak" in letter.reason
    assert letter.key == letter.key.encode().decode()
    assert DeadLetter.parse(letter.message().body).key == letter.key


def test_what_one_cursor_cannot_hold_is_remembered_in_several(tmp_path: Path) -> None:
    """A crash between two of them and another reading make no other events than before."""
    rows = [Record(str(n), {"kunci": str(n), "nilai": "a"}) for n in range(2 * ENTRIES)]
    rows += [Record("0", {"kunci": "0", "nilai": value}) for value in "bab"]
    ledger = Ledger(tmp_path / "ledger")
    mapper = Mapper(contract(PUBLISH), "baris", CATALOGUE, Drafting(KeyTokens(b"uji")))
    preparer, prepared = Preparer(APP, "baris", mapper, ledger, MemoryStreams()), Prepared()
    preparer.add(rows, prepared, {})

    parts = prepared.parts()
    sizes = [(len(part.outgoing.messages), len(part.entries)) for part in parts]
    assert sum(messages for messages, _ in sizes) == len(rows)
    assert max(entries for _, entries in sizes) <= ENTRIES
    assert all(entries == 0 for (messages, entries), (after, _) in pairwise(sizes) if messages and after)
    ids = {event.id for event in prepared.events}
    for part in parts[:-1]:
        again = Prepared()
        preparer.add(rows, again, {})
        assert {event.id for event in again.events} <= ids
        ledger.commit(part.entries, 1)
    ledger.commit(parts[-1].entries, 2)
    again = Prepared()
    preparer.add([Record(str(n), {"kunci": str(n), "nilai": "a" if n else "b"}) for n in range(2 * ENTRIES)], again, {})
    assert not again.events
