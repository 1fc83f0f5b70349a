"""What a source's records looked like when they were last emitted: per record key a content digest and a change
counter.

It makes the same row the same event however often it is read: a re-saved spreadsheet is none, yesterday's full dump
plus one row is one, A -> B -> A is three. It lies beside the adapter in SQLite, and in the stored cursors, each of
which carries the entries of its batch. From them it is rolled forward after a crash between the storing of a batch and
the writing of the ledger, and made anew on another machine. Since cursors are not kept for ever all entries are told
again in time, a few each day. It knows the position of the last cursor, for a source that was off for
longer than the stream keeps one.

It holds digests, and of facts that a source may withdraw whom they are about: where a clerk had mistaken the person,
the event about the first one is withdrawn when the row names another (UU 27/2022 art. 30: mended without delay).
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b85decode, b85encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex
from time import time
from typing import Any, NamedTuple, cast

import structlog

from bus.ports import Position, Record

log = structlog.get_logger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    key BLOB PRIMARY KEY, content BLOB NOT NULL, mark BLOB NOT NULL, count INTEGER NOT NULL, ids TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (key BLOB PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

PARTS = 16  #: in which the entries are told again, within a third of the time for which a cursor is kept

_NEITHER: Sequence[Any] = ({}, "")  #: told and refused, of an entry that has neither


class Told(NamedTuple):
    """The latest event of a type that a record became."""

    id: str
    key: str  #: whom or what it is about, as its data say; empty once it is withdrawn


@dataclass(frozen=True, slots=True)
class Entry:
    """The last known state of one record key. ``told`` has what may have to be withdrawn, by the event's type.

    ``content`` is the digest of what was emitted last, ``refused`` that of what was rejected since; empty: nothing was.
    """

    key: bytes
    content: bytes
    mark: bytes
    count: int
    told: Mapping[str, Told] = field(default_factory=dict)
    refused: bytes = b""

    def dump(self) -> list[Any]:
        """As JSON, for the cursor."""
        binary = [b85encode(value).decode() for value in (self.key, self.content, self.mark)]
        told, refused = dict(self.told), b85encode(self.refused).decode()
        return [*binary, self.count, *([told, refused] if refused else [told] if told else [])]

    @classmethod
    def load(cls, values: Sequence[Any]) -> Entry:
        """The inverse of ``dump``."""
        key, content, mark = (b85decode(value) for value in values[:3])
        told, refused = (*values[4:], *_NEITHER[len(values) - 4 :])
        return cls(key, content, mark, values[3], _told(told), b85decode(refused))


class Version(NamedTuple):
    """Which change of its key a record is."""

    text: str
    counter: int


class Ledger:
    """The ledger of one source."""

    def __init__(self, path: Path, *, keep: timedelta = timedelta.max) -> None:
        """``keep`` is how long the stream keeps a cursor."""
        self._keep = keep
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)  # also one of before; what SQLite lays beside it follows
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_SCHEMA}")
        self._sequence = -1  # of the last commit
        self._refuses = self._db.execute("SELECT count(*) FROM refused").fetchone()[0] > 0
        self._empty = self._db.execute("SELECT 1 FROM entry LIMIT 1").fetchone() is None
        self.epoch = self._state("epoch") or self._reset()
        if self._state("told again") is None:
            self._remember("told again", str(time()))
        self._told_again = float(self._state("told again") or 0)

    def resume(self, cursor: Mapping[str, Any] | None, sequence: int, source: str) -> Position | None:
        """Catches up with the stored cursor and returns its position, None where all begins anew: the stream knows no
        cursor, since it is another stream or a person removed it. One that was not removed but has expired is as good
        as there: what was told before it would be told again under other ids.
        """
        if cursor is None:
            if (expired := self._expired()) is not None:
                log.warning("the cursor has expired: goes on where the ledger says", source=source, at=expired["at"])
                self._remember("whole", self._state("sequence") or "0")  # gone, so that nobody takes the rest for all
                self._remember("part behind", "")
                return cast(Position, expired["position"])
            self.epoch = self._reset()
            return None
        if self.sequence != sequence:
            self.roll_forward(cursor, sequence)
        return cast(Position, cursor["position"])

    def follows(self, cursor: Mapping[str, Any], sequence: int) -> bool:
        """Whether it has all that is remembered up to a cursor, or up to the one before, whose entries that carries."""
        known = self.sequence
        return bool(cursor["epoch"] == self.epoch) and (known >= sequence or known == cursor["after"])

    @property
    def sequence(self) -> int:
        """Of the last cursor that it knows."""
        return int(self._state("sequence") or 0)

    def adopt(self, epoch: str, whole: int) -> None:
        """Goes on where another ledger was, in its epoch; "": in a new one, since not all of that is known. What is
        known, the cursors from ``whole`` on carry.
        """
        self.epoch = epoch or token_hex(8)
        self._db.execute("BEGIN")
        self._remember("epoch", self.epoch)
        self._remember("whole", str(whole))
        self._remember("part behind", "")
        self._db.execute("COMMIT")

    def roll_forward(self, cursor: Mapping[str, Any], sequence: int) -> None:
        """Remembers what a stored cursor carries."""
        self.commit([Entry.load(values) for values in cursor["ledger"]], sequence, cursor)

    def _expired(self) -> Mapping[str, Any] | None:
        """The last cursor, where it is so old that the stream has none any more."""
        last: Mapping[str, Any] | None = json.loads(self._state("cursor") or "null")
        if last is None or datetime.now(UTC) - datetime.fromisoformat(last["at"]) < self._keep:
            return None
        return last

    def look(self, keys: Iterable[bytes]) -> dict[bytes, Entry]:
        """The entries of these keys, where there are any."""
        wanted = list(keys)
        found: dict[bytes, Entry] = {}
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            query = f"SELECT e.*, r.content FROM entry e LEFT JOIN refused r ON r.key = e.key WHERE e.key IN ({marks})"  # noqa: S608
            for key, content, mark, count, ids, refused in self._db.execute(query, part):
                found[key] = Entry(key, content, mark, count, _told(json.loads(ids) if ids else {}), refused or b"")
        return found

    def version(self, record: Record, before: Entry | None) -> Version:
        """The version of a changed record: the source's own, or mark (or epoch) and counter.

        Where the source has marks the counter starts again at each: then the version, and so the event's id, does
        not depend on what the ledger remembers. Without marks it never starts again, and a lost ledger begins a new
        epoch.
        """
        if record.version is not None:
            return Version(record.version, before.count + 1 if before else 1)
        if record.mark:
            count = before.count + 1 if before and before.mark == mark_of(record) else 1
            return Version(f"{record.mark}#{count}", count)
        count = before.count + 1 if before else 1
        return Version(f"{self.epoch}#{count}", count)

    def commit(self, entries: Sequence[Entry], sequence: int, cursor: Mapping[str, Any] | None = None) -> None:
        """Remembers the entries of a stored batch, whose ``cursor``, where it has a new one, is at ``sequence``."""
        if not entries and sequence == self._sequence:
            return
        self._empty = self._empty and not entries
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?)",
            [(e.key, e.content, e.mark, e.count, json.dumps(dict(e.told)) if e.told else "") for e in entries],
        )
        refused = {e.key: e.refused for e in entries}  # of a key the last
        if self._refuses or any(refused.values()):  # few sources have bad rows
            self._refuses = True
            self._db.executemany("DELETE FROM refused WHERE key = ?", [(key,) for key in refused])
            self._db.executemany("INSERT INTO refused VALUES (?, ?)", [each for each in refused.items() if each[1]])
        self._remember("sequence", str(sequence))
        if cursor is not None:
            self._remember("whole", str(cursor.get("whole", 0)))
            self._remember("cursor", json.dumps({"position": cursor["position"], "at": cursor["at"]}))
        self._db.execute("COMMIT")
        self._sequence = sequence

    @property
    def empty(self) -> bool:
        """Whether it remembers nothing."""
        return self._empty

    def whole_from(self, sequence: int) -> int:
        """From which cursor on the stored ones carry all of it, so that another ledger can be made of them; 0: from the
        very first. ``sequence`` is the latest cursor's.
        """
        return sequence if self._empty else int(self._state("whole") or 0)

    @property
    def due(self) -> bool:
        """Whether it is time to tell some of it again: cursors are not kept for ever."""
        return time() - self._told_again > self._keep.total_seconds() / 3 / PARTS

    def part(self) -> list[Entry]:
        """What is to be told again now."""
        count = self._db.execute("SELECT count(*) FROM entry").fetchone()[0]
        query = "SELECT key FROM entry WHERE key > ? ORDER BY key LIMIT ?"
        keys = [row[0] for row in self._db.execute(query, (self._part_behind(), -(-count // PARTS)))]
        return list(self.look(keys).values())

    def told_again(self, part: Sequence[Entry], before: int) -> None:
        """A part is stored behind the cursor at ``before``. After the last part it begins with the first."""
        self._told_again = time()
        last = max((entry.key for entry in part), default=b"")
        more = self._db.execute("SELECT 1 FROM entry WHERE key > ? LIMIT 1", (last,)).fetchone() is not None
        self._db.execute("BEGIN")
        self._remember("told again", str(self._told_again))
        if not self._part_behind():
            self._remember("begun", str(before))
        if not more:
            self._remember("whole", self._state("begun") or "0")
        self._remember("part behind", b85encode(last).decode() if more else "")
        self._db.execute("COMMIT")

    def _part_behind(self) -> bytes:
        return b85decode(self._state("part behind") or "")

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def _reset(self) -> str:
        epoch = token_hex(8)
        self._db.execute("BEGIN")
        self._db.execute("DELETE FROM entry")
        self._db.execute("DELETE FROM refused")
        self._remember("epoch", epoch)
        self._remember("sequence", "0")
        self._remember("cursor", "null")
        self._remember("whole", "0")
        self._remember("part behind", "")
        self._db.execute("COMMIT")
        self._sequence, self._empty = 0, True
        return epoch

    def _state(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def _remember(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, value))


def _told(values: Mapping[str, Sequence[str] | str]) -> dict[str, Told]:
    # Older ledgers have the ids alone: whom those are about, nobody knows any more.
    return {label: Told(each, "") if isinstance(each, str) else Told(*each) for label, each in values.items()}


def key_of(record: Record) -> bytes:
    """The digest by which the ledger knows a record."""
    return blake2b(record.key.encode(), digest_size=12).digest()


def mark_of(record: Record) -> bytes:
    """The digest of a record's mark."""
    return blake2b(record.mark.encode(), digest_size=6).digest() if record.mark else b""
