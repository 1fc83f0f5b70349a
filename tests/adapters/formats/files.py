"""One small table as a file of each format: a person's row, and one whose NIK a spreadsheet has cut.

What no package here writes is made as its programs make it: XLS was saved by one, ODS, XLSB and DBF are put together
part by part.
"""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from datetime import date
from zipfile import ZipFile

from openpyxl import Workbook

HEADER = ("nik", "tanggal", "rt")
NIK, DAY, CUT = "3571010101800001", date(2026, 1, 31), 3571010101800001.0

# An Excel 97 workbook, packed: a title row, nik | tanggal | rt, a row of text, date and number, and a cut NIK.
_XLS = """
eNrtWE1IVFEU/u57MzqKP6NpoMEwSFmaoINUbvQ1ZUkLxTKwIrBnisjIGMNsapNpLoMgCIo2A7ZoY7Xphwpq1yIwalEEwVjLVkFBC/V1znnvkT
MVOFCCcr/HPffec8+599x77j33vfd6oSqbuV+/iDx0wcSKU4KiVTxFqcSvhEHtjsNFPw9RcjQ2FEpC5MiiIJ6UvypmH7K/F2HgXuAFUeATpdM4
h77J5Gh0HXFAbLAV29BJVOEWcSpQJ1ZVCz0rdIvQuyL5VOh+4VwR2kmyWXUKC1Zfc4e3i08YDdJWAe73oeh8EE4MtXjJu/jiVeXKBhFPjdsTG6
whEijDHMihPaPJ0RTXK3EbpUB3d2tvb+tJQhY15Ow5fHeiwDf/VD+Pav768hWI/yOXX/wXfoicmM+/ZgSAKThn5JDMogzbA9wSQLedtpfoAASp
xondHz8ejw4cGRiMm0ByPEE7JG0nx8bsCdr9qTSFgvY9+2Jt8nS0EWKlHPMlRoRzYkS5nJ0yoiOolHKVnKAwGbl05+ub3uF+a0g4U3IvuLfHDj
YWDi6xBilXwDWVQRahWTR2C52WXrdJuV5oDU2D8sb+Wq9weEZkLktrI43TLnhr7VxV3kXl2S9HH0VmP1tNVJ7vWbxQM//OyqCBbrMR0udnBi2q
Rd28wXhs+bnyIs1HoXW/RZ2QEfbm5nhXZCWWeaEJVUJZQsnsciWUSDB1a/76uTWDaqanbfxB2xBtXrdnYiHbeX2BtSLEM0TPzLPLpNU2RW/6/d
6mzFDTwS6jGg+4K4qYv1AKDQ0NDQ0NDQ2NzQsl74vu23fA+1Dg9/ti77/OMqUV/Ztk0+IYJulJ00flISQpT+F8QftnK4LK70utUcf/X8gYpNFT
SGBY7EgUvH/p60etns+aFcP/7ggVOv5KIXb+5/F/AsgB25M=
"""
_ODS = """<?xml version="1.0"?><office:document-content
 xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2"><office:body><office:spreadsheet>
<table:table table:name="Data"><table:table-row>{header}</table:table-row><table:table-row>
<table:table-cell office:value-type="string"><text:p>3571010101800001</text:p></table:table-cell>
<table:table-cell office:value-type="date" office:date-value="2026-01-31"><text:p>31/01/26</text:p></table:table-cell>
<table:table-cell office:value-type="float" office:value="7"><text:p>7</text:p></table:table-cell>
</table:table-row><table:table-row>
<table:table-cell office:value-type="float" office:value="3571010101800001"><text:p>3,57E+15</text:p></table:table-cell>
</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"""
_MANIFEST = """<?xml version="1.0"?>
<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>"""
_XML = "<warga><orang><nik>{}</nik><tanggal>{}</tanggal><rt>7</rt></orang><orang><nik>{}</nik><rt/></orang></warga>"


def delimited(by: str) -> bytes:
    rows = (HEADER, (NIK, DAY, "7"), (CUT, "", ""))
    return "".join(by.join(map(str, row)) + "\r\n" for row in rows).encode()


def workbook() -> bytes:
    made, content = Workbook(), io.BytesIO()
    for row in (HEADER, (NIK, DAY, 7), (CUT, None, None)):
        made.active.append(row)
    made.save(content)
    return content.getvalue()


def xls() -> bytes:
    return zlib.decompress(base64.b64decode(_XLS))


def ods() -> bytes:
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    parts = {
        "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
        "META-INF/manifest.xml": _MANIFEST,
        "content.xml": _ODS.replace("\n", "").format(header="".join(map(cell.format, HEADER))),
    }
    return _zipped({name: text.encode() for name, text in parts.items()})


def xlsb() -> bytes:
    """Binary parts of records, [MS-XLSB] 2.1.4: a number, a size, and what belongs to it."""

    def record(number: int, content: bytes = b"") -> bytes:
        kind = bytes([number]) if number < 128 else bytes([number % 128 | 128, number // 128])
        return kind + bytes([len(content)]) + content

    def text(value: str) -> bytes:
        return struct.pack("<I", len(value)) + value.encode("utf-16-le")

    def row(number: int, *cells: str | float) -> bytes:
        parts = [record(0, struct.pack("<I13x", number))]
        for column, value in enumerate(cells):
            place = struct.pack("<II", column, 0)
            is_text = isinstance(value, str)
            parts.append(record(6, place + text(value)) if is_text else record(5, place + struct.pack("<d", value)))  # type: ignore[arg-type]
        return b"".join(parts)

    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"
    link = f'<Relationship Id="rId1" Type="{relation}" Target="worksheets/sheet1.bin"/>'
    rels = f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{link}</Relationships>'
    bundle = record(0x9C, struct.pack("<II", 0, 1) + text("rId1") + text("Data"))
    rows = [HEADER, (NIK, DAY.isoformat(), 7.0), (CUT,)]
    data = b"".join(row(number, *cells) for number, cells in enumerate(rows))
    sheet = record(0x94, struct.pack("<IIII", 0, 2, 0, 2)) + record(0x91) + data + record(0x92)
    return _zipped(
        {
            "xl/_rels/workbook.bin.rels": rels.encode(),
            "xl/workbook.bin": record(0x83) + record(0x8F) + bundle + record(0x90) + record(0x84),
            "xl/worksheets/sheet1.bin": record(0x81) + sheet + record(0x82),
        }
    )


def dbf(
    fields: Sequence[tuple[str, str, int, int]], records: Sequence[bytes], *, version: int = 3, code: int = 0
) -> bytes:
    """A table of these fields: name, type, length, decimals."""
    described = b"".join(
        struct.pack("<11sc4xBB14x", name.encode(), kind.encode(), size, part) for name, kind, size, part in fields
    )
    width = 1 + sum(size for _, _, size, _ in fields)
    head = struct.pack("<B3xIHH17xB2x", version, len(records), 32 + len(described) + 1, width, code)
    return head + described + b"\r" + b"".join(records) + b"\x1a"


def _persons() -> bytes:
    fields = [("NIK", "C", 18, 0), ("TANGGAL", "D", 8, 0), ("RT", "N", 3, 0)]
    rows = [(NIK.ljust(18), f"{DAY:%Y%m%d}", "  7"), (str(CUT).ljust(18), " " * 8, "   ")]
    return dbf(fields, [f" {''.join(row)}".encode() for row in rows])


def _zipped(parts: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with ZipFile(content, "w") as packed:
        for name, part in parts.items():
            packed.writestr(name, part)
    return content.getvalue()


_OBJECTS = [f'{{"nik": "{NIK}", "tanggal": "{DAY}", "rt": 7}}', f'{{"nik": {CUT}}}']
_LINES = "\n".join(_OBJECTS).encode()

FILES: Mapping[str, bytes] = {
    "csv": delimited(";"),
    "txt": delimited("|"),
    "tsv": delimited("\t"),
    "xlsx": workbook(),
    "xlsm": workbook(),
    "xlsb": xlsb(),
    "xls": xls(),
    "ods": ods(),
    "json": f"[{', '.join(_OBJECTS)}]".encode(),
    "jsonl": _LINES,
    "ndjson": _LINES,
    "xml": _XML.format(NIK, DAY, CUT).encode(),
    "dbf": _persons(),
}
"""By the ending of the file's name."""
