"""Records become drafts, or a clerk reads why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bus.contracts import Contract
from bus.delivery.drafting import Drafting
from bus.delivery.ledger import Told
from bus.delivery.mapping import Mapper
from bus.errors import ContractError
from bus.events import Catalogue
from bus.events.registry import KeyTokens
from bus.ports import Record

DIED = "kependudukan.penduduk.meninggal.v1"
WITHDRAWN = "kependudukan.penduduk.meninggal-dibatalkan.v1"
ROW = {"nik": "3571010101010001", "tanggal": "2026-03-15", "sebab": "Salah catat"}


def mapper(
    event: str, columns: dict[str, str] | str, *, match: dict[str, str] | None = None, path: Path = Path("adapter.toml")
) -> Mapper:
    head = {"app": "siak", "opd": "dukcapil", "title": "-", "owner": "-", "contact": "-", "stage": "pilot"}
    publish: dict[str, Any] = {"event": event, "from": "baris", "basis": "UU 24/2013 pasal 44", "map": columns}
    contract = Contract.model_validate({**head, "path": path, "publish": [{**publish, "match": match or {}}]})
    return Mapper(contract, "baris", Catalogue.load(), Drafting(KeyTokens(b"uji")))


def test_a_correction_names_the_event_that_it_withdraws() -> None:
    corrections = mapper(WITHDRAWN, {"nik": "nik", "membatalkan": "$previous", "alasan": "sebab"})

    [draft] = corrections.map(Record("1", ROW), {DIED: Told("a" * 32, ROW["nik"])})

    assert b'"membatalkan":"' + b"a" * 32 in draft.body


@pytest.mark.parametrize(
    ("event", "columns", "reason"),
    [
        (WITHDRAWN, {"nik": "nik", "membatalkan": "$previous", "alasan": "sebab"}, "tidak ada peristiwa terkirim"),
        (DIED, {"nik": "nik", "tanggal_meninggal": "tgl"}, "kolom tgl: tidak ada di sumber"),
        (DIED, {"nik": "sebab", "tanggal_meninggal": "tanggal"}, "kolom sebab: "),
    ],
)
def test_a_clerk_reads_why_a_record_is_no_event(event: str, columns: dict[str, str], reason: str) -> None:
    with pytest.raises(ContractError, match=reason) as refused:
        mapper(event, columns).map(Record("1", ROW), {})

    assert "Salah catat" not in refused.value.what


def test_a_dead_letter_has_what_a_function_may_have_read(tmp_path: Path) -> None:
    """Nobody says which columns that are: all of them, so that another row is another fault."""
    (tmp_path / "mapping.py").write_text("def kematian(row):\n    return {'nik': row['nik'] + 1}\n", encoding="utf-8")
    functions = mapper(DIED, "mapping:kematian", path=tmp_path / "adapter.toml", match={"sebab": "Salah catat"})
    record = Record("1", ROW)

    with capture_logs() as logs, pytest.raises(ContractError, match=r"pemetaan gagal \(TypeError\)"):
        functions.map(record, {})
    assert "mapping.py" in logs[0]["frames"]
    assert ROW["nik"] not in str(logs)
    assert functions.columns(record) == ROW


def test_a_dead_letter_has_the_columns_that_a_contract_names() -> None:
    named = mapper(DIED, {"nik": "nik", "tanggal_meninggal": "tanggal"}, match={"status": "lunas"})
    assert named.columns(Record("1", {**ROW, "status": "lunas"})) == {
        "nik": ROW["nik"],
        "tanggal": ROW["tanggal"],
        "status": "lunas",
    }


@pytest.mark.parametrize(
    ("match", "told"),
    [({}, 0), ({"_operasi": "delete"}, 1), ({"sebab": "Salah catat"}, 0)],
    ids=["by nothing", "by the delete", "by a column"],
)
def test_of_a_deleted_record_only_who_asks_for_deletes_tells(match: dict[str, str], told: int) -> None:
    """What it was is no news: the event of an insert would say that it is there."""
    deaths = mapper(DIED, {"nik": "nik", "tanggal_meninggal": "tanggal"}, match=match)
    assert len(deaths.map(Record("1", {**ROW, "_operasi": "delete"}), {})) == told
    key_alone = Record("1", {"id": 7, "_operasi": "delete"})
    assert not mapper(DIED, {"nik": "nik", "tanggal_meninggal": "tanggal"}).map(key_alone, {})
