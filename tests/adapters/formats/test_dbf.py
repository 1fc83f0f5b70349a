"""DBF tables, written byte by byte as dBase and FoxPro do."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from adapters.formats import Layout, Row, Unreadable
from adapters.formats.dbf import DbfTable, open_table
from adapters.formats.delimited import open_table as open_csv
from tests.adapters.formats.files import dbf as content

FIELDS = [("NISN", "C", 10, 0), ("NIK", "N", 16, 0), ("NAMA", "C", 12, 0), ("LAHIR", "D", 8, 0), ("NILAI", "N", 6, 3)]
FIELDS += [("AKTIF", "L", 1, 0)]


def text_record(*values: str, deleted: bool = False, encoding: str = "cp1252") -> bytes:
    cells = (
        value.rjust(length).encode(encoding) if kind == "N" else value.encode(encoding).ljust(length)
        for value, (_, kind, length, _) in zip(values, FIELDS, strict=True)
    )
    return (b"*" if deleted else b" ") + b"".join(cells)


def table(tmp_path: Path, data: bytes, **layout: Any) -> DbfTable:
    path = tmp_path / "a.dbf"
    path.write_bytes(data)
    return open_table(path, Layout(**layout))


def read(tmp_path: Path, data: bytes, **layout: Any) -> list[Row]:
    opened = table(tmp_path, data, **layout)
    try:
        return list(opened.rows())
    finally:
        opened.close()


def test_records_are_rows_with_exact_digits(tmp_path: Path) -> None:
    records = [
        text_record("0012345678", "3571010101800001", "Zoë", "20100131", "87.125", "T"),
        text_record("0", "1", "dihapus", "20100131", "1", "T", deleted=True),
        text_record("", "", "Ani", "", "", "?"),
    ]
    opened = table(tmp_path, content(FIELDS, records))
    assert opened.header == ("NISN", "NIK", "NAMA", "LAHIR", "NILAI", "AKTIF")
    assert [(row.number, row.cells) for row in opened.rows()] == [
        (1, ["0012345678", "3571010101800001", "Zoë", "2010-01-31", 87.125, True]),
        (3, [None, None, "Ani", None, None, None]),
    ]
    opened.close()


@pytest.mark.parametrize(("code", "encoding"), [(2, "cp850"), (3, "cp1252"), (0, "cp1252")])
def test_the_code_page_is_the_file_s_own_unless_told(tmp_path: Path, code: int, encoding: str) -> None:
    record = text_record("1", "1", "Zoë", "", "", "F", encoding=encoding)
    assert read(tmp_path, content(FIELDS, [record], code=code))[0].cells[2] == "Zoë"
    assert read(tmp_path, content(FIELDS, [record], code=1), encoding=encoding)[0].cells[2] == "Zoë"


def test_fields_of_foxpro(tmp_path: Path) -> None:
    fields = [
        ("N", "I", 4, 0),
        ("HARGA", "Y", 8, 0),
        ("KOTOR", "B", 8, 2),
        ("WAKTU", "T", 8, 0),
        ("CATATAN", "M", 4, 0),
    ]
    record = b" " + struct.pack("<iqdIII", -5, 12_345_000, 1.5, 2_461_072, 29_100_000, 9)
    opened = table(tmp_path, content(fields, [record], version=0x30))
    assert opened.header == ("N", "HARGA", "KOTOR", "WAKTU")
    assert [row.cells for row in opened.rows()] == [["-5", 1234.5, 1.5, "2026-01-31T08:05:00"]]
    opened.close()


def test_a_damaged_record_is_a_fault_of_that_record_alone(tmp_path: Path) -> None:
    records = [
        text_record("1", "*" * 16, "A", "20109931", "1", "T"),
        text_record("2", "2", "B", "20100131", "1", "T"),
    ]
    bad, good = read(tmp_path, content(FIELDS, records))
    assert bad.fault == "kolom NIK, LAHIR: isinya rusak; perbaiki di aplikasinya"
    assert good.fault == ""


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "bukan berkas DBF"),
        (b"nik;nama\n" + b"x" * 100, "bukan berkas DBF"),
        (content(FIELDS, [text_record("1", "1", "A", "", "", "T")])[:-10], "berkas terpotong"),
        (content(FIELDS, [])[:32] + b"\r" * 200, "daftar kolom"),
    ],
)
def test_what_is_no_table_is_told_in_a_clerk_s_words(tmp_path: Path, data: bytes, told: str) -> None:
    with pytest.raises(Unreadable, match=told) as caught:
        table(tmp_path, data)
    assert caught.value.hint


def test_rejected_records_are_a_csv_file(tmp_path: Path) -> None:
    opened = table(tmp_path, content(FIELDS, [text_record("0012345678", "1", "A", "20100131", "1", "T")]))
    again = tmp_path / "lagi.csv"
    again.write_bytes(b"".join(opened.rejected(row.original for row in opened.rows())))
    opened.close()

    repaired = open_csv(again, Layout())
    assert (repaired.header[:2], next(repaired.rows()).cells[:3]) == (("NISN", "NIK"), ["0012345678", "1", "A"])
    repaired.close()
