"""Takes from a cell what spreadsheets put around its text; the text itself is never interpreted.

Numbers, dates and identifiers stay as they are written: ``3,57101E+15`` is no NIK any more, and the event's schema says
so.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from adapters.formats.table import Cell

EXACT = 10**15  #: from here on a spreadsheet may have cut the digits of a number

_BLANK = " \t\r\n\v\f\ufeff\u00a0\u200b"  # with the byte order mark, the no-break and the zero-width space
_TEXT_MARK = re.compile(r"'(?=[\d+\-=@])")  # '0012 keeps a number as text; 'Aisyah is a name
_TEXT_FORMULA = re.compile(r'="([^"]*)"')  # ="0012", how banks keep leading zeros
_SPACES = re.compile(r"\s+")


def clean(cell: str) -> str | None:
    """The cell's text without blanks around it, apostrophe or ``="…"`` that mark text; None where nothing is left.

    A cell that is empty, quoted or not, has no value: CSV cannot tell an empty text from none.
    """
    text = cell.strip(_BLANK)
    if text.startswith("="):
        formula = _TEXT_FORMULA.fullmatch(text)
        text = formula[1].strip(_BLANK) if formula else text
    elif text.startswith("'"):
        text = _TEXT_MARK.sub("", text, count=1)
    return text or None


def of_value(value: object) -> Cell:
    """A value that has a type, as a cell: dates as ISO 8601, whole numbers as exact text, as a CSV file has them.

    A float with a fraction stays one, since its text could be read as thousands ("1.125"); so does one of 16 digits or
    more, so that an identifier that a spreadsheet has cut is recognised.
    """
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if abs(value) < EXACT and value.is_integer() else value
    return _of_time(value)


def _of_time(value: object) -> str | None:
    if isinstance(value, timedelta):
        value = (datetime.min + value).time()  # noqa: DTZ901 - a clock's time has no zone
    if isinstance(value, datetime):
        return (value.date() if value.time() == time() else value).isoformat()
    return value.isoformat() if isinstance(value, date | time) else clean(str(value))


def name(cell: str) -> str:
    """A column's name: without blanks around it, single spaces within, upper and lower case kept."""
    return _SPACES.sub(" ", cell.strip(_BLANK))


def same(column: str) -> str:
    """What two spellings of a column's name have in common: ``NIK`` and ``Nik`` are one column."""
    return name(column).casefold()
