"""What makes a record a new event."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bus.contracts import Contract
from bus.delivery.drafting import Drafting
from bus.delivery.ledger import Ledger
from bus.delivery.mapping import Mapper
from bus.delivery.preparing import Prepared, Preparer
from bus.events.registry import KeyTokens
from bus.ports import Record
from bus.testing.events import APP, CATALOGUE, NAME
from bus.testing.memory import MemoryStreams

PUBLISH = {"event": str(NAME), "from": "baris", "basis": "uji saja", "map": {"kunci": "kunci", "nilai": "nilai"}}


def preparer(tmp_path: Path, *publish: dict[str, Any], **options: Any) -> Preparer:
    document = {"app": APP.app, "opd": APP.opd, "title": "-", "owner": "-", "contact": "-", "stage": "pilot"}
    contract = Contract.model_validate({**document, "publish": publish or [PUBLISH | options]})
    mapper = Mapper(contract, "baris", CATALOGUE, Drafting(KeyTokens(b"uji")))
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
