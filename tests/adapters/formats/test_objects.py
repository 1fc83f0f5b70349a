"""JSON, JSON lines and XML: records found or told, what is nested, and files that are broken or hostile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.formats import Layout, Row, Table, Unreadable, form
from adapters.formats.delimited import open_table as open_csv


def table(tmp_path: Path, name: str, content: str | bytes, **layout: Any) -> Table:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return form(name).open(path, Layout(**layout))


def read(opened: Table) -> list[dict[str, Any]]:
    return [dict(zip(opened.header, row.cells, strict=True)) for row in opened.rows()]


RECORDS = '[{"nik": "3571", "rt": 4}, {"nik": "3572", "nama": "Ani"}]'
FOUND = [{"nik": "3571", "rt": "4", "nama": None}, {"nik": "3572", "rt": None, "nama": "Ani"}]


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (RECORDS, ""),
        (f"\ufeff{RECORDS}", ""),
        (f'{{"status": "ok", "kode": [1, 2], "data": {{"penduduk": {RECORDS}}}}}', ""),
        (f'{{"lama": [{{"x": 1}}], "data": {{"penduduk": {RECORDS}}}}}', "data.penduduk"),
    ],
)
def test_records_of_json_are_found_or_told(tmp_path: Path, text: str, records: str) -> None:
    assert read(table(tmp_path, "a.json", text, records=records)) == FOUND


def test_what_is_nested_in_json_has_a_dotted_name(tmp_path: Path) -> None:
    text = '[{"nik": "1", "alamat": {"rt": 4, "kel": {"kode": "x"}}, "telp": ["08", "09"], "hidup": true, "x": null}]'
    assert read(table(tmp_path, "a.json", text)) == [
        {"nik": "1", "alamat.rt": "4", "alamat.kel.kode": "x", "telp": '["08", "09"]', "hidup": True, "x": None}
    ]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_numbers_of_json_are_exact_or_floats(tmp_path: Path, name: str) -> None:
    record = '{"nik": 3571010101800001, "cut": 3.57101e15, "part": 1.125}'
    assert read(table(tmp_path, name, f"[{record}]" if name == "a.json" else record)) == [
        {"nik": "3571010101800001", "cut": 3.57101e15, "part": 1.125}
    ]


def test_a_file_that_is_one_record(tmp_path: Path) -> None:
    assert read(table(tmp_path, "a.json", '{"nik": "1"}')) == [{"nik": "1"}]
    assert read(table(tmp_path, "a.json", '{"data": {"nik": "1"}}', records="data")) == [{"nik": "1"}]


def test_no_records_lack_no_column(tmp_path: Path) -> None:
    opened = table(tmp_path, "a.json", '{"data": []}', expected=frozenset({"nik"}), records="data")
    assert (opened.header, list(opened.rows())) == (("nik",), [])


@pytest.mark.parametrize(
    ("name", "content", "records", "told"),
    [
        ("a.json", '[{"nik": "1"}, {"ni', "", "bukan JSON yang utuh"),
        ("a.json", b'[{"nik": "\xff"}]', "", "bukan JSON yang utuh"),
        ("a.json", "", "", "bukan JSON yang utuh"),
        ("a.json", RECORDS, "data", "tidak ada data di data"),
        ("a.xml", "<data><r><nik>1</nik></r>", "", "bukan XML yang utuh"),
        ("a.xml", "", "", "bukan XML yang utuh"),
        ("a.xml", "<lain><r><nik>1</nik></r></lain>", "data.r", "tidak ada data di data.r"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_clerk_s_words(
    tmp_path: Path, name: str, content: str | bytes, records: str, told: str
) -> None:
    with pytest.raises(Unreadable, match=told) as caught:
        table(tmp_path, name, content, records=records)
    assert caught.value.hint


def test_a_broken_line_is_a_fault_of_that_line_alone(tmp_path: Path) -> None:
    rows: list[Row] = list(table(tmp_path, "a.jsonl", '\ufeff{"nik": "1"}\n\n{"nik": \n[1]\n{"nik": "2"}').rows())
    assert [(row.number, list(row.cells), bool(row.fault)) for row in rows] == [
        (1, ["1"], False),
        (3, [], True),
        (4, [], True),
        (5, ["2"], False),
    ]


def test_rejected_records_are_a_csv_file_that_keeps_numbers_as_text(tmp_path: Path) -> None:
    opened = table(tmp_path, "a.json", '[{"nik": "3571010101800001", "alamat": {"rt": "004"}, "catatan": "a;b"}]')
    again = tmp_path / "lagi.csv"
    again.write_bytes(b"".join(opened.rejected(row.original for row in opened.rows())))

    assert '"=""3571010101800001"""' in again.read_text("utf-8-sig")
    repaired = open_csv(again, Layout())
    assert read(repaired) == [{"nik": "3571010101800001", "alamat.rt": "004", "catatan": "a;b"}]
    repaired.close()


XML = """<?xml version="1.0" encoding="ISO-8859-1"?>
<!-- ekspor --><s:respon xmlns:s="urn:x"><s:status>ok</s:status><s:data>
<s:siswa id="7"><nisn>0012345678</nisn><alamat><rt>4</rt></alamat><telp>08</telp><telp>09</telp></s:siswa>
<s:siswa id="8"><nisn> 2 </nisn><nama>Zo\xeb &amp; Caf\xe9</nama><kosong/></s:siswa>
</s:data></s:respon>""".encode("latin-1")


@pytest.mark.parametrize("records", ["", "respon.data.siswa"])
def test_records_of_xml_are_found_or_told(tmp_path: Path, records: str) -> None:
    first, second = read(table(tmp_path, "a.xml", XML, records=records))
    assert {name: value for name, value in first.items() if value} == {
        "id": "7",
        "nisn": "0012345678",
        "alamat.rt": "4",
        "telp": "08",
        "telp (2)": "09",
    }
    assert (second["id"], second["nisn"], second["nama"], second["kosong"]) == ("8", "2", "Zoë & Café", None)


def test_a_single_record_of_xml(tmp_path: Path) -> None:
    assert read(table(tmp_path, "a.xml", "<data><r><nik>1</nik><nama>A</nama></r></data>")) == [
        {"nik": "1", "nama": "A"}
    ]


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY x "&a;&a;&a;">]>',
        '<!DOCTYPE d SYSTEM "http://127.0.0.1:1/x.dtd">',
    ],
)
def test_xml_reaches_for_nothing_and_does_not_blow_up(tmp_path: Path, doctype: str) -> None:
    body = "<d><r><nik>&x;</nik></r></d>" if "ENTITY" in doctype else "<d><r><nik>1</nik></r></d>"
    with pytest.raises(Unreadable, match="DOCTYPE"):
        table(tmp_path, "a.xml", f"{doctype}{body}")
