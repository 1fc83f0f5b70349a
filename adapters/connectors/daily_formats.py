"""The content of a daily file, with more rows: CSV as Excel opens it, or a workbook that keeps what people formatted.

Texts never become formulas: in CSV an apostrophe stands before what would be one, in a workbook they are text cells.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from zipfile import BadZipFile

from adapters.formats.repairs import LONGEST, text_cell
from bus.errors import Rejected

Rows = Sequence[Sequence[Any]]
Extended = Callable[[bytes | None, Sequence[str], Rows], bytes | None]

_MARK = b"\xef\xbb\xbf"
_FORMULA = tuple("=+-@\t\r")


def value_of(value: object, column: str, where: str) -> object:
    """A field's value as a cell holds it. Raises Rejected for a text that is too long for one."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, list | tuple | dict):
        value = json.dumps(value, ensure_ascii=False, default=str)
    if value is not None and not isinstance(value, bool | int | float | Decimal | date):
        value = str(value)
        if len(value) > LONGEST:
            raise Rejected(f"kolom {column}: lebih dari {LONGEST} huruf", where=where)
    return value


def csv_of(delimiter: str) -> Extended:
    """CSV with that delimiter, in UTF-8 with its mark."""

    def extended(content: bytes | None, header: Sequence[str], rows: Rows) -> bytes | None:
        found = list(header) if content is None else _header(content, delimiter)
        if found[: len(header)] != list(header):
            return None
        beside = [""] * (len(found) - len(header))  # columns of people: a row that lacks them cannot be read again
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=delimiter)
        if content is None:
            writer.writerow(header)
        writer.writerows([*map(_text, row), *beside] for row in rows)
        before = _MARK if content is None else content + b"\r\n" * (not content.endswith(b"\n"))
        return before + buffer.getvalue().encode(errors="replace")

    return extended


def _header(content: bytes, delimiter: str) -> list[str]:
    """The first row of a CSV file; empty where it has lost its mark, and with it perhaps its encoding."""
    if not content.startswith(_MARK):
        return []
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", errors="replace", newline="")
    try:
        return next(csv.reader(text, delimiter=delimiter), [])
    except csv.Error:  # a quotation mark that never ends
        return []


def _text(value: Any) -> Any:
    """A value in CSV; what is no number and begins as a formula gets an apostrophe, which file_drop takes off again."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def workbook(content: bytes | None, header: Sequence[str], rows: Rows) -> bytes | None:
    """An XLSX workbook; the rows stand in its first sheet."""
    from openpyxl import Workbook, load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    if content is None:
        book = Workbook()
        sheet = book.active
        sheet.append([text_cell(sheet, name) for name in header])
        sheet.freeze_panes = "A2"
    else:
        try:
            book = load_workbook(io.BytesIO(content))
        except (InvalidFileException, BadZipFile, OSError, KeyError, ValueError):
            return None
        sheet = book.worksheets[0]
        if [cell.value for cell in sheet[1]][: len(header)] != list(header):
            return None
    for row in rows:
        sheet.append([_cell(sheet, value) for value in row])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _cell(sheet: object, value: object) -> object:
    if isinstance(value, str):
        return text_cell(sheet, value)
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value  # a cell has no zone


def of(ending: str, delimiter: str) -> Extended:
    """How a file of that ending is written."""
    return FORMATS[ending](delimiter)


FORMATS: Mapping[str, Callable[[str], Extended]] = {"csv": csv_of, "xlsx": lambda _: workbook}
