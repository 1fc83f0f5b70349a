"""From a row in one database to a row in another, through adapters that are processes of their own."""

from __future__ import annotations

from statistics import median, quantiles

from bus import subjects
from bus.broker.connection import Connection
from bus.platform import administrator
from bus.subjects import AppName, EventName
from tests.bench import profiles
from tests.bench.contest import tell
from tests.bench.figures import Figure, Target
from tests.bench.offices import BANSOS, SIAK, TANGKAP, Offices, open_offices
from tests.bench.rows import EVENT

RATE = 200  #: rows per second of the steady flow that is polled
CAPTURE_RATE = 500  #: and of the one that is captured

THROUGHPUT = Target(
    "end-to-end", "row in PostgreSQL -> event -> row in another database, 50 ms poll", "rows/s", required=3_000
)
LATENCY = Target("row-to-row", f"row to row p99 at {RATE} rows/s with a 50 ms poll", "ms", required=300, ceiling=True)
CAPTURED = Target(
    "commit-to-commit", f"commit to commit p99 by capture at {CAPTURE_RATE} rows/s", "ms", required=100, ceiling=True
)
UPSERT = Target("upsert", "events of a backlog into PostgreSQL by sql_upsert", "events/s", required=8_000)

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

    async def insert(self, statement: str, count: int, rate: int = RATE) -> dict[str, tuple[float, float]]:
        """Inserts rows and waits until all have arrived; Unix seconds of each NIK at the source and at the target."""
        await self.send(statement, count, rate)
        return await self.come(count)

    async def send(self, statement: str, count: int, rate: int = RATE) -> None:
        """Inserts rows."""
        first, last = self._sent, self._sent + count - 1
        self._sent += count
        sql = statement.format(row=_ROW, first=first, last=last, rate=rate)
        await self.offices.ask(self.offices.source, sql)

    async def come(self, count: int) -> dict[str, tuple[float, float]]:
        """Waits until all rows have arrived, and tells of the newest ones."""
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
    burst, seconds = (2_000, 3) if quick else (30_000, 15)
    figures = []
    if wanted & {THROUGHPUT.name, LATENCY.name}:
        async with open_offices() as offices:
            flow = Flow(offices)
            await _start(flow, SIAK, BANSOS)
            if THROUGHPUT.name in wanted:
                figures.append(await _throughput(flow, burst, repeat))
            if LATENCY.name in wanted:
                figures.append(await _latency(LATENCY, flow, RATE, seconds, repeat))
            await _profile(flow, SIAK, 2 * burst // 3, [figure for figure in figures if figure.short])
    if CAPTURED.name in wanted:
        async with open_offices() as offices:
            flow = Flow(offices)
            await _start(flow, TANGKAP, BANSOS)
            captured = await _latency(CAPTURED, flow, CAPTURE_RATE, seconds, repeat)
            await _profile(flow, TANGKAP, 2 * burst // 3, [captured] if captured.short else [])
            figures.append(captured)
    if UPSERT.name in wanted:
        async with (
            open_offices(indexed=False) as offices,
            administrator(offices.settings, offices.platform.url) as connection,
        ):
            flow = Flow(offices)
            await _start(flow, SIAK, BANSOS)
            upsert = await _upsert(flow, connection, burst, repeat)
            await _profile(flow, SIAK, 2 * burst // 3, [upsert] if upsert.short else [])
            figures.append(upsert)
    return figures


async def _start(flow: Flow, *names: str, profiled: bool = False) -> None:
    """Starts adapters, and waits until rows go through."""
    for name in names:
        await flow.offices.start(name, *(["--install"] if name == TANGKAP else []), profiled=profiled)
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


async def _latency(target: Target, flow: Flow, rate: int, seconds: int, repeat: int) -> Figure:
    runs, middles, count = [], [], rate * seconds
    for number in range(1, repeat + 1):
        times = await flow.insert(_STEADY, count, rate)
        waits = quantiles([come - sent for sent, come in times.values()], n=100)
        runs.append(round(waits[98] * 1000, 1))
        middles.append(round(waits[49] * 1000, 1))
        tell(f"{number}/{repeat} {target.name}: p50 {middles[-1]} ms, p99 {runs[-1]} ms over {count:,} rows")
    return Figure(target, median(runs), runs, details={"rows": count, "p50_ms": median(middles)})


async def _upsert(flow: Flow, connection: Connection, count: int, repeat: int) -> Figure:
    """The events are in the stream before the adapter that applies them starts, and their source has ended: it would
    go on looking for rows beside it.
    """
    runs, offices = [], flow.offices
    place = subjects.subscription(EventName.parse(EVENT))
    durable = subjects.durable(AppName.parse(BANSOS), place)
    consumer = f"{AppName.parse(SIAK).stream}.{durable}"

    async def waiting() -> int:
        info = await connection.api(f"CONSUMER.INFO.{consumer}")
        return int(info["num_pending"]) + int(info["num_ack_pending"])

    async def settled() -> int:
        return count - await waiting()  # asked of the server: counting rows is work for the database that is measured

    for number in range(1, repeat + 1):
        await offices.stop(BANSOS)
        await flow.send(_BURST, count)
        await offices.reached(waiting, count, "events wait")
        await offices.stop(SIAK)
        await offices.start(BANSOS)
        await offices.reached(settled, count, "events were applied")
        moments = [come for _, come in (await flow.come(count)).values()]
        runs.append(round(count / (max(moments) - min(moments))))
        tell(f"{number}/{repeat} {UPSERT.name}: {runs[-1]:,} events/s over {count:,}")
        await offices.start(SIAK)
    return Figure(UPSERT, median(runs), runs, details={"events": count})


async def _profile(flow: Flow, source: str, count: int, short: list[Figure]) -> None:
    """Where both adapters spend their time while a burst goes through, for figures that fall short."""
    if not short:
        return
    offices = flow.offices
    await offices.stop()
    await _start(flow, source, BANSOS, profiled=True)
    await flow.insert(_BURST, count)
    await offices.stop()
    lines = [line for name in (source, BANSOS) for line in (f"{name}:", *profiles.of(offices.profile(name)))]
    for figure in short:
        figure.profile = lines
