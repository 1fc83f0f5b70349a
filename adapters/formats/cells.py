"""Takes from a cell what spreadsheets put around its text; the text itself is never interpreted.

Numbers, dates and identifiers stay as they are written: ``3,57101E+15`` is no NIK any more, and the event's schema says
so.
"""

from __future__ import annotations

import re

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


def name(cell: str) -> str:
    """A column's name: without blanks around it, single spaces within, upper and lower case kept."""
    return _SPACES.sub(" ", cell.strip(_BLANK))


def same(column: str) -> str:
    """What two spellings of a column's name have in common: ``NIK`` and ``Nik`` are one column."""
    return name(column).casefold()
