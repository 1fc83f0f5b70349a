"""What the demo makes of the bus's index."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.demo.counts import Counts
from bus.observability.index import Index
from bus.observability.rows import IndexedConsumer, IndexedEvent, IndexedLetter, IndexedReceipt

LAHIR, STREAM = "kependudukan.penduduk.lahir.v1", "OPD_DUKCAPIL"
PLACE = "kependudukan-penduduk-lahir-v1"


def event(number: int, stored_ms: int) -> IndexedEvent:
    subject = f"opd.dukcapil.siak.{LAHIR}.k{number}"
    return IndexedEvent(
        STREAM, number, f"e{number}", "dukcapil/siak", LAHIR, f"k{number}", "t", stored_ms, "", 0, subject
    )


def letter(place: str, number: int) -> IndexedLetter:
    return IndexedLetter(
        f"l{number}", "dukcapil/siak", "record", place, number, 1, "contract", "?", "", 1, "", "", "", ""
    )


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """Three births; Dinsos has applied the first."""
    filled = Index(tmp_path / "index.db")
    at = int(time.time() * 1000)
    filled.add_events(STREAM, 3, [event(1, at - 9_000), event(2, at - 5_000), event(3, at - 1_000)], [])
    filled.add_receipts("RECEIPTS", 1, [IndexedReceipt("e1", "dinsos/bansos", PLACE, "applied", "t")])
    filled.add_dead_letters(
        "DLQ", 3, [letter("source-mutasi", 1), letter("source-mutasi", 2), letter("source-penduduk", 3)]
    )
    filter_ = f"opd.dukcapil.siak.{LAHIR}.*"
    filled.set_consumers(STREAM, [IndexedConsumer(STREAM, f"dinsos_bansos_{PLACE}", (filter_,))])
    yield filled
    filled.close()


def test_what_waits_and_for_how_long(index: Index) -> None:
    counts = Counts(index, {"dinsos/bansos": [LAHIR], "dukcapil/siak": [LAHIR], "bppkad/pajak": []})
    totals = counts.totals()

    assert (totals["dukcapil/siak"].published, totals["dinsos/bansos"].applied) == (3, 1)
    assert counts.waiting(totals) == {"dinsos/bansos": 2, "dukcapil/siak": 0, "bppkad/pajak": 0}
    assert 5.0 <= counts.oldest("dinsos/bansos") < 9.0
    assert counts.oldest("bppkad/pajak") == 0.0


def test_dead_letters_by_place(index: Index) -> None:
    counts = Counts(index, {})

    assert counts.dead_letters() == {("dukcapil/siak", "source-mutasi"): 2, ("dukcapil/siak", "source-penduduk"): 1}
