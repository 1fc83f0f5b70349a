"""The figures that are ratios to a peer."""

from __future__ import annotations

import cProfile
import time
from collections.abc import Awaitable, Callable

from tests.bench import consuming, peers, profiles, publishing
from tests.bench.contest import Contest, Contestant, judge, laps, tell
from tests.bench.figures import Figure, Target
from tests.bench.rig import Rig, Tracing, open_rig

CONTESTS = [
    Contest(
        Target("publish-single", "publish one by one / FastStream publish, 200 at a time", "x", 1.8),
        "publish singles",
        "FastStream publish",
    ),
    Contest(
        Target("publish-batch", "publish atomic batches of 500 with cursor / FastStream publish", "x", 4.0),
        "publish batches",
        "FastStream publish",
    ),
    Contest(
        Target("backlog", "a backlog in bulk, read ahead while the server stores / FastStream publish", "x", 5.0),
        "publish a backlog",
        "FastStream publish",
    ),
    Contest(
        Target("backlog-ingest", "the same / a bare fast-ingest batch, which the server syncs one by one", "x", 1.0),
        "publish a backlog",
        "nats-py fast ingest",
    ),
    Contest(
        Target("consume-handler", "consume with a handler / FastStream PullSub(200)", "x", 2.5),
        "consume by handler",
        "FastStream consume",
    ),
    Contest(
        Target("consume-bulk", "consume in bulk into a no-op sink / FastStream PullSub(200)", "x", 5.0),
        "consume in bulk",
        "FastStream consume",
    ),
    Contest(
        Target("consume-bulk-bare", "consume in bulk / bare nats-py fetch(500) + ack", "x", 0.6),
        "consume in bulk",
        "nats-py fetch",
    ),
]
# A peer and what is held against it run next to each other.
CONTESTANTS: dict[str, Contestant] = {
    "FastStream publish": peers.publish,
    "publish singles": publishing.singles,
    "publish batches": publishing.batches,
    "publish a backlog": publishing.backlog,
    "nats-py fast ingest": peers.ingest,
    "FastStream consume": peers.consume,
    "consume by handler": consuming.handler,
    "consume in bulk": consuming.bulk,
    "nats-py fetch": peers.fetch,
}
STORED = 20_000
PEERS_STORED = 8_000
SIZES = {
    "FastStream publish": 8_000,
    "publish singles": 8_000,
    "publish batches": 30_000,
    "publish a backlog": 30_000,
    "nats-py fast ingest": 2_000,
    "FastStream consume": PEERS_STORED,
    "consume by handler": STORED,
    "consume in bulk": STORED,
    "nats-py fetch": STORED,
}
QUICK = 1_000
STORES: dict[str, tuple[Callable[[Rig, int], Awaitable[None]], frozenset[str]]] = {
    "nats-py fetch": (publishing.store, frozenset(("consume by handler", "consume in bulk", "nats-py fetch"))),
    "FastStream consume": (peers.store, frozenset(("FastStream consume",))),
}


async def measure(wanted: set[str], repeat: int, *, quick: bool) -> list[Figure]:
    """Measures the contests of ``wanted``."""
    contests = [contest for contest in CONTESTS if contest.target.name in wanted]
    if not contests:
        return []
    names = {side for contest in contests for side in (contest.ours, contest.peer)}
    contestants = {name: contestant for name, contestant in CONTESTANTS.items() if name in names}
    sizes = dict.fromkeys(SIZES, QUICK) if quick else SIZES
    async with open_rig(Tracing()) as rig:
        for stored, (store, readers) in STORES.items():
            if readers & names:
                tell(f"storing {sizes[stored]:,} events for {', '.join(sorted(readers & names))}")
                await store(rig, sizes[stored])
        run = await laps(rig, contestants, sizes, repeat)
        figures = [judge(contest, run) for contest in contests]
        for contest, figure in zip(contests, figures, strict=True):
            if figure.short:
                tell(f"{contest.target.name} falls short: profiling {contest.ours}")
                rig.profile = cProfile.Profile(time.thread_time)
                await CONTESTANTS[contest.ours](rig, sizes[contest.ours])
                # What is neither here nor in the server is spent on waiting: the disk, or other work on this machine.
                figure.profile = [f"{contest.ours}: {run[contest.ours][-1]}", *profiles.of(rig.profile)]
    return figures
