"""The demo audits itself, by SQL over the databases at both ends alone: nothing here knows of the bus.

lost                 expected rows that their target does not hold as expected, and bad rows that are no dead letter
duplicates_applied   writes of a target row by an event that had written that row before
unexpected           rows in a target that no source accounts for, and dead letters of rows that were good
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from adapters.demo import lists
from adapters.demo.applications import APPLICATIONS, OUTSIDE
from adapters.demo.flows import BAD, FLOWS, REJECTS, Flow

DATABASES = tuple(each.app for each in APPLICATIONS if each.targets or each.sources)
TARGETS = tuple(each.app for each in APPLICATIONS if each.targets)

DeadLetters = Mapping[tuple[str, str], int]  #: (application, place) -> how many distinct ones

_VIEWS = """
CREATE TEMP VIEW warga AS
SELECT id, CAST(nik AS TEXT) AS nik, nama, status_dasar, tanggallahir,
       LENGTH(CAST(nik AS TEXT)) = 16 AS nik_sah, tanggallahir NOT LIKE '0000%' AS tanggal_sah
FROM siak.tweb_penduduk;
CREATE TEMP VIEW kematian AS
SELECT w.nik, c.apa, c.waktu FROM siak.catatan_sumber c JOIN warga w ON w.id = c.kunci WHERE c.tabel = 'kematian';
"""


@dataclass(frozen=True)
class Account:
    """One flow's account. All but ``twice`` (writes) count rows; ``latencies`` are milliseconds in rising order."""

    story: str
    name: str
    expected: int
    missing: int
    twice: int
    unexpected: int
    latencies: Sequence[float] = ()


@dataclass(frozen=True)
class Audit:
    """What the audit found. Times are milliseconds from the write in the source to the write in the target."""

    accounts: Sequence[Account]
    applied: int  #: distinct (target row, event)
    duplicates_applied: int
    dead_letters: int
    lost: int
    unexpected: int
    latencies: Sequence[float]

    @property
    def ok(self) -> bool:
        """Nothing lost, nothing twice, nothing out of nowhere."""
        return not (self.lost or self.duplicates_applied or self.unexpected)

    def percentile(self, share: float) -> float:
        """The latency that this share of the writes did not exceed."""
        return percentile(self.latencies, share)


def percentile(rising: Sequence[float], share: float) -> float:
    """By nearest rank; 0 where there is nothing."""
    return rising[max(0, ceil(share * len(rising)) - 1)] if rising else 0.0


def audit(folder: Path, dead_letters: DeadLetters, *, since: str = "") -> Audit:
    """Compares both ends. ``folder`` holds the databases; only writes in sources after ``since`` are timed."""
    with closing(_attach(folder)) as connection:
        accounts = [_account(connection, flow, since) for flow in FLOWS]
        accounts += _rejects(connection, dead_letters)
        applied, duplicates = _writes(connection)
        return Audit(
            accounts=accounts,
            applied=applied,
            duplicates_applied=duplicates,
            dead_letters=sum(dead_letters.values()),
            lost=sum(each.missing for each in accounts),
            unexpected=sum(each.unexpected for each in accounts),
            latencies=sorted(latency for each in accounts for latency in each.latencies),
        )


def first_write(folder: Path) -> str | None:
    """When the first event arrived in a target, UTC; None: not yet."""
    with closing(_attach(folder)) as connection:
        union = " UNION ALL ".join(f"SELECT MIN(waktu) AS waktu FROM {name}.catatan_target" for name in TARGETS)  # noqa: S608
        found: str | None = connection.execute(f"SELECT MIN(waktu) FROM ({union})").fetchone()[0]  # noqa: S608
        return found


def _attach(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / OUTSIDE, timeout=20)  # SQLite attaches ten more, and not one above
    for name in DATABASES:
        connection.execute(f"ATTACH DATABASE ? AS {name}", (str(folder / f"{name}.db"),))
    connection.executescript(_VIEWS)
    lists.attach(connection, folder)
    return connection


def _account(connection: sqlite3.Connection, flow: Flow, since: str) -> Account:
    expected, actual = _rows(connection, flow.expected), _rows(connection, flow.actual)
    return Account(
        story=flow.story,
        name=flow.name,
        expected=len(expected),
        missing=len(expected - actual),
        twice=_twice(connection, flow),
        unexpected=len(actual - expected),
        latencies=sorted(_latencies(connection, flow, since)) if flow.origin else (),
    )


def _twice(connection: sqlite3.Connection, flow: Flow) -> int:
    """How often an event was applied again to a row of a flow's target."""
    if not flow.target:
        return 0
    place, table = flow.target.split(".")
    rows = f"temp.{table}" if place == "temp" else f"{place}.catatan_target WHERE tabel = '{table}' AND kunci LIKE ?"
    query = f"SELECT COUNT(*) - COUNT(DISTINCT kunci || ' ' || event_id) FROM {rows}"  # noqa: S608
    found: int = connection.execute(query, (flow.about,) if place != "temp" else ()).fetchone()[0]
    return found


def _rows(connection: sqlite3.Connection, query: str) -> set[tuple[str, str]]:
    return {(str(key), str(content)) for key, content in connection.execute(query)}


def _rejects(connection: sqlite3.Connection, dead_letters: DeadLetters) -> Iterator[Account]:
    """Bad rows against dead letters, per source; a dead letter at any other place is unexpected."""
    for place in (*REJECTS, *sorted(dead_letters.keys() - REJECTS.keys())):
        name, query = REJECTS.get(place, (f"dead letters of {' '.join(place)}", "SELECT 0"))
        expected, found = connection.execute(query).fetchone()[0], dead_letters.get(place, 0)
        yield Account(BAD, name, expected, max(0, expected - found), 0, max(0, found - expected))


def _writes(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many events the targets' triggers saw applied to a row, or stand in a daily list; how many of them again."""
    noted = [(f"{name}.catatan_target", "tabel || ' ' || kunci || ' ' || event_id") for name in TARGETS]
    listed = [(f"temp.{each.name}", "event_id") for each in lists.LISTS]
    applied = writes = 0
    for table, what in (*noted, *listed):
        total, distinct = connection.execute(f"SELECT COUNT(*), COUNT(DISTINCT {what}) FROM {table}").fetchone()  # noqa: S608
        writes, applied = writes + total, applied + distinct
    return applied, writes - applied


def _latencies(connection: sqlite3.Connection, flow: Flow, since: str) -> Iterator[float]:
    """From each timed write in a source to the first write of its row in the target after it."""
    target, table = flow.target.split(".")
    query = f"""
        WITH o (kunci, waktu) AS ({flow.origin})
        SELECT (julianday(MIN(t.waktu)) - julianday(o.waktu)) * 86400000
        FROM o JOIN {target}.catatan_target t ON t.tabel = '{table}' AND t.kunci = o.kunci AND t.waktu >= o.waktu
        WHERE o.waktu >= ? GROUP BY o.kunci, o.waktu
    """  # noqa: S608 - all texts are of flows.py
    yield from (row[0] for row in connection.execute(query, (since,)))
