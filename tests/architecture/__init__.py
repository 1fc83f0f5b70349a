"""Guards of the tree's shape: who imports whom, what a folder must have, how large a module may grow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("bus", "adapters", "schemas")


def modules(root: Path = ROOT) -> Iterator[Path]:
    """Every module of the product."""
    for package in PACKAGES:
        yield from sorted((root / package).rglob("*.py"))
