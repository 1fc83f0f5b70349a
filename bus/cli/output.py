"""How commands show things: tables, ages, times, sizes. Without a terminal every row stays on one line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

WIDE = 400  #: columns, where nobody looks at a terminal
WHOLE = ("ID", "APPLICATION", "PLACE")  #: columns that a person copies: never wrapped
NOTHING = "-"  #: a cell without a value
ROOM = 24  #: columns of a terminal in which a long text can be read

_AGES = ((86_400, "d", "h", 3_600), (3_600, "h", "min", 60), (60, "min", "s", 1))
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024


def console() -> Any:
    """Where tables go: standard output."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=not terminal, width=None if terminal else WIDE)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table. A column whose name begins with ``#`` holds numbers; one that begins with ``+`` goes on a line
    below its row where the terminal is too narrow for all of them.
    """
    screen = console()
    names = [each.lstrip("#+") for each in columns]
    cells = [[_cell(each) for each in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    least = [
        min(width, ROOM) if column.startswith("+") and name not in WHOLE else width
        for column, name, width in zip(columns, names, widths, strict=True)
    ]
    if title:
        screen.print(title, style="italic")
    if screen.is_terminal and any(each.startswith("+") for each in columns) and _apart(least) > screen.width:
        _stacked(screen, columns, [names, *cells], widths)
    else:
        _side_by_side(screen, columns, cells, widths)
    if screen.is_terminal:
        screen.print()


def hanging(rows: Iterable[tuple[str, str]]) -> None:
    """Prints what is said of each name, beside it."""
    from rich.table import Table

    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for row in rows:
        made.add_row(*row)
    console().print(made)


def document(value: Any) -> None:
    """Prints one JSON document on one line."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def age(milliseconds: int | None, *, now: float | None = None) -> str:
    """How long ago a moment (Unix ms) was: ``5 s``, ``3 min 20 s``, ``2 h 5 min``, ``4 d 1 h``."""
    if milliseconds is None:
        return "-"
    return duration((time.time() if now is None else now) - milliseconds / 1000)


def about(milliseconds: int | None, *, now: float | None = None) -> str:
    """The same in the largest unit alone."""
    return " ".join(age(milliseconds, now=now).split()[:2])


def duration(seconds: float) -> str:
    """A length of time in the two largest units that matter."""
    whole = max(0, int(seconds))
    for size, unit, lower, part in _AGES:
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {lower}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def size(count: float) -> str:
    """Bytes in units of 1024."""
    for unit in _SIZES:
        if count < _STEP or unit == _SIZES[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _STEP
    return ""


def moment(milliseconds: int | None) -> str:
    """A time (Unix ms) as this machine's clock shows it; the date where it is not today's."""
    if milliseconds is None:
        return "-"
    then = datetime.fromtimestamp(milliseconds / 1000).astimezone()
    today = then.date() == datetime.now().astimezone().date()
    return then.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")


def rfc3339(milliseconds: int | None) -> str | None:
    """A time (Unix ms) for a script: RFC 3339 in UTC."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def milliseconds(text: str) -> int | None:
    """An RFC 3339 time as Unix milliseconds; None where the text is empty."""
    return int(datetime.fromisoformat(text).timestamp() * 1000) if text else None


def counted(count: int, one: str) -> str:
    """How many there are: ``1 event``, ``2,000 events``."""
    return f"{count:,} {one}{'' if count == 1 else 's'}"


def _apart(widths: Sequence[int]) -> int:
    """How wide columns are with two blanks between them."""
    return sum(widths) + 2 * (len(widths) - 1)


def _side_by_side(screen: Any, columns: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
    from rich import box
    from rich.table import Table

    frame, gap = (box.SIMPLE_HEAD, 1) if screen.is_terminal else (None, 2)
    made = Table(box=frame, show_edge=False, pad_edge=False, padding=(0, gap, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        number, name = column.startswith("#"), column.lstrip("#+")
        least = width if number or name in WHOLE else None
        made.add_column(name, justify="right" if number else "left", min_width=least, overflow="fold")
    for row in cells:
        made.add_row(*row)
    screen.print(made, crop=False)


def _stacked(screen: Any, columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
    """Each row, the names of the columns first, with its long texts below it."""
    from rich.padding import Padding

    long = [number for number, column in enumerate(columns) if column.startswith("+")]
    short = [number for number in range(len(columns)) if number not in long]
    for row in rows:
        cells = [
            row[each].rjust(widths[each]) if columns[each].startswith("#") else row[each].ljust(widths[each])
            for each in short
        ]
        style = "bold" if row is rows[0] else None
        screen.print("  ".join(cells).rstrip(), style=style, soft_wrap=True)
        if any(row[each] != NOTHING for each in long):
            screen.print(Padding(" · ".join(row[each] for each in long), (0, 0, 0, 4), expand=False), style=style)


def _cell(value: object) -> str:
    if value is None or value == "":
        return NOTHING
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
