"""Many rows on their way into an application, some at a time: a test of memory writes more than it may hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

PART = 1_000


def in_parts(rows: Iterable[T]) -> Iterator[list[T]]:
    """The rows in lists of ``PART``, in order."""
    left = iter(rows)
    while part := list(islice(left, PART)):
        yield part
