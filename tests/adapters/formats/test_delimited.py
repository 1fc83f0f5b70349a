"""CSV as offices send it: encodings, delimiters, quotes, and rows that are damaged."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import AUTO, Layout, Row, Unreadable, form
from adapters.formats.delimited import DelimitedTable, open_table

TEXT = "nik;nama;jumlah\r\n3571;Zoë, Café;1,5\r\n3572;Ärzte;\r\n"


def table(tmp_path: Path, content: bytes, **layout: object) -> DelimitedTable:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    return open_table(path, Layout(**layout))  # type: ignore[arg-type]


def read(tmp_path: Path, content: bytes, **layout: object) -> list[Row]:
    opened = table(tmp_path, content, **layout)
    try:
        return list(opened.rows())
    finally:
        opened.close()


def cells(tmp_path: Path, content: bytes, **layout: object) -> list[list[str | None]]:
    return [list(row.cells) for row in read(tmp_path, content, **layout)]


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1", "cp850", "mac_roman"]
)
def test_encodings_are_found_or_told(tmp_path: Path, encoding: str, told: bool) -> None:
    text = TEXT if encoding != "latin-1" else TEXT.replace("ë", "é")
    long = text + "".join(f"{n};Café Müller Zoë {n};1\r\n" for n in range(40))
    got = cells(tmp_path, long.encode(encoding), encoding=encoding if told else AUTO)
    assert got[0][:2] == ["3571", "Zoë, Café" if encoding != "latin-1" else "Zoé, Café"]
    assert got[1] == ["3572", "Ärzte", None]
    assert got[-1][1] == "Café Müller Zoë 39"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found_or_told(tmp_path: Path, delimiter: str) -> None:
    lines = [["nik", "nama"], ["1", '"Jalan A, No; 2 | x"'], ["2", '"b\tc"']]
    content = "\n".join(delimiter.join(line) for line in lines).encode()
    for layout in ({}, {"delimiter": delimiter}):
        assert cells(tmp_path, content, **layout) == [["1", "Jalan A, No; 2 | x"], ["2", "b\tc"]]


def test_expected_columns_decide_where_counts_do_not(tmp_path: Path) -> None:
    content = b"nama,gelar;jumlah,satuan\nAni,S.Kom;1,5\n"
    assert cells(tmp_path, content, expected=frozenset({"nama,gelar"})) == [["Ani,S.Kom", "1,5"]]


def test_a_single_column_is_a_table_too(tmp_path: Path) -> None:
    assert cells(tmp_path, b"nik\n1\n2\n") == [["1"], ["2"]]


def test_the_delimiter_that_excel_names_in_its_first_line(tmp_path: Path) -> None:
    rows = read(tmp_path, b'"sep=|"\r\nnik|nama;x\r\n1|a;b\r\n')
    assert [(row.number, list(row.cells)) for row in rows] == [(2, ["1", "a;b"])]


def test_rows_above_the_header_are_skipped_and_counted(tmp_path: Path) -> None:
    opened = table(tmp_path, b"LAPORAN BANK\n\nnik,nama\n1,a\n", skip=2)
    assert opened.header == ("nik", "nama")
    assert [(row.number, list(row.cells)) for row in opened.rows()] == [(4, ["1", "a"])]
    assert b"".join(opened.rejected(["1,a\n"])).endswith(b"LAPORAN BANK\n\nnik,nama\n1,a\n")
    opened.close()


def test_what_spreadsheets_put_around_text_is_taken_off_and_nothing_else(tmp_path: Path) -> None:
    content = '\ufeff"nik"," nama  lengkap ",x\n\'0357,\'Aisyah,"=""0012"""\n3.57101E+15,  -  ,="07"\n\u00a0,"",\n'
    opened = table(tmp_path, content.encode())
    assert opened.header == ("nik", "nama lengkap", "x")
    assert [list(row.cells) for row in opened.rows()] == [["0357", "'Aisyah", "0012"], ["3.57101E+15", "-", "07"]]
    opened.close()


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    content = b'nik,catatan\n1,"dua\nbaris"\n\n  ,\n2,b\n'
    assert [(row.number, row.cells[0]) for row in read(tmp_path, content)] == [(2, "1"), (5, "2")]


@pytest.mark.parametrize(
    ("damaged", "told"),
    [
        (b"2;kurang", "jumlah kolom 2, seharusnya 3"),
        (b"2;a;b;c", "jumlah kolom 4, seharusnya 3"),
        (b'2;"terbuka;b', "tanda kutip pembuka tidak ditutup"),
        (b'2;"a"b;c', "tanda kutip salah letak"),
        (b"2;a\xff\x81;c", "kolom nama: ada huruf yang rusak"),
        (b"2;a\0b;c", "kolom nama: ada karakter NUL"),
        (b"2;" + b"a" * 200_000 + b";c", "isi terlalu panjang"),
        (b"2;a;" + b"b;" * 700_000, "baris terlalu panjang"),
    ],
)
def test_a_damaged_row_is_a_fault_of_that_row_alone(tmp_path: Path, damaged: bytes, told: str) -> None:
    content = "nik;nama;jumlah\n1;Zoë;1\n".encode() + damaged + b'\n3;c;3\n4;"d";4\n'
    rows = read(tmp_path, content)
    assert [(row.number, row.cells[0]) for row in rows if not row.fault] == [(2, "1"), (4, "3"), (5, "4")]
    fault = next(row for row in rows if row.fault)
    assert fault.number == 3
    assert told in fault.fault
    assert fault.original.startswith("2;")


def test_an_open_quote_at_the_end_of_a_file_gives_its_lines_back(tmp_path: Path) -> None:
    content = b'a,b\n1,x\n2,"open\n' + b"".join(b"%d,y\n" % n for n in range(3, 3000))
    rows = read(tmp_path, content)
    assert [row.number for row in rows if row.fault] == [3]
    assert len(rows) == 2999


def test_columns_without_a_name_may_be_empty_or_absent(tmp_path: Path) -> None:
    rows = read(tmp_path, b"nik,nama,,\n1,a,,\n2,b\n3,c,,,,\n4,d,,,x\n")
    assert [row.number for row in rows if row.fault] == [5]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "berkas kosong"),
        (b"\r\n \r\n", "berkas kosong"),
        (b"PK\x03\x04xxxx", "Excel"),
        (b"\xd0\xcf\x11\xe0xxxx", "Excel lama"),
        (b"%PDF-1.4", "PDF"),
        (b"\xef\xbb\xbf\n\n", "tidak ada judul kolom"),
        (b'"nik","na"ma"\n', "baris judul kolom rusak"),
        (b"nik,na\0ma\n1,2\n", "judul kolom tidak terbaca"),
    ],
)
def test_what_is_no_table_is_told_in_a_clerk_s_words(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(Unreadable, match=told) as caught:
        table(tmp_path, content)
    assert caught.value.hint


def test_a_format_is_chosen_by_the_ending_or_told() -> None:
    assert form("A.CSV").open is open_table
    assert form("a.dat", "csv").open is open_table
    with pytest.raises(Unreadable, match="simpan sebagai csv"):
        form("a.xyz")


@pytest.mark.parametrize("code", ["utf-8", "utf-16"])
def test_rejected_rows_are_a_file_that_can_be_read_again(tmp_path: Path, code: str) -> None:
    opened = table(tmp_path, 'nik,nama\n1,"a\nb"\n2,c'.encode(code))
    rows = list(opened.rows())
    again = b"".join(opened.rejected(row.original for row in rows))
    opened.close()
    assert cells(tmp_path, again) == [["1", "a\nb"], ["2", "c"]]


@given(st.binary(max_size=300), st.integers(0, 2**32))
def test_no_bytes_break_it(tmp_path_factory: pytest.TempPathFactory, noise: bytes, seed: int) -> None:
    """Whatever the bytes: rows, or Unreadable. The rows after the noise's own line are still found."""
    folder = tmp_path_factory.getbasetemp()
    path = folder / f"acak-{random.Random(seed).random()}.csv"
    path.write_bytes(b"nik;nama\n1;a\n" + noise + b"\n2;b\n")
    try:
        opened = open_table(path, Layout(delimiter=";", encoding="utf-8"))
    finally:
        path.unlink()
    rows = list(opened.rows())
    opened.close()
    assert rows[0].cells == ["1", "a"]
    assert rows[-1].cells == ["2", "b"] or b'"' in noise
