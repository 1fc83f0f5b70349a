"""The index by itself: what it answers, how fast, and what it does with a damaged file."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.observability import journey
from bus.observability.index import Index
from bus.observability.rows import (
    IndexedConsumer,
    IndexedEvent,
    IndexedLetter,
    IndexedReceipt,
    IndexedRedrive,
    matches,
)

DIED = "kependudukan.penduduk.meninggal.v1"
PLACE = "kependudukan-penduduk-meninggal-v1"
STREAM = "OPD_DUKCAPIL"
MADE = "2026-11-24T00:00:00Z"


def event(
    number: int, *, token: str = "tokentokentoken2", hop: int = 0, trace: str = "", **more: object
) -> IndexedEvent:
    row = {
        "stream": STREAM,
        "sequence": number,
        "id": f"{number:032x}",
        "source": "dukcapil/siak",
        "type": DIED,
        "token": token,
        "time": "2026-11-24T08:00:00+07:00",
        "stored_ms": 1_000_000 + number,
        "trace": trace or f"{number:032x}",
        "hop": hop,
        "subject": f"opd.dukcapil.siak.{DIED}.{token}",
    }
    return IndexedEvent(**{**row, **more})  # type: ignore[arg-type]


def consumer(app: str = "dinsos_bansos", **more: object) -> IndexedConsumer:
    row = {"stream": STREAM, "durable": f"{app}_{PLACE}", "filters": (f"opd.dukcapil.siak.{DIED}.*",)}
    return IndexedConsumer(**{**row, **more})  # type: ignore[arg-type]


def letter(letter_id: str, **more: object) -> IndexedLetter:
    row = {
        "id": letter_id,
        "app": "dinsos/bansos",
        "kind": "event",
        "place": PLACE,
        "sequence": 1,
        "stored_ms": 1_000,
        "code": "rejected",
        "reason": "belum siap",
        "where": "",
        "attempts": 1,
        "event_id": f"{1:032x}",
        "event_type": DIED,
        "trace": "",
        "again": "",
    }
    return IndexedLetter(**{**row, **more})  # type: ignore[arg-type]


def redrive(letter_id: str, *, sequence: int = 1, stored_ms: int = 2_000, discard: bool = False) -> IndexedRedrive:
    return IndexedRedrive(letter_id, sequence, stored_ms, "Rini", "sudah diperbaiki", discard)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index(tmp_path / "index.db") as made:
        for stream in (STREAM, "RECEIPTS", "DLQ", "REDRIVE"):
            made.resume(stream, MADE)
        yield made


def applied(number: int, outcome: str = "applied", at: str = "2026-11-24T01:00:00.000+00:00") -> IndexedReceipt:
    return IndexedReceipt(f"{number:032x}", "dinsos/bansos", PLACE, outcome, at)


def test_an_event_is_found_by_a_unique_beginning(index: Index) -> None:
    index.add_events(STREAM, 3, [event(1, id="abc1"), event(2, id="abc2"), event(3, id="ab")], [])
    assert index.event("abc1") == event(1, id="abc1")
    assert index.event("abc") is None
    assert index.ids("abc") == ["abc1", "abc2"]
    assert index.event("ab") == event(3, id="ab")  # an id itself, though others begin so
    assert index.event("") is None


def test_a_key_has_its_events_and_those_in_which_it_is_a_party(index: Index) -> None:
    events = [event(1), event(2, token="othertokenother2"), event(3, token="thirdtokenthird2")]
    index.add_events(STREAM, 3, events, [("tokentokentoken2", events[1].id), ("tokentokentoken2", events[0].id)])
    assert index.events_of_key("tokentokentoken2") == events[:2]


def test_who_has_applied_it_and_who_not_yet(index: Index) -> None:
    index.add_events(STREAM, 1, [event(1)], [])
    index.add_receipts("RECEIPTS", 1, [applied(1)])
    index.set_consumers(STREAM, [consumer(), consumer("bppkad_pajak"), consumer("rsud_simrs", filters=("opd.x.>",))])
    found = journey.of(index, event(1))
    assert [(each.app, each.standing) for each in found.stations] == [
        ("dinsos/bansos", "applied"),
        ("bppkad/pajak", "not yet"),
    ]
    assert {each.consumer for each in found.stations} == {PLACE}


@pytest.mark.parametrize(
    ("more", "standing"),
    [
        ({"start": "new", "begins_ms": 2_000_000, "created_ms": 2_000_000, "floor": 5}, "not for it"),
        ({"start": "new", "begins_ms": 500_000, "created_ms": 500_000, "floor": 0}, "not yet"),
        ({"start": "by_start_time", "begins_ms": 2_000_000, "created_ms": 1, "floor": 5}, "not for it"),
        ({"start": "all", "created_ms": 2_000_000, "floor": 0}, "not yet"),
        ({"start": "last_per_subject", "created_ms": 2_000_000, "floor": 0}, "not for it"),
        ({"start": "last_per_subject", "created_ms": 1_000_001, "floor": 0}, "not yet"),
    ],
)
def test_a_consumer_that_starts_behind_an_event_does_not_wait_for_it(
    index: Index, more: dict[str, object], standing: str
) -> None:
    index.add_events(STREAM, 2, [event(1), event(2)], [])
    index.set_consumers(STREAM, [consumer(**more)])
    assert [each.standing for each in journey.of(index, event(1)).stations] == [standing]


def test_follow_ups_are_those_of_the_same_trace(index: Index) -> None:
    cause, follow_up = event(1), event(2, hop=1, trace=event(1).trace, type="sosial.penerima.dihentikan.v1")
    index.add_events(STREAM, 3, [cause, follow_up, event(3)], [])
    assert journey.of(index, cause).follow_ups == [follow_up]
    assert journey.of(index, follow_up).follow_ups == []


def test_the_oldest_waiting_event_has_no_receipt_and_matches(index: Index) -> None:
    other = event(1, type="kependudukan.penduduk.lahir.v1")
    index.add_events(STREAM, 5, [other, *(event(number) for number in range(2, 6))], [])
    index.add_receipts("RECEIPTS", 1, [applied(3)])
    assert index.oldest_waiting(consumer(floor=0)) == event(2)
    assert index.oldest_waiting(consumer(floor=2)) == event(4)
    assert index.oldest_waiting(consumer(floor=2, filters=(f"opd.*.*.{DIED}.*",))) == event(4)
    assert index.oldest_waiting(consumer(floor=5)) is None


def test_what_becomes_of_a_dead_letter(index: Index) -> None:
    def state(letter_id: str) -> str:
        (found,) = index.letters(beginning=letter_id)
        return found.state

    index.add_dead_letters("DLQ", 2, [letter("aa"), letter("bb", kind="record", place="source-mutasi", event_id="")])
    index.add_receipts("RECEIPTS", 1, [applied(1, "dead-letter")])
    assert (state("aa"), state("bb")) == ("open", "open")
    index.add_redrives("REDRIVE", 2, [redrive("aa"), redrive("bb", sequence=2)])
    assert (state("aa"), state("bb")) == ("redriven", "redriven")
    index.add_receipts("RECEIPTS", 2, [applied(1)])
    assert state("aa") == "applied"
    index.set_consumers("REDRIVE", [consumer(stream="REDRIVE", durable="dinsos_bansos_source-mutasi", floor=2)])
    assert state("bb") == "read-again"
    index.add_dead_letters("DLQ", 3, [letter("cc", kind="record", place="source-mutasi", stored_ms=3_000, again="bb")])
    (back,) = index.letters(beginning="bb")
    assert (back.state, back.came_back) == ("back", "cc")
    index.add_redrives("REDRIVE", 3, [redrive("cc", sequence=3, stored_ms=4_000, discard=True)])
    assert state("cc") == "redriven"
    index.set_consumers("REDRIVE", [consumer(stream="REDRIVE", durable="dinsos_bansos_source-mutasi", floor=3)])
    assert state("cc") == "discarded"


def test_a_dead_letter_met_again_is_open_again(index: Index) -> None:
    index.add_dead_letters("DLQ", 1, [letter("aa")])
    index.add_redrives("REDRIVE", 1, [redrive("aa", stored_ms=2_000)])
    assert index.totals() == []
    index.add_dead_letters("DLQ", 2, [letter("aa", sequence=2, stored_ms=3_000)])
    (found,) = index.letters()
    assert (found.state, found.letter.sequence) == ("open", 2)
    assert index.totals()[0].dead_letters == 1


def test_a_redrive_may_be_known_before_its_dead_letter(index: Index) -> None:
    """The two lie in different streams, which are read side by side."""
    index.add_redrives("REDRIVE", 1, [redrive("aa")])
    index.add_dead_letters("DLQ", 1, [letter("aa")])
    assert index.letters()[0].state == "redriven"


def test_decided_dead_letters_are_found_and_forgotten(index: Index) -> None:
    index.add_dead_letters("DLQ", 4, [letter(each) for each in ("aa", "bb", "cc", "dd")])
    index.add_redrives("REDRIVE", 3, [redrive(each, stored_ms=2_000, discard=True) for each in ("aa", "bb", "cc")])
    assert index.decided(5_000) == [], "nobody has settled the decisions"
    index.add_receipts("RECEIPTS", 1, [applied(1, "discarded")])
    assert [each.id for each in index.decided(2_000)] == []
    decided = index.decided(2_001)
    assert [each.id for each in decided] == ["aa", "bb", "cc"]
    index.add_dead_letters("DLQ", 5, [letter("bb", sequence=5, stored_ms=3_000)])
    for each in decided[:2]:
        index.forget(each)
    assert [(each.letter.id, each.state) for each in index.letters()] == [
        ("cc", "discarded"),
        ("dd", "open"),
        ("bb", "open"),
    ]


def test_dead_letters_are_narrowed(index: Index) -> None:
    others = [letter("bb", app="dukcapil/siak", place="source-mutasi", event_id=""), letter("cc", event_id=f"{2:032x}")]
    index.add_dead_letters("DLQ", 3, [letter("aa"), *others])
    assert [each.letter.id for each in index.letters(app="dinsos/bansos")] == ["aa", "cc"]
    assert [each.letter.id for each in index.letters(place="source-mutasi")] == ["bb"]
    assert [each.letter.id for each in index.letters(event=f"{2:032x}")] == ["cc"]


def test_sums_per_application(index: Index) -> None:
    index.add_events(STREAM, 2, [event(1), event(2, hop=1)], [])
    index.add_receipts("RECEIPTS", 1, [applied(1), applied(2, "discarded")])
    register, social = sorted(index.totals(), key=lambda each: each.app, reverse=True)
    assert (register.published, register.follow_ups, register.last_published_ms) == (2, 1, 1_000_002)
    assert (social.app, social.applied) == ("dinsos/bansos", 1)
    assert index.last_of_types("dukcapil/siak") == [(DIED, 2, 1_000_002)]
    assert index.applied_by("dukcapil/siak") == [("dinsos/bansos", "applied", 1), ("dinsos/bansos", "discarded", 1)]


def test_a_stream_made_anew_begins_anew(index: Index) -> None:
    index.add_events(STREAM, 2, [event(1), event(2)], [])
    index.add_receipts("RECEIPTS", 7, [applied(1)])
    assert index.resume(STREAM, MADE) == 2
    assert index.resume(STREAM, "2026-12-01T00:00:00Z") == 0
    assert index.resume("RECEIPTS", MADE, "receipt") == 7
    assert index.event(event(1).id) is None
    assert index.resume("RECEIPTS", "2026-12-01T00:00:00Z", "receipt") == 0
    assert index.totals() == []


def test_what_the_stream_has_dropped_is_dropped_here(index: Index) -> None:
    index.add_events(STREAM, 3, [event(1), event(2), event(3)], [("orang", event(1).id), ("orang", event(3).id)])
    index.add_receipts("RECEIPTS", 1, [applied(1), applied(3)])
    assert index.prune(STREAM, 3) == 2
    assert index.prune(STREAM, 3) == 0
    assert index.event(event(2).id) is None
    assert [each.id for each in index.events_of_key("orang")] == [event(3).id]
    assert index._db.execute("SELECT count(*) FROM party").fetchone() == (1,)
    assert (index.receipts(event(1).id), len(index.receipts(event(3).id))) == ([], 1)
    assert index.last_of_types("dukcapil/siak")[0][1] == 3  # what was published stays counted


def test_rows_and_position_are_written_together_or_not_at_all(index: Index) -> None:
    broken = event(2, stored_ms=None)
    with pytest.raises(Exception, match="NOT NULL"):
        index.add_events(STREAM, 2, [event(1), broken], [])
    assert index.resume(STREAM, MADE) == 0
    assert index.event(event(1).id) is None


def test_one_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    assert not Index.fed(path)
    with Index(path) as first, Index(path) as second:
        assert not Index.fed(path)
        assert first.claim()
        assert first.claim()
        assert Index.fed(path)
        assert not second.claim()
    assert not Index.fed(path)


@pytest.mark.parametrize("content", [b"not a database at all, but long enough for its header" * 4, b""])
def test_a_damaged_index_is_made_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "index.db"
    path.write_bytes(content)
    with Index(path) as index:
        assert index.totals() == []


def test_an_index_of_another_version_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    with Index(path) as index:
        index.resume(STREAM, MADE)
        index.add_events(STREAM, 1, [event(1)], [])
        index._db.execute("PRAGMA user_version = 1")
    with Index(path) as index:
        assert index.totals() == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("pattern", "subject", "fits"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a.b", True),
        ("*.b", "a.c", False),
    ],
)
def test_filters_match_as_the_servers(pattern: str, subject: str, fits: bool) -> None:
    assert matches(pattern, subject) is fits


def test_200_000_events_are_answered_within_a_second(tmp_path: Path) -> None:
    """One person has 50 events among them; two applications subscribe to all and have applied most."""
    count, apps = 200_000, ("dinsos", "bppkad")
    with Index(tmp_path / "index.db") as index:
        for stream in (STREAM, "RECEIPTS"):
            index.resume(stream, MADE)
        for start in range(0, count, 10_000):
            numbers = range(start, start + 10_000)
            index.add_events(STREAM, start, [event(n, token=f"token{n % 4_000:011}") for n in numbers], [])
            ids = [f"{n:032x}" for n in numbers if n % 50]
            for app in apps:
                rows = [IndexedReceipt(each, f"{app}/app", PLACE, "applied", "2026-11-24") for each in ids]
                index.add_receipts("RECEIPTS", start, rows)
        index.set_consumers(STREAM, [consumer(f"{app}_app") for app in apps])
        index._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        started = time.perf_counter()
        found = [journey.of(index, each) for each in index.events_of_key(f"token{50:011}")]
        one = journey.of(index, index.event(f"{123_456:032x}"[:32]) or event(0))
        totals = index.totals()
        oldest = index.oldest_waiting(consumer("dinsos_app"))
        spent = time.perf_counter() - started
    assert len(found) == count // 4_000
    assert {each.standing for journey_ in found for each in journey_.stations} == {"not yet"}
    assert {each.standing for each in one.stations} == {"applied"}
    assert (len(totals), oldest) == (3, event(50, token=f"token{50:011}"))
    assert spent < 1.0
