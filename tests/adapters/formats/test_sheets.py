"""Spreadsheets as offices make them: title rows, dates, cut numbers, several sheets, and files that are none."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from openpyxl import Workbook
from pydantic import TypeAdapter, ValidationError

from adapters.formats import Layout, Row, Unreadable, repairs, sheets
from adapters.formats.sheets import SheetTable, open_table
from schemas.types import Nik
from tests.adapters.formats.files import CUT, FILES

TITLED = [["DATA PENDUDUK KELURAHAN"], [], ["Nama Lengkap", "NIK", "RT"], ["Ani", "3571010101800001", 4]]


def book(path: Path, *sheets: list[list[Any]], merged: str = "", hidden: int = -1) -> Path:
    made = Workbook()
    made.remove(made.active)
    for number, rows in enumerate(sheets):
        sheet = made.create_sheet(f"Lembar {number + 1}")
        for row in rows:
            sheet.append(row)
        if merged:
            sheet.merge_cells(merged)
        if number == hidden:
            sheet.sheet_state = "hidden"
    made.save(path)
    return path


def table(tmp_path: Path, *sheets: list[list[Any]], merged: str = "", hidden: int = -1, **layout: Any) -> SheetTable:
    return open_table(book(tmp_path / "a.xlsx", *sheets, merged=merged, hidden=hidden), Layout(**layout))


def read(opened: SheetTable) -> list[Row]:
    return list(opened.rows())


def test_cells_are_what_a_csv_file_would_have(tmp_path: Path) -> None:
    moment = datetime(2026, 1, 31, 8, 5)  # noqa: DTZ001 - a cell has no zone
    values = ["0012", " Ani ", 12, 12.0, date(2026, 1, 31), moment, time(8, 5), True, None, "'07"]
    (row,) = read(table(tmp_path, [[f"k{number}" for number in range(10)], values]))

    assert row.cells == [
        "0012",
        "Ani",
        "12",
        "12",
        "2026-01-31",
        "2026-01-31T08:05:00",
        "08:05:00",
        True,
        None,
        "07",
    ]


def test_a_cut_number_stays_one_and_the_schema_says_so(tmp_path: Path) -> None:
    (row,) = read(table(tmp_path, [["nik", "jumlah", "urut"], [CUT, 1.125, 999_999_999_999_999]]))

    assert row.cells == [CUT, 1.125, "999999999999999"]
    with pytest.raises(ValidationError, match="angka sudah dipotong oleh spreadsheet"):
        TypeAdapter(Nik).validate_python(row.cells[0])


@pytest.mark.parametrize("expected", [frozenset({"nik"}), frozenset()])
def test_the_header_is_found_below_merged_titles(tmp_path: Path, expected: frozenset[str]) -> None:
    opened = table(tmp_path, TITLED, merged="A1:C1", expected=expected)

    assert opened.header == ("Nama Lengkap", "NIK", "RT")
    assert [(row.number, row.cells) for row in read(opened)] == [(4, ["Ani", "3571010101800001", "4"])]


def test_the_header_stands_where_it_is_told(tmp_path: Path) -> None:
    opened = table(tmp_path, [["nik", "nik"], ["NIK", "Nama"], ["1", "Ani"]], skip=1, search=False)

    assert opened.header == ("NIK", "Nama")
    assert [row.number for row in read(opened)] == [3]


def test_rows_and_columns_before_the_table_are_counted(tmp_path: Path) -> None:
    rows: list[list[Any]] = [[], [], [None, None, "nik", "nama"], [], [None, None, "1", "Ani"], [], [None, None, "2"]]
    opened = table(tmp_path, rows, expected=frozenset({"nik"}))

    assert [(row.number, row.cells[opened.header.index("nik")]) for row in read(opened)] == [(5, "1"), (7, "2")]


def test_the_sheet_is_the_one_named_or_the_first_visible_one(tmp_path: Path) -> None:
    sheets = [[["a", "b"], ["1", "2"]], [["c", "d"], ["3", "4"]]]

    assert table(tmp_path, *sheets).header == ("a", "b")
    assert table(tmp_path, *sheets, hidden=0).header == ("c", "d")
    assert table(tmp_path, *sheets, sheet="lembar 2").header == ("c", "d")
    with pytest.raises(Unreadable, match="lembar Siswa tidak ada"):
        table(tmp_path, *sheets, sheet="Siswa")


def test_rejected_rows_are_a_workbook_with_the_same_texts(tmp_path: Path) -> None:
    opened = table(tmp_path, [["nik", "catatan", "x"], ["3571010101800001", "0012", CUT], ["2", "b", 1.5]])
    rows = read(opened)
    opened.close()
    again = tmp_path / "lagi.xlsx"
    again.write_bytes(b"".join(opened.rejected(row.original for row in rows)))

    repaired = open_table(again, Layout())
    assert repaired.header == ("nik", "catatan", "x")
    assert [row.cells for row in read(repaired)] == [row.cells for row in rows]


def test_texts_of_a_written_workbook_are_no_formulas_and_no_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"".join(repairs.as_workbook(["a", "b"], [repairs.packed(["=1+1", "x\x0by"])])))

    assert [row.cells for row in read(open_table(path, Layout()))] == [["=1+1", "x\ufffdy"]]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "berkas kosong"),
        (b"nik;nama\n1;Ani\n", "bukan berkas spreadsheet"),
        (b"PK\x03\x04" + b"\0" * 50, "bukan berkas spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000, "bukan berkas spreadsheet"),
        (b"<html><table></table></html>", "bukan berkas spreadsheet"),
    ],
)
def test_what_is_no_spreadsheet_is_told_in_a_clerk_s_words(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=told) as caught:
        open_table(path, Layout())
    assert caught.value.hint


def test_an_empty_sheet_has_no_header(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="tidak ada judul kolom"):
        table(tmp_path, [])


def test_a_file_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "LARGEST", 1_000_000)
    path = tmp_path / "a.xlsx"
    with ZipFile(path, "w", ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b"\0" * 1_000_001)
    with pytest.raises(Unreadable, match="berkas terlalu besar"):
        open_table(path, Layout())


def test_a_truncated_workbook_is_unreadable(tmp_path: Path) -> None:
    whole = book(tmp_path / "a.xlsx", TITLED).read_bytes()
    for size in (len(whole) // 2, len(whole) - 10):
        (tmp_path / "a.xlsx").write_bytes(whole[:size])
        with pytest.raises(Unreadable):
            open_table(tmp_path / "a.xlsx", Layout())


def test_xls(tmp_path: Path) -> None:
    path = tmp_path / "a.xls"
    path.write_bytes(FILES["xls"])

    opened = open_table(path, Layout(expected=frozenset({"nik"})))
    assert opened.header == ("nik", "tanggal", "rt")
    assert [(row.number, row.cells) for row in read(opened)] == [
        (3, ["3571010101800001", "2026-01-31", "7"]),
        (4, [CUT, None, None]),
    ]


@pytest.mark.parametrize("ending", ["ods", "xlsb"])
def test_ods_and_xlsb(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_bytes(FILES[ending])

    opened = open_table(path, Layout())
    assert opened.header == ("nik", "tanggal", "rt")
    assert [row.cells for row in read(opened)] == [["3571010101800001", "2026-01-31", "7"], [CUT, None, None]]
