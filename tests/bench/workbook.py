"""A workbook as offices drop them, to events: seconds and memory."""

from __future__ import annotations

import time
from functools import partial
from statistics import median

from adapters.formats.repairs import as_workbook, packed
from bus.platform import administrator
from tests.bench import system
from tests.bench.contest import tell
from tests.bench.figures import Figure, Target
from tests.bench.offices import BERKAS, open_offices
from tests.bench.rows import nik
from tests.bench.stream import EventStream

ROWS = 100_000
SECONDS = Target("workbook", f"XLSX of {ROWS:,} rows to events", "s", required=20, ceiling=True)
MEMORY = Target("workbook-memory", "peak memory of the adapter that reads it", "MB", required=300, ceiling=True)

HEADER = ["nik", "tanggal", "tempat", "no_akta"]


async def measure(wanted: set[str], repeat: int, *, quick: bool) -> list[Figure]:
    """Measures the figures of ``wanted`` that are made here."""
    if not wanted & {SECONDS.name, MEMORY.name}:
        return []
    count, published, runs, peaks = 2_000 if quick else ROWS, 0, [], []
    async with (
        open_offices(indexed=False) as offices,
        administrator(offices.settings, offices.platform.url) as connection,
    ):
        stream = EventStream(connection, BERKAS)
        folder = offices.home / "berkas"
        folder.mkdir()
        offices.variables["DROP_FOLDER"] = str(folder)
        for number in range(1, repeat + 1):
            await offices.start(BERKAS)
            await offices.active(BERKAS)
            draft = folder / ".draft"
            draft.write_bytes(workbook(published, count))
            published += count
            begun = time.perf_counter()
            draft.rename(folder / f"berkas-{number}.xlsx")
            await offices.reached(partial(stream.rows, published), published, "rows became events")
            runs.append(round(time.perf_counter() - begun, 1))
            peaks.append(system.megabytes(offices.pid(BERKAS), "status", "VmHWM"))
            await offices.stop(BERKAS)
            tell(f"{number}/{repeat} {SECONDS.name}: {count:,} rows in {runs[-1]} s with {peaks[-1]:,.0f} MB")
    details = {"rows": count}
    figures = [Figure(SECONDS, median(runs), runs, details=details), Figure(MEMORY, max(peaks), peaks, details=details)]
    return [figure for figure in figures if figure.target.name in wanted]


def workbook(first: int, count: int) -> bytes:
    """So many rows behind ``first``, as a spreadsheet program would save them."""
    rows = (
        packed([nik(number), "2026-03-15", "RSUD Gambiran", f"3571-KM-15032026-{number:08}"])
        for number in range(first, first + count)
    )
    return b"".join(as_workbook(HEADER, rows))
