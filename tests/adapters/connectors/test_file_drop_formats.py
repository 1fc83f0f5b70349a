"""file_drop with files that are no CSV: what a clerk finds afterwards, keys, redrive, and how much memory it takes."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from openpyxl import Workbook, load_workbook
from pydantic import ValidationError

from bus.errors import ConfigError
from bus.ports import Record
from tests.adapters.connectors.office import Office

OPENSID = Path(__file__).parents[4] / "shared/data/contoh_penduduk.xlsx"
CUT = 3571010101800001.0
OOXML, PACKAGE = "http://schemas.openxmlformats.org/", "http://schemas.openxmlformats.org/package/2006"
PARTS = (("workbook", "sheet.main"), ("worksheets/sheet1", "worksheet"), ("styles", "styles"))


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def book(*rows: Sequence[Any]) -> bytes:
    made, content = Workbook(), io.BytesIO()
    for row in rows:
        made.active.append(row)
    made.save(content)
    return content.getvalue()


def judge(record: Record) -> str:
    return record.fault or ("kolom nik: angka sudah dipotong" if isinstance(record.data["nik"], float) else "")


async def test_a_clerk_gets_rejected_rows_back_as_a_workbook_and_drops_it_again(office: Office) -> None:
    rows = [["DATA WARGA"], ["NIK", "Nama", "Tgl"], ["3571010101800002", "Ani", date(2026, 1, 31)], [CUT, "Budi", None]]
    office.drop("warga.xlsx", book(*rows))
    options = {"pattern": "*.xls*", "key": ["nik"], "required": ["nama"]}
    await office.run(office.source(**options), judge=judge)

    assert [dict(record.data) for record in office.stored] == [
        {"nik": "3571010101800002", "nama": "Ani", "Tgl": "2026-01-31"},
        {"nik": CUT, "nama": "Budi", "Tgl": None},
    ]
    report = office.report("warga.xlsx")
    assert "Baris 4: kolom nik: angka sudah dipotong" in report
    assert "Simpan dengan jenis berkas yang sama (XLSX)" in report
    assert office.names("done") == {"warga.xlsx", "warga.xlsx.laporan.txt", "warga.ditolak.xlsx"}

    repair = office.folder / "done/warga.ditolak.xlsx"
    mended = load_workbook(repair)
    mended.active["A2"] = "3571010101800003"
    mended.save(repair)
    repair.rename(office.folder / "warga.ditolak.xlsx")
    await office.run(office.source(**options), judge=judge)
    assert dict(office.stored[-1].data) == {"nik": "3571010101800003", "nama": "Budi", "Tgl": None}
    assert "Semua baris diterima" in office.report("warga.ditolak.xlsx")


@pytest.mark.parametrize(
    ("name", "content", "numbered"),
    [
        ("a.json", '[{"nik": "1", "nama": "A"}, {"nik": 3.57101e15, "nama": "B"}]', "nomor urut data"),
        ("a.jsonl", '{"nik": "1", "nama": "A"}\n{"nik": 3.57101e15, "nama": "B"}\n', "nomor baris di dalam berkas"),
    ],
)
async def test_rejected_records_come_back_as_csv_whatever_the_pattern_and_format(
    office: Office, name: str, content: str, numbered: str
) -> None:
    kind = name.partition(".")[2]
    office.drop(name, content)
    options = {"pattern": f"*.{kind}", "format": kind, "key": ["nik"]}
    await office.run(office.source(**options), judge=judge)
    assert numbered in office.report(name)
    assert "a.ditolak.csv" in office.report(name)

    repair = office.folder / "done/a.ditolak.csv"
    assert repair.read_text("utf-8-sig").splitlines() == ["nik;nama", "3571010000000000.0;B"]
    office.drop("a.ditolak.csv", 'nik;nama\n"=""3571010101800003""";B\n')
    repair.unlink()
    await office.run(office.source(**options), judge=judge)
    assert dict(office.stored[-1].data) == {"nik": "3571010101800003", "nama": "B"}


async def test_xml_with_its_records_told(office: Office) -> None:
    office.drop("a.xml", "<d><kop><x>1</x><x>2</x></kop><r><nik>1</nik></r><r><nik>2</nik></r></d>")
    await office.run(office.source(pattern="*.xml", records="d.r", key=["nik"]))
    assert [record.key for record in office.stored] == ['["1"]', '["2"]']
    assert [record.place for record in office.stored] == ["a.xml baris 1", "a.xml baris 2"]


async def test_the_same_rows_have_the_same_keys_in_a_workbook_and_in_csv(office: Office) -> None:
    office.drop("a.xlsx", book(["nik", "rt"], ["3571", 4], ["3572", None]))
    await office.run(office.source(pattern="*.xlsx"))
    office.drop("a.csv", "rt;nik\n4;3571\n;3572\n")
    await office.run(office.source())
    keys = [record.key for record in office.stored]
    assert keys[:2] == keys[2:]


async def test_a_row_of_a_workbook_is_read_again_by_its_key(office: Office) -> None:
    office.drop("a.xlsx", book(["nik", "rt"], ["3571010101800002", 4], [CUT, 5]))
    source = office.source(pattern="*.xlsx", key=["nik"])
    await office.run(source)
    for record in office.stored:
        again = await source.reread(record.key)
        assert again is not None
        assert again.data == record.data
    assert await source.reread('["9"]') is None


async def test_a_workbook_of_the_wrong_kind_goes_to_failed_with_a_reason(office: Office) -> None:
    office.drop("a.xlsx", "nik;nama\n1;Ani\n")
    office.drop("b.xlsx", book(["nama"], ["Ani"]))
    await office.run(office.source(pattern="*.xlsx", key=["nik"]))
    assert "bukan berkas spreadsheet" in office.report("a.xlsx", "failed")
    assert "kolom nik tidak ada" in office.report("b.xlsx", "failed")


async def test_a_missing_extra_is_named(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    office.drop("a.xlsx", book(["nik"], ["1"]))
    with pytest.raises(ConfigError, match=r"python_calamine.*opd-bus\[spreadsheets\]"):
        await office.run(office.source(pattern="*.xlsx"))
    assert office.names() == {"a.xlsx"}


def test_a_header_is_told_once(office: Office) -> None:
    with pytest.raises(ValidationError, match="not both"):
        office.source(skip=2, header_row=3)


@pytest.mark.skipif(not OPENSID.exists(), reason="the sample of OpenSID is not at ../shared/data")
async def test_the_population_sheet_of_opensid(office: Office) -> None:
    office.drop("penduduk.xlsx", OPENSID.read_bytes())
    await office.run(office.source(pattern="*.xlsx", key=["nik"], required=["nama", "tanggallahir"]))

    assert len(office.stored) == 97
    assert not office.rejected
    assert len({record.key for record in office.stored}) == 97
    data = office.stored[0].data
    assert (data["nik"], data["tanggallahir"], data["rt"], data["alamat"]) == (
        "5201145003976995",
        "1996-03-10",
        "004",
        None,
    )


LARGE = """
import asyncio, resource, sys, time
from pathlib import Path
from tests.adapters.connectors.office import Office

async def main():
    office, count, began = Office(Path(sys.argv[1])), 0, time.monotonic()
    source = office.source(pattern="*.xlsx", key=["nik"])
    await source.open(None)
    while batch := await source.read():
        count += len(batch.records)
        await source.commit(batch, [])
    print(count, time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)

asyncio.run(main())
"""


def raw_book(path: Path, rows: int) -> None:
    """A workbook of eight columns as small programs write it, many times faster than openpyxl does."""
    styles = '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs>'
    text, number, day = '<c t="inlineStr"><is><t>{}</t></is></c>', "<c><v>{}</v></c>", '<c s="1"><v>36526</v></c>'
    row = f"<row>{text.format('35710101018{n:05}')}{text.format('Nama {n}')}{text.format('Jalan {n}')}{day}"
    row += f"{number.format('{a}')}{number.format('{a}')}{number.format('{b}')}{text.format('aktif')}</row>"
    names = ("nik", "nama", "alamat", "lahir", "rt", "rw", "jumlah", "status")
    spread, main = (
        "application/vnd.openxmlformats-officedocument.spreadsheetml",
        f'xmlns="{OOXML}spreadsheetml/2006/main"',
    )
    related = f'<Relationships xmlns="{PACKAGE}/relationships">{{}}</Relationships>'
    link = f'<Relationship Id="{{}}" Type="{OOXML}officeDocument/2006/relationships/{{}}" Target="{{}}"/>'
    parts = [f'<Override PartName="/xl/{part}.xml" ContentType="{spread}.{kind}+xml"/>' for part, kind in PARTS]
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=1) as book:
        book.writestr("[Content_Types].xml", f'<Types xmlns="{PACKAGE}/content-types">{"".join(parts)}</Types>')
        book.writestr("_rels/.rels", related.format(link.format("r1", "officeDocument", "xl/workbook.xml")))
        links = link.format("r1", "worksheet", "worksheets/sheet1.xml") + link.format("r2", "styles", "styles.xml")
        book.writestr("xl/_rels/workbook.xml.rels", related.format(links))
        first = f'<sheet name="A" sheetId="1" xmlns:r="{OOXML}officeDocument/2006/relationships" r:id="r1"/>'
        book.writestr("xl/workbook.xml", f"<workbook {main}><sheets>{first}</sheets></workbook>")
        book.writestr("xl/styles.xml", f"<styleSheet {main}>{styles}</styleSheet>")
        with book.open("xl/worksheets/sheet1.xml", "w") as sheet:
            header = "".join(map(text.format, names))
            sheet.write(f"<worksheet {main}><sheetData><row>{header}</row>".encode())
            sheet.writelines(row.format(n=n, a=n % 9, b=n * 1.5).encode() for n in range(rows))
            sheet.write(b"</sheetData></worksheet>")


def test_a_hundred_thousand_rows_in_seconds_and_within_memory(tmp_path: Path) -> None:
    raw_book(tmp_path / "a.xlsx", 100_000)
    command = [sys.executable, "-c", LARGE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    rows, seconds, peak = done.stdout.split()[-3:]

    assert rows == "100000"
    assert float(seconds) < 20
    assert int(peak) < 300
