"""The figures as a table for people and as one JSON object for scripts."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.figures import Figure


def table(figures: Sequence[Figure], console: Console) -> None:
    """Prints every figure, and the profiles of those that fall short."""
    shown = Table(title=f"{os.cpu_count()} cores, Python {platform.python_version()}", title_justify="left")
    for heading in ("figure", "what", "must be", "is", "ours /s", "peer /s", "", "stolen"):
        shown.add_column(heading, justify="left" if heading in {"figure", "what"} else "right")
    for figure in figures:
        target = figure.target
        shown.add_row(
            target.name,
            target.what,
            f"{'<=' if target.ceiling else '>='} {target.required:,g} {target.unit}",
            f"{figure.value:,g} {target.unit}",
            "" if figure.ours is None else f"{figure.ours:,.0f}",
            "" if figure.peer is None else f"{figure.peer:,.0f}",
            "SHORT" if figure.short else "ok",
            f"{figure.stolen:g} %",
        )
    console.print(shown)
    for figure in figures:
        if figure.profile:
            console.print(f"\n{figure.target.name}: where the time goes", highlight=False)
            console.print("\n".join(f"  {line}" for line in figure.profile), highlight=False, markup=False)


def document(figures: Sequence[Figure], *, quick: bool) -> dict[str, Any]:
    """Everything, for a script: ``figures`` by name, ``short`` the names of those that fall short."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "quick": quick,
        "figures": {figure.target.name: figure.dump() for figure in figures},
        "short": [figure.target.name for figure in figures if figure.short],
    }


def line(figures: Sequence[Figure], *, quick: bool) -> str:
    """The same as one line."""
    return json.dumps(document(figures, quick=quick), ensure_ascii=False)
