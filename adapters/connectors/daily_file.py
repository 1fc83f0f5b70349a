"""A daily file that grows batch by batch: replaced as a whole each time, and no event stands in it twice.

    penertiban-2026-01-31.csv               what people read; they may move it away or edit it
    .penertiban-2026-01-31.csv.jurnal       the ids of its events, one line of JSON per batch
    .penertiban-2026-01-31.csv.<draft>.tmp  the next version, until it takes the file's place

A batch is written in three steps: the draft; a line of the journal that names it; the draft takes the file's place.
Whether a batch stands in the file is therefore seen after a crash: its draft is gone. A draft that is still there, and
the line that names it, are dropped, and the batch comes again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Protocol, TypedDict
from uuid import uuid4


class Place(Protocol):
    """A folder, here or elsewhere. Methods raise Unavailable and AccessError; what they return from is on disk."""

    async def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none."""

    async def write(self, name: str, content: bytes) -> None:
        """Writes a file of our own, anew."""

    async def append(self, name: str, content: bytes) -> None:
        """Adds to a file of our own."""

    async def replace(self, name: str, target: str) -> None:
        """A file takes the place of another, at once."""

    async def remove(self, name: str) -> None:
        """Removes a file of our own, where it is there."""

    async def names(self, start: str) -> Sequence[str]:
        """The names in the folder that start so."""


class Entry(TypedDict):
    """A line of the journal: the draft that became the file, and the events that it added."""

    draft: str
    id: list[str]


Extend = Callable[[bytes | None], bytes | None]  #: the content with more rows; None: it is not as we left it


class DailyFile:
    """One file. After an error its state is unknown: make a new one."""

    def __init__(self, place: Place, name: str) -> None:
        self._place, self._name = place, name
        self._journal = f".{name}.jurnal"
        self._known: set[bytes] = set()

    async def open(self) -> None:
        """Reads the journal, and drops what a crash has left of a batch. Raises Unavailable, AccessError."""
        noted = await self._place.read(self._journal) or b""
        drafts = [name for name in await self._place.names(f".{self._name}.") if name.endswith(".tmp")]
        lines = list(_whole(noted))
        kept = [line for line in lines if line["draft"] not in drafts]
        whole = b"".join(map(_line, kept))
        if whole != noted:
            await self._place.write(f"{self._journal}.baru", whole)
            await self._place.replace(f"{self._journal}.baru", self._journal)
        for draft in drafts:  # only now: as long as its draft is there, a line is known to be void
            await self._place.remove(draft)
        self._known = {_hash(event_id) for line in kept for event_id in line["id"]}

    def knows(self, event_id: str) -> bool:
        """Whether the event stands in the file, or did before people took it away."""
        return _hash(event_id) in self._known

    async def add(self, event_ids: Sequence[str], extend: Extend) -> None:
        """Adds a batch: all of it stands in the file afterwards, or nothing. Raises Unavailable, AccessError."""
        content = await self._place.read(self._name)
        extended = extend(content)
        if extended is None:
            await self._put_aside()
            extended = extend(None)
        draft = f".{self._name}.{uuid4().hex}.tmp"
        await self._place.write(draft, extended or b"")
        await self._place.append(self._journal, _line({"draft": draft, "id": list(event_ids)}))
        await self._place.replace(draft, self._name)
        self._known.update(map(_hash, event_ids))

    async def _put_aside(self) -> None:
        """A file whose header people have changed stays as it is, under another name."""
        plain, taken = PurePosixPath(self._name), set(await self._place.names(""))
        count = 2
        while (aside := f"{plain.stem} ({count}){plain.suffix}") in taken:
            count += 1
        await self._place.replace(self._name, aside)


def _whole(noted: bytes) -> Iterator[Entry]:
    """The lines of a journal up to the one in which a crash came."""
    for line in noted.splitlines(keepends=True):
        try:
            yield json.loads(line)
        except ValueError:
            return


def _line(entry: Entry) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _hash(event_id: str) -> bytes:
    """What is remembered of an id: half a day's worth of them fits in little memory."""
    return hashlib.blake2b(event_id.encode(), digest_size=12).digest()
