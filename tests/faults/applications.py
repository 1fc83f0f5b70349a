"""The applications on both sides: SQLite databases whose triggers write down every write, and what they must agree on.

A source is a log of deaths, several of the same person: ``akta`` numbers the rows in the order in which they were
written. A target keeps the last of each person; its ``catatan`` has one row for every write, in the order of writing.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

PERSONS = 4_000
EPOCH = datetime(2026, 1, 1)  # noqa: DTZ001 - local times, as the application keeps them

_SOURCE = """
PRAGMA journal_mode=WAL;
CREATE TABLE log_penduduk (id INTEGER PRIMARY KEY, nik TEXT, tgl TEXT, akta TEXT, updated_at TEXT);
CREATE INDEX log_updated ON log_penduduk (updated_at, id);
"""
_TARGET = """
PRAGMA journal_mode=WAL;
CREATE TABLE kematian (nik TEXT PRIMARY KEY, akta TEXT, event_id TEXT);
CREATE TABLE perintah (akta TEXT, apa TEXT, kali REAL);
CREATE TABLE catatan (nomor INTEGER PRIMARY KEY, event_id TEXT, nik TEXT, akta TEXT, at TEXT);
CREATE TRIGGER catat_baru AFTER INSERT ON kematian BEGIN
    INSERT INTO catatan (event_id, nik, akta, at) VALUES (new.event_id, new.nik, new.akta, strftime('%f', 'now'));
END;
CREATE TRIGGER catat_ubah AFTER UPDATE ON kematian BEGIN
    INSERT INTO catatan (event_id, nik, akta, at) VALUES (new.event_id, new.nik, new.akta, strftime('%f', 'now'));
END;
"""


def nik(person: int) -> str:
    """The NIK of an invented person."""
    return f"3571{person // 900 % 3 + 1:02d}0101{person // 9000 % 60 + 40:02d}{person % 9000 + 1:04d}"


@dataclass(frozen=True)
class Row:
    """One row of a source."""

    number: int
    nik: str

    @property
    def akta(self) -> str:
        """The number of the row, as a document's number."""
        return f"{self.number:06d}"


def rows(first: int, count: int, *, seed: int, persons: int = PERSONS) -> list[Row]:
    """Rows about persons drawn at random: some have several, some none."""
    draw = random.Random(f"{seed}-{first}")
    return [Row(number, nik(draw.randrange(persons))) for number in range(first, first + count)]


def singles(first: int, count: int) -> list[Row]:
    """Rows about as many persons."""
    return [Row(number, nik(number)) for number in range(first, first + count)]


class Source:
    """The database of an application that emits."""

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, f"sqlite:///{path}"
        with closing(sqlite3.connect(path)) as db:
            db.executescript(_SOURCE)

    def write(self, written: Iterable[Row]) -> None:
        """Writes rows, in one transaction."""
        values = [
            (each.number, each.nik, "2026-03-15", each.akta, str(EPOCH + timedelta(seconds=each.number)))
            for each in written
        ]
        self.run("INSERT INTO log_penduduk VALUES (?, ?, ?, ?, ?)", *values)

    def run(self, statement: str, *values: Sequence[object]) -> None:
        """Runs a statement for each of these values, in one transaction."""
        with closing(sqlite3.connect(self.path, timeout=30)) as db, db:
            db.executemany(statement, values or [()])


class Target:
    """The database of an application that consumes."""

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, f"sqlite:///{path}"
        self.run(_TARGET)

    def written(self) -> list[tuple[str, str, str]]:
        """Every write so far, in order: event id, NIK, akta."""
        return [(row[0], row[1], row[2]) for row in self.ask("SELECT event_id, nik, akta FROM catatan ORDER BY nomor")]

    def count(self) -> int:
        """How many writes there were."""
        return int(self.ask("SELECT count(*) FROM catatan")[0][0])

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with closing(sqlite3.connect(self.path, timeout=30)) as db:
            return db.execute(query).fetchall()

    def order(self, akta: str, what: str, number: float = 0) -> None:
        """Tells the handler ``contracts.OBEDIENT`` what to do with a death."""
        self.run(f"INSERT INTO perintah VALUES ('{akta}', '{what}', {number})")

    def obey(self) -> None:
        """Takes all orders back: the application is repaired."""
        self.run("DELETE FROM perintah")

    def aktas(self, person: str) -> list[str]:
        """What was written about a person, in order."""
        return [akta for _, nik, akta in self.written() if nik == person]

    def run(self, script: str) -> None:
        """Runs statements."""
        with closing(sqlite3.connect(self.path, timeout=30)) as db:
            db.executescript(script)


@dataclass(frozen=True)
class Verdict:
    """What the two ends disagree on; all empty where everything is right."""

    lost: list[str]
    twice: list[str]
    strange: list[str]
    disordered: list[str]

    def __bool__(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.lost or self.twice or self.strange or self.disordered)


def compare(expected: Iterable[Row], written: Sequence[tuple[str, str, str]]) -> Verdict:
    """Every expected row is written once, and those of one person in the order of their numbers."""
    wanted = {row.akta for row in expected}
    counts = Counter(akta for _, _, akta in written)
    events = Counter(event_id for event_id, _, _ in written)
    of_person: dict[str, list[str]] = defaultdict(list)
    for _, person, akta in written:
        of_person[person].append(akta)
    return Verdict(
        lost=sorted(wanted - counts.keys()),
        twice=sorted(akta for akta, count in counts.items() if count > 1)
        + sorted(event for event, count in events.items() if count > 1),
        strange=sorted(counts.keys() - wanted),
        disordered=sorted(" ".join(aktas) for aktas in of_person.values() if aktas != sorted(aktas)),
    )
