"""bus check: every kind of fault is found, at its key, with a hint, and a sound contract has none."""

from pathlib import Path

import pytest

from bus.contracts.lint import Fault, check
from bus.errors import ConfigError
from bus.events import Catalogue
from tests.bus.contracts.departments import AID, HANDLER, TAX, faults, write

HALTED = """
[[subscribe]]
event   = "sosial.penerima.dihentikan.v1"
purpose = "Peninjauan pengurangan PBB-P2"
basis   = "UU 1/2022"
fields  = ["nik"]
to      = { connector = "sql_upsert", url = "env:PAJAK_URL", table = "<table>", key = ["nik"] }
"""


def test_sound_contracts_have_no_fault(tmp_path: Path, catalogue: Catalogue) -> None:
    assert faults(tmp_path, catalogue) == []


@pytest.mark.parametrize(
    "case",
    [
        ("diterima.v1", "diteria.v1", "publish.0.event", "unknown event", "did you mean pajak.pembayaran.diterima.v1?"),
        ('tahun_pajak = "tahun", ', "", "publish.0.map", "tahun_pajak missing", 'write tahun_pajak = "<column>"'),
        ("{ nop =", '{ nopp = "x", nop =', "publish.0.map.nopp", "has no such field", "did you mean nop?"),
        (
            'basis = "UU 1/2022"',
            'basis = "UU 1/2022"\nchanges = ["jumla"]',
            "publish.0.changes",
            "has no field jumla",
            "did you mean jumlah?",
        ),
        ('"jumlah",', '"",', "publish.0.map.jumlah", "no column", "name the source's column"),
        ('"jumlah",', '"$previous",', "publish.0.map.jumlah", "for corrections", ""),
        ('"jumlah",', '"cacat_id",', "publish.0.map", "cacat_id must not leave", "UU 24/2013 pasal 84"),
        ('from  = "bank"', 'from  = "banj"', "publish.0.from", "no [source.banj]", "did you mean bank?"),
        ('from  = "bank"', "", "publish.0.from", "missing", "name a [source.*]"),
        ('from  = "bank"', 'from  = "banj"', "source.bank", "no [[publish]] uses this source", 'from = "bank"'),
        ("file_drop", "file_dorp", "source.bank.connector", "unknown connector file_dorp", "did you mean file_drop?"),
        ("[source.bank]", "[source.lease]", "source.lease", "taken by the bus", "another name"),
        ("[source.bank]", "[source.Bank_]", "source.Bank_", "cannot be part of a subject", "lower-case"),
        ("folder    =", "folderr   =", "", "source.bank.folderr: unknown key", "did you mean folder?"),
        ('"bppkad"', '"dinsos"', "publish.0.event", "dinsos is not the walidata", "bppkad may publish it"),
        ('"bppkad"', '"dinsos"', "opd", "dinsos differs from its folder bppkad", "must be the same"),
        ('"pajak"', '"pajak_"', "app", "differs from its folder", "must be the same"),
        ("stage  ", 'timezone = "Asia/Kediri"\nstage  ', "timezone", "unknown", "Asia/Jakarta"),
        ('basis = "UU 1/2022"', "", "", "publish.0.basis: missing", ""),
        ("map   =", "mapp  =", "", "publish.0.mapp: unknown key", "did you mean map?"),
        ("from  =", "fro   =", "", "publish.0.fro: unknown key", "did you mean from?"),
        ("title  ", "titel  ", "", "titel: unknown key", "did you mean title?"),
        ("title  ", "zzz = 1\ntitle  ", "", "zzz: unknown key", "lists its keys"),
        ('"env:PAJAK_FOLDER"', '"env:1"', "source.bank.folder", "not a reference", "env:NAME"),
        ('"env:PAJAK_FOLDER"', '"smb://u:rahasia@h/x"', "source.bank.folder", "a secret in clear", "env:NAME"),
        ('"env:PAJAK_FOLDER"', '"x;password=rahasia"', "source.bank.folder", "a secret in clear", "env:NAME"),
        ("[[publish]]", 'kata_password = "rahasia"\n[[publish]]', "source.bank.kata_password", "a secret in clear", ""),
    ],
)
def test_what_is_wrong_with_what_an_application_emits(
    tmp_path: Path, catalogue: Catalogue, case: tuple[str, str, str, str, str]
) -> None:
    old, new, key, what, hint = case
    assert old in TAX
    found = faults(tmp_path, catalogue, tax=TAX.replace(old, new, 1))
    assert [each for each in found if each.key == key and what in each.what and hint in each.hint], found
    assert all(each.where.endswith("adapter.toml") for each in found)
    assert "rahasia" not in "\n".join(map(str, found))


@pytest.mark.parametrize(
    "case",
    [
        ("diterima.v1", "diteria.v1", "subscribe.0.event", "unknown event", "did you mean"),
        ('["nop", ', '["nopp", "nop", ', "subscribe.0.fields", "has no field nopp", "did you mean nop?"),
        ('["nop", ', '["iris", "nop", ', "subscribe.0.fields", "iris must not leave", "UU 24/2013 pasal 84"),
        ('["nop", ', "[", "subscribe.0.handler", "mapping:terima reads nop", "add it to `fields`"),
        ('purpose = "Penetapan penerima"', "", "", "subscribe.0.purpose: missing", ""),
        ("fields  =", "field   =", "", "subscribe.0.field: unknown key", "did you mean fields?"),
        ('purpose = "Penetapan penerima"', 'purpose = "x"', "", "subscribe.0.purpose: ", ""),
        ("bppkad/pajak", "dinsos/bansos", "subscribe.0.from", "does not publish", "there is bppkad/pajak"),
        ("bppkad/pajak", "rsud/simrs", "subscribe.0.from", "no contract of rsud/simrs here", "together"),
        ('handler = "mapping:terima"', "", "subscribe.0", "neither `to` nor `handler`", "one place"),
        ("mapping:terima", "mapping:tarima", "subscribe.0.handler", "no function tarima", "did you mean terima?"),
        ("mapping:terima", "lain:terima", "subscribe.0.handler", "lain.py is named here", ""),
        ("mapping:terima", "terima", "subscribe.0.handler", "names no function", "mapping:function"),
        (
            "handler =",
            'to = { connector = "file_drop", folder = "x" }\n#',
            "subscribe.0.to.connector",
            "is no sink",
            "",
        ),
        (
            "handler =",
            'to = { connector = "file_drop", folder = "x" }\nhandler =',
            "subscribe.0",
            "both `to` and `handler`",
            "one place",
        ),
        ("handler =", 'database = "mysql://u:rahasia@h/x"\nhandler =', "subscribe.0.database", "a secret in clear", ""),
        ("penerima.dihentikan", "penerima.ditetapkan", "subscribe.0.handler", "returns sosial.penerima.dihentikan", ""),
    ],
)
def test_what_is_wrong_with_what_an_application_consumes(
    tmp_path: Path, catalogue: Catalogue, case: tuple[str, str, str, str, str]
) -> None:
    old, new, key, what, hint = case
    assert old in AID
    found = faults(tmp_path, catalogue, aid=AID.replace(old, new, 1))
    assert [each for each in found if each.key == key and what in each.what and hint in each.hint], found
    assert "rahasia" not in "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("async def", "def", "is not async"),
        ("event: PembayaranDiterima", "event: dict", "does not take pajak.pembayaran.diterima.v1"),
        ("event: PembayaranDiterima", "", "does not take"),
        ("event: PembayaranDiterima", 'event: "Hilang"', "cannot be resolved"),
        ("async def", "async deff", "SyntaxError"),
        ("from schemas.pajak", "from schemas.tidak_ada", "ModuleNotFoundError"),
        ("from collections", "raise SystemExit\nfrom collections", "SystemExit"),
        (
            "(event: PembayaranDiterima",
            "(event: PembayaranDiterima, t: AsyncConnection",
            "takes a transaction",
        ),
    ],
)
def test_what_is_wrong_with_a_handler(tmp_path: Path, catalogue: Catalogue, old: str, new: str, what: str) -> None:
    assert old in HANDLER
    extra = "class AsyncConnection: ...\n" if "AsyncConnection" in new else ""
    mapping = HANDLER.replace("\n\nasync", f"\n\n{extra}async").replace(old, new, 1)
    found = faults(tmp_path, catalogue, mapping=mapping)
    assert [each.key for each in found if what in each.what] == ["subscribe.0.handler"], found


def test_a_mapping_function_is_checked(tmp_path: Path, catalogue: Catalogue) -> None:
    start = TAX.index("map   =")
    tax = TAX[:start] + 'map = "mapping:baris"\n'
    path = write(tmp_path, "bppkad/pajak", tax, "def baris(row):\n    return row\n")
    assert check([path], catalogue) == []
    write(tmp_path, "bppkad/pajak", tax, "async def baris(row, lain):\n    return row\n")
    assert [each.what for each in check([path], catalogue)] == [
        "mapping:baris is async",
        "mapping:baris does not take one row",
    ]


def test_rows_published_twice_are_a_fault(tmp_path: Path, catalogue: Catalogue) -> None:
    publish = TAX[TAX.index("[[publish]]") :]
    found = faults(tmp_path, catalogue, tax=f"{TAX}\n{publish}")
    assert "publish.1" in {each.key for each in found if "published twice" in each.what}


@pytest.mark.parametrize(("stage", "level"), [("pilot", "note"), ("live", "error")])
@pytest.mark.parametrize(
    ("tax", "key"),
    [
        (TAX.replace("UU 1/2022", "<dasar hukum>"), "publish.0.basis"),
        (TAX.replace("Bidang Penagihan", "<bidang>"), "owner"),
        (TAX.replace('["no_transaksi"]', '["no_transaksi", "<key>"]'), "source.bank.key.1"),
        (f"{TAX}{HALTED}", "subscribe.0.to.table"),
    ],
)
def test_nothing_goes_live_with_what_a_template_left_to_be_written(
    tmp_path: Path, catalogue: Catalogue, tax: str, key: str, stage: str, level: str
) -> None:
    found = faults(tmp_path, catalogue, tax=tax.replace('"pilot"', f'"{stage}"'))
    assert [(each.key, each.level) for each in found] == [(key, level)]


def test_a_loop_of_follow_ups_is_noted_and_no_error(tmp_path: Path, catalogue: Catalogue) -> None:
    aid = AID.replace('from    = ["bppkad/pajak"]\n', "").replace(
        "pajak.pembayaran.diterima", "sosial.penerima.dihentikan"
    )
    mapping = HANDLER.replace("event: PembayaranDiterima", "event: PenerimaDihentikan").replace(
        "event.nop", "event.nik"
    )
    found = faults(tmp_path, catalogue, aid=aid.replace('["nop", "nik_wajib_pajak"]', '["nik"]'), mapping=mapping)
    assert {each.level for each in found} == {"note"}
    assert "its follow-ups can lead back to sosial.penerima.dihentikan.v1" in {each.what for each in found}


def test_a_contract_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path, catalogue: Catalogue) -> None:
    found = faults(tmp_path, catalogue, tax="app = [", aid=AID.replace('["nop", ', '["nopp", "nop", '))
    assert any("not valid TOML" in each.what and each.where.endswith("bppkad/pajak/adapter.toml") for each in found)
    assert any(each.key == "subscribe.0.fields" for each in found)


def test_a_correction_without_what_it_withdraws(tmp_path: Path, catalogue: Catalogue) -> None:
    tax = TAX.replace("diterima.v1", "diterima-dibatalkan.v1")
    tax = tax[: tax.index("map   =")] + 'map = { nop = "nop", alasan = "alasan" }\n'
    found = [each for each in faults(tmp_path, catalogue, tax=tax) if each.key == "publish.0.map"]
    assert [(each.what.split(":")[0], "$previous" in each.hint) for each in found] == [("membatalkan missing", True)]


def test_no_contract_at_all_is_an_error(tmp_path: Path, catalogue: Catalogue) -> None:
    with pytest.raises(ConfigError, match=r"no adapter\.toml here"):
        check([tmp_path], catalogue)


def test_a_fault_is_one_line() -> None:
    assert str(Fault("a.toml", "publish.0", "wrong", "mend it")) == "a.toml: publish.0: wrong (mend it)"
    assert str(Fault("a.toml", "", "wrong")) == "a.toml: wrong"


def test_a_sink_says_which_fields_it_needs(tmp_path: Path, catalogue: Catalogue) -> None:
    sink = 'to = { connector = "sql_upsert", url = "env:U", table = "t", key = ["nop"], columns = { %s } }\n#'
    columns = 'nop = "nop", jumlah = "jumlah", event_id = "$id"'
    found = faults(tmp_path, catalogue, aid=AID.replace("handler =", sink % columns))
    assert [(each.what, each.hint) for each in found if each.key == "subscribe.0.to"] == [
        ("needs jumlah", "add it to `fields`")
    ]


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("SELECT * FROM pbb", "every column"),
        ("SELECT id, p.* FROM pbb p", "every column"),
        ("select distinct p.* from pbb p", "every column"),
        ("WITH x AS (SELECT * FROM pbb) SELECT id FROM x", "every column"),
        ("DELETE FROM pbb", "not a SELECT"),
        ("SELCT id FROM pbb", "not a SELECT"),
        ("SELECT id FROM pbb; DROP TABLE pbb", "more than one statement"),
        ("SELECT id, jumlah * 2, count(*), '; *' FROM pbb -- ; and * more\n;", ""),
        ("/* *, */ (SELECT id FROM pbb) UNION (SELECT id FROM lama)", ""),
    ],
)
def test_a_query_is_one_select_that_names_its_columns(
    tmp_path: Path, catalogue: Catalogue, query: str, what: str
) -> None:
    source = f'connector = "sql_poll"\nurl = "env:PAJAK_URL"\nquery = """{query}"""\nkey = ["id"]\n'
    old = TAX[TAX.index("connector") : TAX.index("[[publish]]")]

    found = faults(tmp_path, catalogue, tax=TAX.replace(old, source + "\n"))

    told = [each.what for each in found if each.key == "source.bank.query"]
    assert len(told) == bool(what), found
    assert all(what in each for each in told)


def test_a_publisher_that_was_not_named_is_noted(tmp_path: Path, catalogue: Catalogue) -> None:
    path = write(tmp_path, "dinsos/bansos", AID.replace('from    = ["bppkad/pajak"]\n', ""), HANDLER)
    (found,) = check([path], catalogue)
    assert (found.level, found.what) == ("note", "no contract that was named publishes pajak.pembayaran.diterima.v1")
    write(tmp_path, "bppkad/pajak", TAX)
    assert check([tmp_path], catalogue) == []


def test_the_departments_are_without_faults_and_notes(catalogue: Catalogue) -> None:
    assert check([Path(__file__).parents[3] / "adapters/departments"], catalogue) == []
