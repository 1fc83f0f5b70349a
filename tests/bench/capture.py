"""Log-based capture: what a table's log holds, out of the database and acknowledged by the stream.

Rows are inserted while nobody reads; then the adapter starts and its events are timed by the server, from the end of
the first batch to the last event. On PostgreSQL Debezium's embedded engine reads the same rows of the same table, in
turn, and is timed from its first batch to its last. What the first batch held was read before: it does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

from bus.broker.publish import MAX_BATCH
from bus.platform import administrator
from tests.bench import debezium, system
from tests.bench.contest import tell
from tests.bench.figures import Figure, Target
from tests.bench.offices import CAPTURE_TABLE, PATIENCE, TANGKAP, Offices, open_offices
from tests.bench.stream import EventStream
from tests.servers import mariadb
from tests.servers.mariadb import MariaDB
from tests.servers.server import Database

POSTGRESQL = Target(
    "capture-postgresql", "PostgreSQL capture to acknowledged events / Debezium's engine into a counter", "x", 1.2
)
MEMORY = Target("capture-memory", "peak memory of that capture / Debezium's", "x", required=0.2, ceiling=True)
MARIADB = Target("capture-mariadb", "MariaDB capture to acknowledged events", "rows/s", required=10_000)

TRANSACTION = 100  #: rows in each of the application's transactions

# The first number and the number behind the last go in; numbers give well-formed NIKs, as in tests.bench.rows.
_POSTGRESQL_ROWS = """
DO $$ BEGIN
    FOR start IN {first}..{last} - 1 BY {size} LOOP
        INSERT INTO kematian (nik, tanggal, tempat, no_akta)
        SELECT '357101' || lpad((n / 9000 % 28 + 1)::text, 2, '0') || lpad((n / 252000 % 12 + 1)::text, 2, '0')
               || lpad((n / 3024000 % 100)::text, 2, '0') || lpad((n % 9000 + 1)::text, 4, '0'),
               DATE '2026-03-15', 'RSUD Gambiran', '3571-KM-15032026-' || lpad(n::text, 8, '0')
        FROM generate_series(start, least(start + {size}, {last}) - 1) n;
        COMMIT;
    END LOOP;
END $$
"""
_MARIADB_ROWS = """
DELIMITER //
FOR bagian IN 0 .. ({last} - {first} - 1) DIV {size} DO
    INSERT INTO kematian (nik, tanggal, tempat, no_akta)
    SELECT CONCAT('357101', LPAD(n DIV 9000 MOD 28 + 1, 2, '0'), LPAD(n DIV 252000 MOD 12 + 1, 2, '0'),
                  LPAD(n DIV 3024000 MOD 100, 2, '0'), LPAD(n MOD 9000 + 1, 4, '0')),
           '2026-03-15', 'RSUD Gambiran', CONCAT('3571-KM-15032026-', LPAD(n, 8, '0'))
    FROM (SELECT {first} + bagian * {size} + seq AS n FROM seq_0_to_{rest}) angka WHERE n < {last};
END FOR //
"""


class Kind(NamedTuple):
    """A kind of database: its table, and how rows are inserted."""

    table: str
    rows: str


KINDS = {
    POSTGRESQL.name: Kind(
        CAPTURE_TABLE.format(id="bigserial PRIMARY KEY", moment="timestamptz DEFAULT clock_timestamp()"),
        _POSTGRESQL_ROWS,
    ),
    MARIADB.name: Kind(
        CAPTURE_TABLE.format(id="bigint AUTO_INCREMENT PRIMARY KEY", moment="datetime(3) DEFAULT CURRENT_TIMESTAMP(3)"),
        _MARIADB_ROWS,
    ),
}


class Captured(NamedTuple):
    """One capture of a backlog by the adapter."""

    rate: float  #: events a second
    peak: float  #: MB


async def measure(wanted: set[str], repeat: int, *, quick: bool) -> list[Figure]:
    """Measures the figures of ``wanted`` that are made here."""
    figures: list[Figure] = []
    if wanted & {POSTGRESQL.name, MEMORY.name}:
        figures += await _postgresql(10_000 if quick else 200_000, repeat)
    if MARIADB.name in wanted:
        figures.append(await _mariadb(2_000 if quick else 60_000, repeat))
    return [figure for figure in figures if figure.target.name in wanted]


async def _postgresql(count: int, repeat: int) -> list[Figure]:
    pairs = []
    for number in range(1, repeat + 1):
        ours, theirs = await _in_turn(count)
        pairs.append((ours, theirs))
        tell(
            f"{number}/{repeat} {POSTGRESQL.name}: {ours.rate:,.0f} rows/s with {ours.peak:,.0f} MB; "
            f"Debezium {theirs.rate:,.0f} rows/s with {theirs.peak:,.0f} MB"
        )
    rates = [round(mine.rate / peer.rate, 2) for mine, peer in pairs]
    peaks = [round(mine.peak / peer.peak, 3) for mine, peer in pairs]
    details = {"rows": count, "transaction": TRANSACTION}
    return [
        Figure(
            POSTGRESQL,
            median(rates),
            rates,
            ours=round(median(mine.rate for mine, _ in pairs)),
            peer=round(median(peer.rate for _, peer in pairs)),
            details=details,
        ),
        Figure(
            MEMORY,
            median(peaks),
            peaks,
            details={
                **details,
                "ours_mb": max(mine.peak for mine, _ in pairs),
                "peer_mb": max(peer.peak for _, peer in pairs),
            },
        ),
    ]


async def _in_turn(count: int) -> tuple[Captured, Captured]:
    """One capture of the same rows by us and by Debezium. Each lap has servers of its own: ours would remember the
    message ids of the laps before.
    """
    async with (
        open_offices(indexed=False) as offices,
        administrator(offices.settings, offices.platform.url) as connection,
    ):
        backlog = Backlog(offices, EventStream(connection, TANGKAP), offices.source, KINDS[POSTGRESQL.name])
        await backlog.begin()
        await offices.ask(offices.source, debezium.prepared("kematian"))
        await backlog.insert(count)
        ours = await backlog.captured()
        peer = await debezium.capture(offices.source.url, "kematian", count, offices.home, PATIENCE)
        return ours, Captured(peer.changes / (peer.last - peer.first), peer.peak)


async def _mariadb(count: int, repeat: int) -> Figure:
    runs = []
    for number in range(1, repeat + 1):
        with _running_mariadb() as database:
            async with (
                open_offices(indexed=False) as offices,
                administrator(offices.settings, offices.platform.url) as connection,
            ):
                backlog = Backlog(offices, EventStream(connection, TANGKAP), database, KINDS[MARIADB.name])
                await backlog.begin()
                await backlog.insert(count)
                found = await backlog.captured()
        runs.append(round(found.rate))
        tell(f"{number}/{repeat} {MARIADB.name}: {found.rate:,.0f} rows/s with {found.peak:,.0f} MB")
    return Figure(MARIADB, median(runs), runs, details={"rows": count, "transaction": TRANSACTION})


class Backlog:
    """Rows that wait in a table's log, and the adapter that captures them."""

    def __init__(self, offices: Offices, stream: EventStream, database: Database, kind: Kind) -> None:
        self._offices, self._stream, self._database, self._kind = offices, stream, database, kind
        self._inserted = 0

    async def begin(self) -> None:
        """Makes the table with a first row, and lets the adapter install what it needs and capture that: its place in
        the log.
        """
        await self._offices.ask(self._database, f"DROP TABLE IF EXISTS kematian; {self._kind.table}")
        self._offices.variables["CAPTURE_URL"] = self._database.url
        await self.insert(1)
        await self._offices.start(TANGKAP, "--install")
        await self._offices.reached(self._captured, self._inserted, "rows were captured")
        await self._offices.stop(TANGKAP)

    async def insert(self, count: int) -> None:
        """Inserts rows, in transactions of an application's size."""
        first, last = self._inserted, self._inserted + count
        self._inserted = last
        sql = self._kind.rows.format(first=first, last=last, size=TRANSACTION, rest=TRANSACTION - 1)
        await self._offices.ask(self._database, sql)

    async def captured(self) -> Captured:
        """Runs the adapter until it has captured them all; the server's times count, from behind the first batch on."""
        before = await self._stream.end()
        await self._offices.start(TANGKAP)
        await self._offices.reached(self._captured, self._inserted, "rows were captured")
        peak = system.megabytes(self._offices.pid(TANGKAP), "status", "VmHWM")
        await self._offices.stop(TANGKAP)
        first, last = await self._stream.after(before + MAX_BATCH), await self._stream.newest()
        return Captured((last.number - first.number) / (last.at - first.at), peak)

    async def _captured(self) -> int:
        return await self._stream.rows(self._inserted)


@contextmanager
def _running_mariadb() -> Iterator[Database]:
    programs = mariadb.installed()
    if programs is None:
        raise RuntimeError("MariaDB is not installed (apt-get install mariadb-server)")
    server = MariaDB(programs)
    try:
        server.start()
        yield server.create()
    finally:
        server.close()
