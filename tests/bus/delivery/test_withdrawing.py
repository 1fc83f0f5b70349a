"""A clerk mends whom a row is about: the first person's event is withdrawn, before the second's is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bus.contracts import Contract
from bus.delivery.drafting import Drafting
from bus.delivery.ledger import Ledger
from bus.delivery.mapping import Mapper
from bus.delivery.preparing import Prepared, Preparer
from bus.events import Catalogue
from bus.events.registry import KeyTokens
from bus.ports import Record
from bus.subjects import AppName
from bus.testing.memory import MemoryStreams

APP = AppName("dukcapil", "siak")
DIED = "kependudukan.penduduk.meninggal"
FIRST, SECOND = "3571010101550001", "3571010101600002"
PUBLISH: list[dict[str, Any]] = [
    {"event": f"{DIED}.v1", "match": {"hidup": "0"}, "map": {"nik": "nik", "tanggal_meninggal": "tanggal"}},
    {
        "event": f"{DIED}-dibatalkan.v1",
        "match": {"hidup": "1"},
        "map": {"nik": "nik", "membatalkan": "$previous", "alasan": "sebab"},
    },
]


@pytest.fixture(params=[False, True], ids=["counted", "with versions"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Office:
    return Office(tmp_path / "ledger", versions=request.param)


class Office:
    """A source whose one row changes; each batch is stored before the next is read."""

    def __init__(self, path: Path, *, versions: bool, publish: Sequence[dict[str, Any]] = PUBLISH) -> None:
        document = {"app": APP.app, "opd": APP.opd, "title": "-", "owner": "-", "contact": "-", "stage": "pilot"}
        tables = [{"from": "baris", "basis": "uji saja", **each} for each in publish]
        contract = Contract.model_validate({**document, "publish": tables})
        mapper = Mapper(contract, "baris", Catalogue.load(), Drafting(KeyTokens(b"uji")))
        self._ledger, self._versions, self._stored = Ledger(path), versions, 0
        self._preparer = Preparer(APP, "baris", mapper, self._ledger, MemoryStreams())
        self.ids: list[str] = []

    def tells(self, *rows: tuple[str, str]) -> list[tuple[str, str, int | None]]:
        """What becomes of ``(nik, hidup)``: type, NIK and, of a correction, which event it withdraws."""
        prepared = Prepared()
        records = []
        for nik, alive in rows:
            self._stored += 1
            version = f"{self._stored:08}" if self._versions else None
            row = {"nik": nik, "hidup": alive, "tanggal": "2026-03-15", "sebab": "Salah catat"}
            records.append(Record("1", row, version))
        self._preparer.add(records, prepared, {})
        self._ledger.commit(prepared.entries, self._stored)
        found = []
        for event in prepared.events:
            self.ids.append(event.id)
            data = json.loads(event.data)
            withdrawn = self.ids.index(data["membatalkan"]) if "membatalkan" in data else None
            found.append((event.type.partition(f"{DIED}")[2], data["nik"], withdrawn))
            assert event.subject == KeyTokens(b"uji")("nik", data["nik"])
        return found


TOLD, WITHDRAWN = ".v1", "-dibatalkan.v1"


@pytest.mark.parametrize("together", [False, True], ids=["stored before", "in one batch"])
def test_who_was_mistaken_is_withdrawn_first(office: Office, together: bool) -> None:
    rows = [(FIRST, "0"), (SECOND, "0"), (FIRST, "0")]
    found = office.tells(*rows) if together else [each for row in rows for each in office.tells(row)]

    assert found == [
        (TOLD, FIRST, None),
        (WITHDRAWN, FIRST, 0),
        (TOLD, SECOND, None),
        (WITHDRAWN, SECOND, 2),
        (TOLD, FIRST, None),
    ]


def test_the_same_row_read_again_withdraws_nothing(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger", versions=False)
    office.tells((FIRST, "0"), (SECOND, "0"))

    assert office.tells((SECOND, "0")) == []


def test_a_withdrawal_goes_to_whom_it_concerns(office: Office) -> None:
    """Also where the row names another by then."""
    office.tells((FIRST, "0"))

    assert office.tells((SECOND, "1")) == [(WITHDRAWN, FIRST, 0)]


def test_what_is_withdrawn_already_is_not_withdrawn_again(office: Office) -> None:
    office.tells((FIRST, "0"), (FIRST, "1"))

    assert office.tells((SECOND, "0")) == [(TOLD, SECOND, None)]


def test_what_was_told_outlives_the_process(tmp_path: Path) -> None:
    before = Office(tmp_path / "ledger", versions=False)
    before.tells((FIRST, "0"))
    again = Office(tmp_path / "ledger", versions=False)
    again.ids += before.ids

    assert again.tells((SECOND, "0")) == [(WITHDRAWN, FIRST, 0), (TOLD, SECOND, None)]


def test_a_contract_that_withdraws_nothing_any_more_tells_the_second_alone(tmp_path: Path) -> None:
    Office(tmp_path / "ledger", versions=False).tells((FIRST, "0"))
    again = Office(tmp_path / "ledger", versions=False, publish=PUBLISH[:1])

    assert again.tells((SECOND, "0")) == [(TOLD, SECOND, None)]
