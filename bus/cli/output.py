"""How commands show things: tables, ages, times, sizes. Without a terminal every row stays on one line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

WIDE = 400  #: columns, where nobody looks at a terminal

_AGES = ((86_400, "d", "h", 3_600), (3_600, "h", "min", 60), (60, "min", "s", 1))
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024


def console() -> Any:
    """Where tables go: standard output."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=not terminal, width=None if terminal else WIDE)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table. A column whose name begins with ``#`` holds numbers."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, title=title or None, title_justify="left")
    for column in columns:
        number = column.startswith("#")
        made.add_column(column.lstrip("#"), justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        made.add_row(*(_cell(each) for each in row))
    console().print(made)


def document(value: Any) -> None:
    """Prints one JSON document on one line."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def age(milliseconds: int | None, *, now: float | None = None) -> str:
    """How long ago a moment (Unix ms) was: ``5 s``, ``3 min 20 s``, ``2 h 5 min``, ``4 d 1 h``."""
    if milliseconds is None:
        return "-"
    return duration((time.time() if now is None else now) - milliseconds / 1000)


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


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
