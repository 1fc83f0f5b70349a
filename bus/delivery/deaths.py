"""Recognises a message that kills its process: what was in hand is written down before it is applied and struck out
after.

A process that finds something in hand at its start knows that its predecessor died with it. A whole batch in hand
makes all of its messages suspects, which are then applied one at a time; one that was alone in hand at three deaths
is the culprit. The file needs no sync: it guards against the death of a process, not of a machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FATAL = 3  #: deaths with a message alone in hand


class Deaths:
    """The journal of one subscription."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._counts_path = path.with_suffix(".deaths")
        self._file = path.open("a+")
        self._file.seek(0)
        in_hand = self._file.read().split()
        self._counts: dict[str, int] = self._load()
        for event_id in in_hand:
            self._counts[event_id] = self._counts.get(event_id, 0) + (1 if len(in_hand) == 1 else 0)
        if in_hand:
            self._save()
        self._hand: set[str] = set()
        self._write()

    def suspect(self, event_id: str) -> bool:
        """Whether a process died with this event in hand."""
        return event_id in self._counts

    def fatal(self, event_id: str) -> bool:
        """Whether this event has killed its process too often."""
        return self._counts.get(event_id, 0) >= FATAL

    @contextmanager
    def in_hand(self, event_ids: Sequence[str]) -> Iterator[None]:
        """These events are being applied; leaving by an error is no death."""
        self._hand.update(event_ids)
        self._write()
        try:
            yield
        finally:
            self._hand.difference_update(event_ids)
            self._write()

    def acquit(self, event_ids: Sequence[str]) -> None:
        """These events are settled: no longer suspects."""
        if self._counts:
            known = len(self._counts)
            for event_id in event_ids:
                self._counts.pop(event_id, None)
            if len(self._counts) != known:
                self._save()

    def close(self) -> None:
        """Closes the journal."""
        self._file.close()

    def _write(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(" ".join(self._hand))
        self._file.flush()

    def _load(self) -> dict[str, int]:
        return json.loads(self._counts_path.read_text()) if self._counts_path.exists() else {}

    def _save(self) -> None:
        temporary = self._counts_path.with_suffix(".new")
        temporary.write_text(json.dumps(self._counts))
        temporary.replace(self._counts_path)
