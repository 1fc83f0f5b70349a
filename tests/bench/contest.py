"""Contestants side by side: laps in turn, so that whatever else the machine does disturbs both sides alike."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from bus.cli.running import spare_the_collector
from tests.bench.figures import Figure, Target
from tests.bench.rig import Rig
from tests.bench.system import Theft

PATIENCE = 120.0  #: seconds for one lap
NOTABLE = 1.0  #: percent of the machine's time


@dataclass(slots=True)
class Lap:
    """One measured run of a contestant over ``size`` events."""

    size: int
    seconds: float = 0.0
    cpu: float = 0.0  #: seconds of CPU of this process
    server_cpu: float = 0.0  #: and of the server
    spans: int = 0

    @classmethod
    @contextmanager
    def timed(cls, rig: Rig, size: int) -> Iterator[Lap]:
        """Times what stands within."""
        lap = cls(size)
        spans, server = rig.tracing.spans(), rig.server_cpu()
        gc.collect()
        spare_the_collector()  # as `bus run` does, here for both sides
        with rig.profile or contextlib.nullcontext():
            begun, cpu = time.perf_counter(), time.process_time()
            yield lap
            lap.seconds, lap.cpu = time.perf_counter() - begun, time.process_time() - cpu
        lap.server_cpu = rig.server_cpu() - server
        lap.spans = rig.tracing.spans() - spans

    def __str__(self) -> str:
        each = 1e6 / self.size
        return (
            f"{self.rate:,.0f}/s; an event takes {self.seconds * each:.0f} us, {self.cpu * each:.0f} us of CPU here "
            f"and {self.server_cpu * each:.0f} us in the server"
        )

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.size / self.seconds


Contestant = Callable[[Rig, int], Awaitable[Lap]]


class Contest(NamedTuple):
    """A ratio and who makes it."""

    target: Target
    ours: str
    peer: str


async def laps(
    rig: Rig, contestants: Mapping[str, Contestant], sizes: Mapping[str, int], repeat: int
) -> dict[str, list[Lap]]:
    """Lets the contestants run in turn, ``repeat`` times each."""
    run: dict[str, list[Lap]] = defaultdict(list)
    for number in range(1, repeat + 1):
        for name, contestant in contestants.items():
            lap = await contestant(rig, sizes[name])
            run[name].append(lap)
            tell(f"{number}/{repeat} {name}: {lap}")
    return run


def judge(contest: Contest, run: Mapping[str, Sequence[Lap]]) -> Figure:
    """The figure of a contest: the ratio of the medians."""
    ours, peer = (median(lap.rate for lap in run[name]) for name in (contest.ours, contest.peer))
    pairs = zip(run[contest.ours], run[contest.peer], strict=True)
    details = {
        side: {
            "rates": [round(lap.rate) for lap in run[name]],
            "cpu_us": round(median(lap.cpu / lap.size for lap in run[name]) * 1e6, 1),
            "server_cpu_us": round(median(lap.server_cpu / lap.size for lap in run[name]) * 1e6, 1),
            "spans_per_event": round(run[name][-1].spans / run[name][-1].size, 4),
        }
        for side, name in (("ours", contest.ours), ("peer", contest.peer))
    }
    return Figure(
        contest.target,
        value=round(ours / peer, 2),
        runs=[round(mine.rate / theirs.rate, 2) for mine, theirs in pairs],
        ours=round(ours),
        peer=round(peer),
        details=details,
    )


async def finished(done: asyncio.Event, running: asyncio.Task[None]) -> None:
    """Waits until a lap's work is done. Raises what ended the task that does it, and TimeoutError."""
    waiting = asyncio.create_task(done.wait())
    try:
        await asyncio.wait({running, waiting}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if running.done():
        running.result()
    if not done.is_set():
        raise TimeoutError(f"a lap is not over after {PATIENCE:g} s")


async def ended(running: asyncio.Task[None]) -> None:
    """Ends the task that did the work."""
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


_theft = Theft()


def tell(text: str) -> None:
    """Progress, for whoever waits; with what the machine's host gave to others since the last."""
    taken = _theft.percent()
    print(f"{text}; {taken:g} % stolen" if taken >= NOTABLE else text, file=sys.stderr, flush=True)
