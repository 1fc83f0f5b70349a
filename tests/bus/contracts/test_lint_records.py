"""What a contract can be held to of the records that its source has."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus.events import Catalogue
from tests.bus.contracts.departments import TAX, faults

BANK = TAX[TAX.index("[source.bank]") : TAX.index("[[publish]]")]
TABLES = """\
[source.bank]
connector = "sql_cdc"
url       = "env:PAJAK_URL"
tables.bayar = { key = ["id"], columns = ["nop", "tahun", "jumlah"], where = { tanggal = "x" } }
tables.objek = { key = ["nop_objek"], columns = ["letak"] }

"""
WATCHES = """\
[source.bank]
connector = "sql_outbox"
url       = "env:PAJAK_URL"
watch.bayar = { table = "bayar", key = ["nop", "tahun"], columns = ["jumlah", "tanggal"], on = ["insert"] }
watch.objek = { table = "objek", key = ["nop_objek"], columns = ["letak"], on = ["insert"] }

"""
MESSAGES = """\
[source.bank]
connector = "hl7_mllp"
fields    = { nop = "PID-2", tahun = "PID-3", jumlah = "PID-4", tanggal = "PID-7:date", letak = "PID-11" }

"""


@pytest.mark.parametrize("source", [TABLES, WATCHES, MESSAGES])
@pytest.mark.parametrize(
    ("old", "new", "key", "column"),
    [
        ('= "jumlah"', '= "jumla"', "publish.0.map.jumlah", "jumla"),
        ("map   =", 'match = { _kejadiann = "bayar" }\nmap   =', "publish.0.match._kejadiann", "_kejadiann"),
        ('= "jumlah"', '= "letak"', "", ""),  # of another table than the rest: which one a row is of nobody knows here
    ],
)
def test_a_column_that_the_source_does_not_have(
    tmp_path: Path, catalogue: Catalogue, source: str, old: str, new: str, key: str, column: str
) -> None:
    found = faults(tmp_path, catalogue, tax=TAX.replace(BANK, source).replace(old, new))
    told = [(each.key, each.what) for each in found if each.level == "error"]
    assert told == ([(key, f"source.bank has no column {column}")] if key else [])
    assert not key or column == "_kejadiann" or "did you mean jumlah?" in {each.hint for each in found}


def test_a_column_that_a_template_leaves_to_be_written_is_noted(tmp_path: Path, catalogue: Catalogue) -> None:
    tax = TAX.replace(BANK, MESSAGES).replace('= "jumlah"', '= "jumla"').replace("UU 1/2022", "<dasar hukum>")
    found = faults(tmp_path, catalogue, tax=tax)
    assert [(each.key, each.level) for each in found] == [
        ("publish.0.basis", "note"),
        ("publish.0.map.jumlah", "note"),
    ]


@pytest.mark.parametrize(
    ("source", "pseudo"), [(TABLES, "_operasi"), (WATCHES, "_kejadian"), (MESSAGES, "_pesan"), (MESSAGES, "_waktu")]
)
def test_pseudo_columns_are_columns(tmp_path: Path, catalogue: Catalogue, source: str, pseudo: str) -> None:
    tax = TAX.replace(BANK, source).replace('= "jumlah"', f'= "{pseudo}"')
    assert [each for each in faults(tmp_path, catalogue, tax=tax) if each.level == "error"] == []


def test_previous_is_no_column(tmp_path: Path, catalogue: Catalogue) -> None:
    tax = TAX.replace(BANK, TABLES).replace("diterima.v1", "diterima-dibatalkan.v1")
    tax = tax[: tax.index("map   =")] + 'map = { nop = "nop", alasan = "letak", membatalkan = "$previous" }\n'
    assert not [each for each in faults(tmp_path, catalogue, tax=tax) if "no column" in each.what]


@pytest.mark.parametrize(
    "source",
    [
        TABLES.replace('key = ["nop_objek"], ', ""),  # its primary key is the database's to name
        """[source.bank]
connector = "sql_cdc"
url = "env:PAJAK_URL"
query = "SELECT id, nop, tahun AS t FROM bayar"
key = ["id"]
tables.bayar = { belongs_to = { id = "id" } }

""",
    ],
)
def test_where_the_contract_does_not_say_which_columns_there_are(
    tmp_path: Path, catalogue: Catalogue, source: str
) -> None:
    tax = TAX.replace(BANK, source).replace('= "jumlah"', '= "apa_saja"')
    assert [each for each in faults(tmp_path, catalogue, tax=tax) if each.level == "error"] == []


@pytest.mark.parametrize(
    "source", [TABLES, WATCHES.replace('on = ["insert"] }\n\n', 'on = ["insert", "update"] }\n\n')]
)
def test_a_fact_that_each_later_change_tells_again_is_noted(tmp_path: Path, catalogue: Catalogue, source: str) -> None:
    tax = TAX.replace(BANK, source)
    (found,) = faults(tmp_path, catalogue, tax=tax)
    assert (found.key, found.level, found.what) == (
        "publish.0",
        "note",
        "a row that is changed later is told as this fact once more",
    )
    assert found.hint.endswith('for instance changes = ["nop", "tahun_pajak", "jumlah", "tanggal_bayar"]')


@pytest.mark.parametrize(
    ("source", "more", "event"),
    [
        (TABLES, 'changes = ["nop", "tahun_pajak"]', ""),
        (TABLES, 'match = { _operasi = "insert" }', ""),
        (TABLES, "", "pajak.objek-pajak.berubah.v1"),
        (WATCHES, "", ""),  # new rows alone
        (BANK, "", ""),
    ],
)
def test_what_is_told_once_is_not_noted(
    tmp_path: Path, catalogue: Catalogue, source: str, more: str, event: str
) -> None:
    tax = TAX.replace(BANK, source).replace("map   =", f"{more}\nmap   =")
    tax = tax.replace("pajak.pembayaran.diterima.v1", event) if event else tax
    assert not [each for each in faults(tmp_path, catalogue, tax=tax) if "once more" in each.what]


@pytest.mark.parametrize(
    ("match", "told"),
    [("", True), ('match = { _kejadian = "bayar" }', True), ('match = { _operasi = "delete" }', False)],
)
def test_a_map_that_tells_nothing_of_what_is_only_deleted(
    tmp_path: Path, catalogue: Catalogue, match: str, told: bool
) -> None:
    source = WATCHES.replace('on = ["insert"]', 'on = ["delete"]')
    tax = TAX.replace(BANK, source).replace("map   =", f"{match}\nmap   =")
    found = [each.key for each in faults(tmp_path, catalogue, tax=tax) if "it tells nothing" in each.what]
    assert found == (["publish.0.map"] if told else [])


@pytest.mark.parametrize("source", [TABLES, WATCHES])
def test_an_unknown_key_below_a_source_says_which_was_meant(tmp_path: Path, catalogue: Catalogue, source: str) -> None:
    found = faults(tmp_path, catalogue, tax=TAX.replace(BANK, source.replace("columns", "colums", 1)))
    assert [each.hint for each in found if ".bayar.colums: unknown key" in each.what] == ["did you mean columns?"]
