"""How the applications stand: gathered from the index, the consumers and the leases, for ``bus status``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from bus import subjects
from bus.observability.index import AppTotals, Index
from bus.observability.rows import UNDECIDED, IndexedConsumer, LetterState
from bus.subjects import AppName

if TYPE_CHECKING:
    from bus.broker.connection import Connection


@dataclass(frozen=True, slots=True)
class Instance:
    """What the active instance of an application last said."""

    name: str
    pid: int
    said_ms: int
    places: Mapping[str, Mapping[str, Any]]

    @property
    def problems(self) -> list[str]:
        """What makes it pause or stop now, place by place."""
        return [f"{place}: {each['problem']}" for place, each in self.places.items() if each.get("problem")]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a durable consumer has not settled."""

    app: str
    place: str
    stream: str
    events: int
    oldest_ms: int | None
    types: Sequence[str]

    def dump(self) -> dict[str, Any]:
        """For a script."""
        names = ("app", "place", "stream", "events", "oldest_ms")
        return {name: getattr(self, name) for name in names} | {"types": list(self.types)}


@dataclass(frozen=True, slots=True)
class City:
    """All applications at one moment."""

    index: Index
    totals: Mapping[str, AppTotals]
    instances: Mapping[str, Instance]
    waiting: Sequence[Waiting]

    @property
    def apps(self) -> list[str]:
        """Every application that has ever read, published or been given something."""
        return sorted({*self.totals, *self.instances, *(each.app for each in self.waiting)})

    def of(self, app: str) -> Standing:
        """One application."""
        return Standing(
            app,
            self.totals.get(app) or AppTotals(app, 0, 0, None, 0, 0),
            self.instances.get(app),
            [each for each in self.waiting if each.app == app],
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """How one application stands."""

    app: str
    totals: AppTotals
    instance: Instance | None
    waiting: Sequence[Waiting]

    @property
    def pending(self) -> int:
        """Events that it has not applied."""
        return sum(each.events for each in self.waiting)

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest of them was stored."""
        return min((each.oldest_ms for each in self.waiting if each.oldest_ms is not None), default=None)

    @property
    def problem(self) -> str:
        """The first thing that a person should know."""
        if self.instance is None:
            return "no instance is running"
        return next(iter(self.instance.problems), "")

    @property
    def problems(self) -> list[str]:
        """All that a person should know, place by place; the application is not named again, nor the place."""
        if self.instance is None:
            return ["no instance is running"]
        found = {place: each["problem"] for place, each in self.instance.places.items() if each.get("problem")}
        return [f"{place}: {without(self.app, place, problem)}" for place, problem in found.items()]

    def dump(self) -> dict[str, Any]:
        """For a script; times are Unix milliseconds."""
        return {
            "app": self.app,
            "active": self.instance is not None,
            "instance": self.instance and {"name": self.instance.name, "pid": self.instance.pid},
            "published": self.totals.published,
            "follow_ups": self.totals.follow_ups,
            "last_published_ms": self.totals.last_published_ms,
            "applied": self.totals.applied,
            "dead_letters": self.totals.dead_letters,
            "pending": self.pending,
            "oldest_ms": self.oldest_ms,
            "problem": self.problem,
            "consumers": [each.dump() for each in self.waiting],
            "places": self.instance and dict(self.instance.places),
        }


async def look(connection: Connection, index: Index) -> City:
    """How everything stands now. Raises Unavailable, AccessError."""
    from bus.broker.streams import opd_streams
    from bus.observability.indexer import live_consumers

    streams = await opd_streams(connection)
    consumers = [await live_consumers(connection, stream) for stream in streams]
    apps = [await _readers(connection, stream) for stream in streams]
    return City(
        index,
        {each.app: each for each in index.totals()},
        await _instances(connection, set(chain.from_iterable(apps))),
        [_waiting(index, each) for each in chain.from_iterable(consumers) if each.app is not None],
    )


def receivers(city: City, app: str) -> list[Waiting]:
    """The consumers of other applications that get what an application publishes."""
    published = {name for name, _, _ in city.index.last_of_types(app)}
    stream = AppName.parse(app).stream
    return [each for each in city.waiting if each.stream == stream and published.intersection(each.types)]


def rejected(index: Index, app: str) -> list[LetterState]:
    """The dead letters of an application of which a person may have to decide, the latest first."""
    return [each for each in index.letters(app=app) if each.state in UNDECIDED][::-1]


def without(app: str, place: str, problem: str) -> str:
    """A problem without the application and the place that it begins with."""
    return problem.removeprefix(f"{app} ").removeprefix(f"{place.replace('-', '.', 1)}: ")


def _waiting(index: Index, consumer: IndexedConsumer) -> Waiting:
    oldest = index.oldest_waiting(consumer) if consumer.pending else None
    return Waiting(
        str(consumer.app),
        consumer.place,
        consumer.stream,
        consumer.pending,
        oldest.stored_ms if oldest else None,
        sorted({name for _, name in consumer.selects()}),
    )


async def _readers(connection: Connection, stream: str) -> set[AppName]:
    """The applications that keep a cursor or lease in a stream."""
    reply = await connection.api(f"STREAM.INFO.{stream}", {"subjects_filter": "opd.*.*.cursor.*"})
    names = (subject.split(".") for subject in reply["state"].get("subjects") or ())
    return {AppName.of_tokens(parts[1], parts[2]) for parts in names}


async def _instances(connection: Connection, apps: Iterable[AppName]) -> dict[str, Instance]:
    from bus.broker.direct import last_message

    found = {}
    for app in apps:
        message = await last_message(connection, app.stream, subjects.lease(app))
        if message is None:
            continue
        body = json.loads(message.body)
        if not body.get("released"):
            said = int(datetime.fromisoformat(message.time).timestamp() * 1000)
            found[str(app)] = Instance(body["instance"], body["pid"], said, body["health"])
    return found
