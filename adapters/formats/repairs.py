"""Writes rejected rows so that a clerk can mend them in a spreadsheet program: as a workbook, or as CSV.

A row travels as the JSON of its cells. What looks like a number stays text: a NIK must not lose its digits on the way.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from adapters.formats.table import Cell

LONGEST = 32_767  #: characters that a cell of a workbook holds

_LIKE_A_NUMBER = re.compile(r"0\d+|\d{12,}")  # what a spreadsheet would shorten when it opens the CSV
_ILLEGAL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")  # no characters of XML 1.0


def packed(cells: Sequence[Cell]) -> str:
    """A row's cells as one line of text."""
    return json.dumps(cells, ensure_ascii=False, separators=(",", ":"))


def as_csv(header: Sequence[str], originals: Iterable[str]) -> Iterator[bytes]:
    """A CSV file as Excel opens it: UTF-8 with its mark, semicolons, long numbers as ``="…"``."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";")
    yield b"\xef\xbb\xbf"
    for row in chain([header], map(_unpacked, originals)):
        writer.writerow([_guarded(cell) for cell in row])
        yield buffer.getvalue().encode(errors="replace")
        buffer.seek(0)
        buffer.truncate()


def as_workbook(header: Sequence[str], originals: Iterable[str]) -> Iterator[bytes]:
    """An XLSX file with one sheet; texts are text cells, never formulas."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("Ditolak")
    for row in chain([header], map(_unpacked, originals)):
        sheet.append([text_cell(sheet, cell) if isinstance(cell, str) else cell for cell in row])
    buffer = io.BytesIO()
    book.save(buffer)
    yield buffer.getvalue()


def _guarded(cell: Cell) -> Cell:
    return f'="{cell}"' if isinstance(cell, str) and _LIKE_A_NUMBER.fullmatch(cell) else cell


def text_cell(sheet: object, text: str) -> object:
    """A cell that shows a text as it is, whatever it begins with, and goes on doing so when it is edited."""
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, value=_ILLEGAL.sub("\ufffd", text)[:LONGEST])
    cell.data_type, cell.number_format = "s", "@"
    return cell


def _unpacked(original: str) -> Sequence[Cell]:
    cells: list[Cell] = json.loads(original)
    return cells
