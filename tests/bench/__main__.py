"""``python -m tests.bench``: measures, prints a table, and ends with 1 where a figure falls short."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from dataclasses import replace

import uvloop
from rich.console import Console

from tests.bench import capture, disk, end_to_end, messages, processes, ratios, report, workbook
from tests.bench.figures import Figure
from tests.bench.system import Theft

TARGETS = [
    *(contest.target for contest in ratios.CONTESTS),
    end_to_end.THROUGHPUT,
    end_to_end.LATENCY,
    end_to_end.CAPTURED,
    end_to_end.UPSERT,
    capture.POSTGRESQL,
    capture.MEMORY,
    capture.MARIADB,
    workbook.SECONDS,
    workbook.MEMORY,
    messages.THROUGHPUT,
    processes.MEMORY,
    processes.HELP,
    processes.DEMO,
    processes.FIRST,
]
INTERRUPTED = 130
WIDTH = 140  #: columns where no terminal says how many it has

EPILOG = f"""
figures:
{chr(10).join(f"  {target.name:18} {target.what}" for target in TARGETS)}

examples:
  uv run python -m tests.bench --json
  uv run python -m tests.bench --only publish-single publish-batch --repeat 5
  uv run python -m tests.bench --quick --only help idle-memory

Exit code 0 where every figure is reached, 1 where one falls short. Measure on a machine that does nothing else. Of a
virtual one the last column tells how much of its time its host gave to others meanwhile: figures in seconds or events
a second suffer by more than that, ratios less, but where both cores are busy on our side alone.
"""


def main() -> int:
    """Reads the arguments, measures and reports."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measures the figures that the bus promises.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [target.name for target in TARGETS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", default=names, help="these figures alone")
    parser.add_argument("--repeat", type=int, default=3, help="runs of which the median counts (default: 3)")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works, not how fast")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("BUS_", "OTEL_"))]:
        del os.environ[name]  # settings of whoever measures decide nothing
    try:
        with disk.apart():
            figures = uvloop.run(_measure(set(arguments.only), arguments.repeat, quick=arguments.quick))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED
    report.table(figures, Console(width=None if sys.stdout.isatty() else WIDTH))
    if arguments.json:
        print(report.line(figures, quick=arguments.quick))
    return 1 if any(figure.short for figure in figures) else 0


async def _measure(wanted: set[str], repeat: int, *, quick: bool) -> list[Figure]:
    if measuring := asyncio.current_task():  # ended from outside, it ends its servers and adapters too
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, measuring.cancel)
    figures: list[Figure] = []
    for part in (ratios, end_to_end, capture, workbook, messages, processes):
        theft = Theft()
        measured = await part.measure(wanted, repeat, quick=quick)
        stolen = theft.percent()
        figures += [replace(figure, stolen=stolen) for figure in measured]
    return figures


if __name__ == "__main__":
    sys.exit(main())
