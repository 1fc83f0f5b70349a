"""Spreadsheets: XLSX, XLSM, XLSB, XLS and ODS, read by calamine (Rust; 100,000 rows in two seconds).

A sheet is held in memory while it is read, as the rectangle of its used cells (about 32 bytes a cell). Formulas give
the value that the program last saw; a formula in error (#N/A) gives an empty cell. Of merged cells the first has the
value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile, is_zipfile

from adapters.formats import cells, repairs
from adapters.formats.table import Cell, Layout, Row, Unreadable

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

LARGEST = 1 << 30  #: bytes of a file when unpacked; a sheet of a million rows has less
_LOOKED_AT = 50  # rows in which a header is looked for
_MOST = 0.6  # of the widest row's cells: a header has a name for most columns, a title has one cell
_AS_WORKBOOK = "buka dengan Excel, simpan sebagai Excel Workbook (.xlsx), lalu taruh lagi"


def open_table(path: Path, layout: Layout) -> SheetTable:
    """Opens a workbook's sheet and finds its header. Raises Unreadable in a clerk's words, and OSError as it comes."""
    from python_calamine import CalamineError, PasswordError, load_workbook

    _check_size(path)
    try:
        with path.open("rb") as file, load_workbook(file) as book:
            return SheetTable(_sheet(book, layout.sheet), layout)
    except PasswordError:
        raise Unreadable("berkas dikunci dengan kata sandi", hint="simpan tanpa kata sandi, lalu taruh lagi") from None
    except CalamineError:
        raise Unreadable("berkas ini bukan berkas spreadsheet, atau rusak", hint=_AS_WORKBOOK) from None


def _check_size(path: Path) -> None:
    """Raises Unreadable for an empty file, and for one that would fill the memory."""
    size = path.stat().st_size
    if size and is_zipfile(path):
        try:
            with ZipFile(path) as packed:
                size = sum(each.file_size for each in packed.infolist())
        except BadZipFile:
            raise Unreadable("berkas ini rusak", hint=_AS_WORKBOOK) from None
    if not size:
        raise Unreadable("berkas kosong", hint="periksa apakah penyalinan berkas sudah selesai, lalu taruh lagi")
    if size > LARGEST:
        raise Unreadable("berkas terlalu besar", hint="bagi menjadi beberapa berkas, lalu taruh lagi")


def _sheet(book: CalamineWorkbook, wanted: str) -> CalamineSheet:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    told = [each for each in book.sheets_metadata if each.typ == SheetTypeEnum.WorkSheet]
    if wanted:
        named = [each for each in told if cells.same(each.name) == cells.same(wanted)]
        if not named:
            raise Unreadable(f"lembar {wanted} tidak ada", hint="beri nama itu pada lembarnya, lalu taruh lagi")
        return book.get_sheet_by_name(named[0].name)
    visible = [each for each in told if each.visible == SheetVisibleEnum.Visible]
    if not (visible or told):
        raise Unreadable("berkas ini tidak punya lembar", hint=_AS_WORKBOOK)
    return book.get_sheet_by_name((visible or told)[0].name)


class SheetTable:
    """A sheet, open at its first row below the header."""

    def __init__(self, sheet: CalamineSheet, layout: Layout) -> None:
        self._rows = enumerate(sheet.iter_rows() if sheet.height else (), 1)
        list(islice(self._rows, layout.skip))
        above = list(islice(self._rows, _LOOKED_AT))
        at = _header_of([row for _, row in above], layout)
        self.header: tuple[str, ...] = tuple(cells.name(str(cells.of_value(each) or "")) for each in above[at][1])
        self._ahead = above[at + 1 :]

    def rows(self) -> Iterator[Row]:
        """The rows below the header that are not blank."""
        for numbered in (self._ahead, self._rows):
            for number, values in numbered:
                row: list[Cell] = [cells.of_value(value) for value in values]
                if any(cell is not None for cell in row):
                    yield Row(number, row, repairs.packed(row))

    def rejected(self, originals: Iterable[str]) -> Iterator[bytes]:
        """A workbook with only these rows."""
        return repairs.as_workbook(self.header, originals)

    def close(self) -> None:
        """Lets the sheet go."""
        self._rows, self._ahead = enumerate(()), []


def _header_of(rows: Sequence[Sequence[Any]], layout: Layout) -> int:
    """Which of the rows is the header: has the names expected, or else names most columns. Raises Unreadable."""
    filled = [sum(cells.of_value(value) is not None for value in row) for row in rows]
    if not any(filled):
        raise Unreadable("tidak ada judul kolom", hint="baris pertama lembar harus berisi nama kolom")
    if not layout.search:
        return 0
    known = [sum(isinstance(value, str) and cells.same(value) in layout.expected for value in row) for row in rows]
    if any(known):
        return known.index(max(known))
    widest = max(filled)
    return next(at for at, count in enumerate(filled) if count >= _MOST * widest)
