"""Processes as a whole: an idle adapter's memory, how soon ``bus --help`` answers, how long the demo takes."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import profiles, system
from tests.bench.contest import tell
from tests.bench.figures import Figure, Target
from tests.bench.offices import KOSONG, ROOT, environment, open_offices

MEMORY = Target(
    "idle-memory",
    "an idle adapter, one sql_poll source and one subscription",
    "MB",
    required=100,
    ceiling=True,
)
HELP = Target("help", "bus --help", "s", required=0.5, ceiling=True)
DEMO = Target("demo", "bus demo --once", "s", required=60, ceiling=True)
FIRST = Target("demo-first-event", "bus demo: first event delivered", "s", required=10, ceiling=True)

IDLE = 5.0  #: seconds
HELPS = 5
DEMO_TIMEOUT = 180.0


async def measure(wanted: set[str], repeat: int, *, quick: bool) -> list[Figure]:
    """Measures the figures of ``wanted`` that are made here."""
    figures = []
    if MEMORY.name in wanted:
        figures.append(await _memory(quick=quick))
    if HELP.name in wanted:
        figures.append(await _help())
    if wanted & {DEMO.name, FIRST.name}:
        figures += [figure for figure in await _demo(1 if quick else repeat) if figure.target.name in wanted]
    return figures


async def _memory(*, quick: bool) -> Figure:
    async with open_offices() as offices:
        await offices.start(KOSONG)
        await offices.active(KOSONG)
        await asyncio.sleep(1.0 if quick else IDLE)
        pid = offices.pid(KOSONG)
        resident = system.megabytes(pid, "status", "VmRSS")
        proportional = system.megabytes(pid, "smaps_rollup", "Pss")
        figure = Figure(MEMORY, resident, [resident], details={"pss_mb": proportional})
        tell(f"{MEMORY.name}: {resident} MB resident, {proportional} MB proportional")
        if figure.short:
            figure.profile = profiles.of_memory(pid)
        return figure


async def _help() -> Figure:
    command = [str(Path(sys.executable).with_name("bus")), "--help"]
    runs = []
    for _ in range(1 + HELPS):
        seconds, code, _ = await _timed(command, environment())
        if code != 0:
            raise RuntimeError(f"bus --help ended with {code}")
        runs.append(round(seconds, 3))
    del runs[0]  # whose modules may have been compiled only then
    tell(f"{HELP.name}: {median(runs)} s")
    figure = Figure(HELP, median(runs), runs)
    if figure.short:
        figure.profile = profiles.of_imports("bus.cli.main")
    return figure


async def _demo(repeat: int) -> list[Figure]:
    walls, firsts, last = [], [], {}
    for number in range(1, repeat + 1):
        with tempfile.TemporaryDirectory(prefix="bus-bench-") as home:
            command = [sys.executable, "-m", "bus", "demo", "--once", "--json"]
            seconds, code, output = await _timed(command, environment(BUS_HOME=home))
        if code not in (0, 1) or not output.strip():
            raise RuntimeError(f"bus demo ended with {code}")
        last = json.loads(output.splitlines()[-1])
        walls.append(round(seconds, 1))
        # The demo counts from its own beginning: what Python and the server need before counts too, and errs upwards,
        # since the adapters' end is in it.
        firsts.append(round(last["first_event_seconds"] + seconds - last["seconds"], 1))
        tell(f"{number}/{repeat} {DEMO.name}: {walls[-1]} s, first event after {firsts[-1]} s")
    # What the demo itself spends before its first event is in its processes' starts; the audit's figures tell the rest.
    facts = [f"{name}: {value}" for name, value in last.items()]
    figures = [Figure(DEMO, median(walls), walls, details=_audit(last)), Figure(FIRST, median(firsts), firsts)]
    for figure in figures:
        if figure.short:
            figure.profile = [*facts, *profiles.of_imports("bus.app")]
    return figures


def _audit(last: Mapping[str, Any]) -> dict[str, Any]:
    return {name: last[name] for name in ("emitted", "applied", "lost", "duplicates_applied", "p99_ms") if name in last}


async def _timed(command: list[str], variables: Mapping[str, str]) -> tuple[float, int, str]:
    """Wall seconds, exit code and standard output of a command; its standard error is shown where it fails."""
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=variables,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), DEMO_TIMEOUT)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if process.returncode:
        tell(errors.decode(errors="replace")[-1500:])
    return time.perf_counter() - begun, process.returncode or 0, output.decode(errors="replace")
