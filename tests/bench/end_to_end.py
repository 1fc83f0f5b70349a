"""From a row in one database to a row in another, through adapters that are processes of their own."""

from __future__ import annotations

from statistics import median, quantiles

from tests.bench import profiles
from tests.bench.contest import tell
from tests.bench.figures import Figure, Target
from tests.bench.offices import BANSOS, SIAK, Offices, open_offices

RATE = 200  #: rows per second of the steady flow

THROUGHPUT = Target(
    "end-to-end", "row in PostgreSQL -> event -> row in another database, 50 ms poll", "rows/s", required=3_000
)
LATENCY = Target("row-to-row", f"row to row p99 at {RATE} rows/s with a 50 ms poll", "ms", required=300, ceiling=True)

# The first NIK and the number of rows go in; numbers give well-formed NIKs, as in tests.bench.rows.
_ROW = """
    '357101' || lpad((n / 9000 % 28 + 1)::text, 2, '0') || lpad((n / 252000 % 12 + 1)::text, 2, '0')
             || lpad((n / 3024000 % 100)::text, 2, '0') || lpad((n % 9000 + 1)::text, 4, '0'),
    DATE '2026-03-15', 'RSUD Gambiran', '3571-KM-15032026-' || lpad(n::text, 8, '0')
"""
_BURST = "INSERT INTO kematian (nik, tanggal, tempat, no_akta) SELECT {row} FROM generate_series({first}, {last}) n"
_STEADY = """
DO $$
DECLARE begun timestamptz := clock_timestamp();
BEGIN
    FOR n IN {first}..{last} LOOP
        PERFORM pg_sleep(greatest(0, extract(epoch FROM
            begun + (n - {first}) * interval '1 second' / {rate} - clock_timestamp())));
        INSERT INTO kematian (nik, tanggal, tempat, no_akta) SELECT {row};
        COMMIT;
    END LOOP;
END $$
"""


class Flow:
    """Rows through the offices, counted from their first to their last."""

    def __init__(self, offices: Offices) -> None:
        self.offices, self._sent = offices, 0

    async def insert(self, statement: str, count: int) -> dict[str, tuple[float, float]]:
        """Inserts rows and waits until all have arrived; Unix seconds of each NIK at the source and at the target."""
        first, last = self._sent, self._sent + count - 1
        self._sent += count
        sql = statement.format(row=_ROW, first=first, last=last, rate=RATE)
        await self.offices.ask(self.offices.source, sql)
        await self.offices.arrived(self._sent)
        sent = await self._times(self.offices.source, "SELECT nik, extract(epoch FROM dibuat) FROM kematian")
        come = await self._times(self.offices.target, "SELECT nik, extract(epoch FROM pada) FROM tiba")
        newest = sorted(sent, key=sent.__getitem__)[-count:]
        return {nik: (sent[nik], come[nik]) for nik in newest}

    async def _times(self, database: object, sql: str) -> dict[str, float]:
        rows = await self.offices.ask(database, sql)  # type: ignore[arg-type]
        times = {nik: float(moment) for nik, moment in rows}
        if len(times) != len(rows):
            raise AssertionError(f"{len(rows) - len(times)} rows were applied twice")
        return times


async def measure(wanted: set[str], repeat: int, *, quick: bool) -> list[Figure]:
    """Measures the figures of ``wanted`` that are made here."""
    if not wanted & {THROUGHPUT.name, LATENCY.name}:
        return []
    figures = []
    async with open_offices() as offices:
        flow = Flow(offices)
        await _start(offices, flow)
        if THROUGHPUT.name in wanted:
            figures.append(await _throughput(flow, 2_000 if quick else 30_000, repeat))
        if LATENCY.name in wanted:
            figures.append(await _latency(flow, RATE * (3 if quick else 15), repeat))
        short = [figure for figure in figures if figure.short]
        if short:
            lines = await _profile(offices, flow, 2_000 if quick else 20_000)
            for figure in short:
                figure.profile = lines
    return figures


async def _start(offices: Offices, flow: Flow, *, profiled: bool = False) -> None:
    """Starts both adapters, and waits until rows go through."""
    for name in (SIAK, BANSOS):
        await offices.start(name, profiled=profiled)
    await flow.insert(_BURST, 500)


async def _throughput(flow: Flow, count: int, repeat: int) -> Figure:
    runs, cpu = [], {}
    for number in range(1, repeat + 1):
        before = flow.offices.cpu()
        times = await flow.insert(_BURST, count)
        cpu = {name: round((used - before[name]) / count * 1e6) for name, used in flow.offices.cpu().items()}
        begun, ended = min(sent for sent, _ in times.values()), max(come for _, come in times.values())
        runs.append(round(count / (ended - begun)))
        parts = ", ".join(f"{name} {used}" for name, used in cpu.items())
        tell(f"{number}/{repeat} {THROUGHPUT.name}: {runs[-1]:,} rows/s over {count:,} rows; us of CPU a row: {parts}")
    return Figure(THROUGHPUT, median(runs), runs, details={"rows": count, "cpu_us": cpu})


async def _latency(flow: Flow, count: int, repeat: int) -> Figure:
    runs, middles = [], []
    for number in range(1, repeat + 1):
        times = await flow.insert(_STEADY, count)
        waits = quantiles([come - sent for sent, come in times.values()], n=100)
        runs.append(round(waits[98] * 1000, 1))
        middles.append(round(waits[49] * 1000, 1))
        tell(f"{number}/{repeat} {LATENCY.name}: p50 {middles[-1]} ms, p99 {runs[-1]} ms over {count:,} rows")
    return Figure(LATENCY, median(runs), runs, details={"rows": count, "p50_ms": median(middles)})


async def _profile(offices: Offices, flow: Flow, count: int) -> list[str]:
    """Where both adapters spend their time while a burst goes through."""
    await offices.stop()
    await _start(offices, flow, profiled=True)
    await flow.insert(_BURST, count)
    await offices.stop()
    return [line for name in (SIAK, BANSOS) for line in (f"{name}:", *profiles.of(offices.profile(name)))]
