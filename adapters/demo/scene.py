"""The demo as a whole: prepares the city, runs its adapters, lets the day pass, audits it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from adapters.demo.applications import APPLICATIONS, GROUPS, PENERTIBAN, PERIZINAN, SENSOR, SIMRS, Application, folder
from adapters.demo.audit import Account, Audit, audit, first_write
from adapters.demo.counts import Counts, Index
from adapters.demo.day import Day
from adapters.demo.processes import Adapter
from adapters.demo.river import POSTS, publish
from adapters.demo.services import Services
from adapters.demo.view import Row, Story, report, stories, view
from bus.errors import Unavailable

REFRESH = 0.25  #: seconds between two looks
LOOK = 2.0  #: seconds between two looks at both ends while the day passes
START = 60.0  #: seconds that the adapters get to start
DRAIN = 60.0  #: seconds that what is on its way gets to arrive
QUIET = 1.0  #: seconds after everything has arrived, in which nothing may arrive twice
#: What sources make in their databases before the day begins.
INSTALLED = ((PERIZINAN, "kejadian_bus"), (PENERTIBAN, "kejadian_bus"), (SIMRS, "bus_change"))
INTERRUPTED = 130  #: exit code of a demo that was ended before its audit


class Demo:
    """Departments of Kota Kediri. ``home`` belongs to this demo alone."""

    contracts = tuple(application.contract for application in APPLICATIONS)

    def __init__(self, home: Path, *, once: bool, as_json: bool, environment: Mapping[str, str] | None = None) -> None:
        self._home, self._once, self._as_json = home.absolute(), once, as_json
        self._started, self._began = time.monotonic(), _now()
        self._console, self._view = view(as_json)
        self._services = Services(self._home)
        self._adapters = [self._adapter(group, environment or {}) for group in GROUPS]
        send = partial(publish, self._services.broker)
        self._day = Day(self._home, self._view.tell, self._adapters[0].kill, self._noticed, send)
        self._tasks: list[asyncio.Task[None]] = []
        self._first = 0.0
        self._opened = False

    def prepare(self) -> None:
        """Makes the applications: needs no bus yet."""
        self._day.prepare()

    async def run(self, index: Index[Any], stopping: asyncio.Event) -> int:
        """Lets the day pass and audits it; returns the exit code: 0, 1 where the audit found faults, or 130."""
        self._counts = Counts(index, {each.name: _subscribed(each) for each in APPLICATIONS})
        watching = asyncio.create_task(self._watch())
        try:
            story = asyncio.create_task(self._story())
            interrupted = asyncio.create_task(stopping.wait())
            await asyncio.wait({story, interrupted}, return_when=asyncio.FIRST_COMPLETED)
            interrupted.cancel()
            if not story.done():
                story.cancel()
                await asyncio.gather(story, return_exceptions=True)
                return INTERRUPTED
            found = story.result()
            self._report(found)
            if not self._once:
                self._view.reopen(found)
                self._view.tell(
                    "the bus stays up for `bus status`, `bus tail`, `bus dlq list` in a second terminal; Ctrl-C ends it"
                )
                await stopping.wait()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self._stop()
        if self._as_json:
            print(json.dumps(self._figures(found)))
        return 0 if found.ok else 1

    async def _story(self) -> Audit:
        await self._services.start()
        await asyncio.to_thread(self._day.open)
        self._opened = True
        self._view.tell("the adapters start, each a process with a credential of its own")
        await self._start(*self._adapters[:2])
        await self._wait_until(lambda: first_write(self._folder) is not None)
        self._first = _seconds(self._began, first_write(self._folder))
        self._view.tell(
            f"{len(self._day.city.residents)} residents flow to Dinsos; first event after {self._first:.1f} s"
        )
        await self._start(*self._adapters[2:])
        await self._wait_until(self._ready)
        since = _now()
        await self._day.live()
        await self._drained(since)
        await asyncio.sleep(QUIET)
        return await self._audit(since)

    async def _drained(self, since: str) -> None:
        """Waits until everything has arrived, or has had the time for it."""
        ends = time.monotonic() + DRAIN
        while time.monotonic() < ends:
            if (await self._audit(since)).ok:
                return
            await asyncio.sleep(REFRESH)

    async def _start(self, *adapters: Adapter) -> None:
        for adapter in adapters:
            await adapter.start()
            self._tasks.append(asyncio.create_task(adapter.supervise(self._view.tell)))

    async def _wait_until(self, ready: Callable[[], bool]) -> None:
        if not await _until(ready, START):
            raise Unavailable("the adapters do not start", where=str(self._home / "logs"), hint="read their logs")

    @property
    def _folder(self) -> Path:
        return folder(self._home)

    async def _audit(self, since: str) -> Audit:
        """In a thread: applications that are called run here too."""
        return await asyncio.to_thread(audit, self._folder, self._counts.dead_letters(), since=since)

    def _adapter(self, group: Sequence[Application], environment: Mapping[str, str]) -> Adapter:
        logs = self._home / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        own = {"BUS_HOME": str(self._home), "BUS_LOG_FORMAT": "json"}
        for each in group:
            own |= each.environment(self._home, self._services.made)
        name = " ".join(each.name for each in group)
        contracts = [each.contract_here(self._home) for each in group]
        log = logs / f"{group[0].opd}.{group[0].app}.log"
        return Adapter(name, contracts, {**environment, **own}, log, ("--install",))

    def _ready(self) -> bool:
        """Every adapter works: what it makes in its application's database is there, and the first readings arrived."""
        made = {each.app: _tables(each.database(self._home)) for each in APPLICATIONS if each.tables}
        return (
            all("bus_inbox" in made[each.app] for each in APPLICATIONS if each.writes)
            and all(table in made[application.app] for application, table in INSTALLED)
            and self._alarms() == len(POSTS)
        )

    def _alarms(self) -> int:
        with closing(sqlite3.connect(SENSOR.database(self._home), timeout=20)) as connection:
            found: int = connection.execute("SELECT COUNT(*) FROM bus_peringatan").fetchone()[0]
            return found

    async def _noticed(self, database: Path, query: str, parameter: str) -> bool:
        """Waits until a query has a row; where it never does, the audit says so."""
        with closing(sqlite3.connect(database, timeout=20)) as connection:
            return await _until(lambda: connection.execute(query, (parameter,)).fetchone() is not None, DRAIN)

    async def _watch(self) -> None:
        told: list[Story] = []
        looked = 0.0
        while True:
            if self._opened and self._view.live and time.monotonic() - looked > LOOK:
                told, looked = stories(await self._audit("")), time.monotonic()
            self._view.show(self._rows(), told)
            await asyncio.sleep(REFRESH)

    def _rows(self) -> list[Row]:
        totals, letters = self._counts.totals(), self._counts.dead_letters()
        waiting = self._counts.waiting(totals)
        return [
            Row(
                name=name,
                published=totals[name].published if name in totals else 0,
                applied=totals[name].applied if name in totals else 0,
                waiting=waiting[name],
                oldest=self._counts.oldest(name) if waiting[name] else 0.0,
                dead_letters=sum(count for (app, _), count in letters.items() if app == name),
                running=adapter.running,
                restarts=adapter.restarts,
            )
            for group, adapter in zip(GROUPS, self._adapters, strict=True)
            for name in (each.name for each in group)
        ]

    async def _stop(self) -> None:
        await asyncio.gather(*(adapter.stop() for adapter in self._adapters))
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._services.stop()
        self._view.close()

    def _report(self, found: Audit) -> None:
        self._totals = list(self._counts.totals().values())
        self._seconds = time.monotonic() - self._started
        self._view.close()
        report(self._console, found, self._first)
        if not found.ok:
            self._console.print(f"logs: {self._home / 'logs'}", highlight=False, soft_wrap=True)

    def _figures(self, found: Audit) -> dict[str, Any]:
        """The line for scripts. ``delivered`` are receipts, ``applied`` is what the targets' triggers saw."""
        return {
            "emitted": sum(each.published for each in self._totals),
            "delivered": sum(each.applied for each in self._totals),
            "applied": found.applied,
            "follow_ups": sum(each.follow_ups for each in self._totals),
            "lost": found.lost,
            "duplicates_applied": found.duplicates_applied,
            "unexpected": found.unexpected,
            "dead_letters": found.dead_letters,
            "p50_ms": round(found.percentile(0.5), 1),
            "p99_ms": round(found.percentile(0.99), 1),
            "flows": {f"{each.story}: {each.name}": _counted(each) for each in found.accounts},
            "first_event_seconds": round(self._first, 1),
            "seconds": round(self._seconds, 1),
        }


def _counted(account: Account) -> dict[str, int]:
    return {
        "expected": account.expected,
        "lost": account.missing,
        "duplicates_applied": account.twice,
        "unexpected": account.unexpected,
    }


def _now() -> str:
    """The time as the triggers write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _seconds(since: str, until: str | None) -> float:
    if until is None:
        return 0.0
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()


def _tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path, timeout=20)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _subscribed(application: Application) -> list[str]:
    """The event types that an application's contract subscribes to."""
    contract = tomllib.loads((application.contract / "adapter.toml").read_text(encoding="utf-8"))
    return [each["event"] for each in contract.get("subscribe", ())]


async def _until(condition: Callable[[], bool], patience: float) -> bool:
    """Waits for a condition; False where patience, seconds, ran out."""
    ends = time.monotonic() + patience
    while not condition():
        if time.monotonic() > ends:
            return False
        await asyncio.sleep(REFRESH)
    return True
