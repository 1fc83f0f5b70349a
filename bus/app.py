"""Composition root of one adapter: builds everything from its contract and the settings, and runs it.

    connection -> lease -> [ source -> Outflow ]*  [ Subscription -> Inflow -> sink or handler ]*

While another instance holds the lease this one stands by; when the lease or a cursor is lost it stands by again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

from bus import server, subjects
from bus.broker.connection import Connection
from bus.broker.consume import Handle, Subscription
from bus.broker.publish import Publisher
from bus.config import Settings
from bus.contracts import Contract, Subscribe, connectors, mapping_module
from bus.contracts.grants import source_place
from bus.delivery.applying import Applier, DirectApplier, TransactionalApplier
from bus.delivery.backoff import Backoff
from bus.delivery.cursor import Cursor
from bus.delivery.deaths import Deaths
from bus.delivery.drafting import Drafting
from bus.delivery.dry_run import Tried, records
from bus.delivery.emitting import Emitter
from bus.delivery.flows import Flows, consuming, pulling
from bus.delivery.follow_ups import FollowUps
from bus.delivery.handlers import HandlerSink
from bus.delivery.health import Health
from bus.delivery.inflow import Inflow
from bus.delivery.lease import Lease
from bus.delivery.ledger import Ledger
from bus.delivery.mapping import Mapper
from bus.delivery.outflow import Outflow
from bus.delivery.reading import Reader
from bus.delivery.redrive import SourceRedrive
from bus.delivery.settling import Settler
from bus.errors import ConfigError, Fenced, Unavailable
from bus.events.registry import Catalogue, KeyTokens
from bus.ports import Context, Installable, Scripted, Sink, Source
from bus.security import credentials, keys, permissions
from bus.tasks import first

INBOX_FACTOR = 2  #: how much longer than the streams keep an event an inbox remembers it

log = structlog.get_logger(__name__)


def server_url(settings: Settings) -> str:
    """Where the server is: the setting, or the embedded one that runs on this home. Raises Unavailable."""
    url = settings.nats_url or server.running(settings.home)
    if url is None:
        raise Unavailable("no server is known", where=str(settings.home), hint="start `bus up`, or set BUS_NATS_URL")
    return url


class Adapter:
    """One application on the bus."""

    def __init__(
        self, contract: Contract, settings: Settings, catalogue: Catalogue, tokens: KeyTokens | None = None
    ) -> None:
        self.contract, self._settings, self._catalogue = contract, settings, catalogue
        self.app = contract.name
        self.health = Health()
        self._timezone = ZoneInfo(contract.timezone)
        self._drafting = Drafting(tokens or KeyTokens(keys.load_entity_key(settings.entity_key_path)))
        # Built before anything is connected: a fault in a contract shows at once.
        self._sources = {name: self._source(name) for name in contract.source}
        self._mappers = {name: Mapper(contract, name, catalogue, self._drafting) for name in contract.source}
        self._subscriptions = [
            (each, Reader(each, catalogue, str(contract.path)), self._sink(each)) for each in contract.subscribe
        ]

    async def install(self) -> None:
        """Makes what sources need in their applications' databases (outbox tables and triggers), as they print it."""
        for source in self._sources.values():
            if isinstance(source, Installable):
                await source.install()

    def ddl(self) -> str:
        """What it needs in its applications' databases, for their owners: what ``install`` would run, and the tables
        that a subscription makes where it may. Raises ConfigError.
        """
        scripts = [source.ddl() for source in self._sources.values() if isinstance(source, Scripted)]
        for subscribe, _, sink in self._subscriptions:
            if sink.database is not None:
                from bus import own_tables  # an office without SQL has no SQLAlchemy
                from bus.delivery.outbox import OUTBOX  # the inbox's tables are of the same metadata

                where = f"{self.app} {subscribe.consumer}"
                scripts.append(own_tables.ddl(sink.database, OUTBOX.metadata, where=where))
            if isinstance(sink, Scripted):
                scripts.append(sink.ddl())
        return "\n\n".join(dict.fromkeys(script.strip() for script in scripts if script))

    async def dry_run(self, limit: int) -> AsyncIterator[Tried]:
        """What the records of every source would become, without a server."""
        for name, source in self._sources.items():
            async for tried in records(self.app, source, self._mappers[name], limit):
                yield tried

    async def run(self, stopping: asyncio.Event) -> None:
        """Runs until ``stopping`` is set. Raises ConfigError, AccessError where a person must act."""
        while not stopping.is_set():
            connection = await self._connect(stopping)
            if connection is None:
                return
            try:
                await self._serve(connection, stopping)
            finally:
                await connection.close()

    async def _serve(self, connection: Connection, stopping: asyncio.Event) -> None:
        """Works, or stands by, while the connection lasts."""
        publisher = Publisher(connection)
        lease = Lease(publisher, self.app, self._state_folder, self.health.dump)
        try:
            while not stopping.is_set() and not connection.closed:
                await first(stopping.wait(), connection.lost(), lease.acquire())
                if not stopping.is_set():
                    await self._work(connection, publisher, lease, stopping)
        except Fenced as error:
            log.warning("connects anew", app=str(self.app), error=str(error))
        finally:
            await lease.release()

    @property
    def _state_folder(self) -> Path:
        return self._settings.home / "state" / self.app.prefix

    async def _connect(self, stopping: asyncio.Event) -> Connection | None:
        backoff = Backoff()
        while not stopping.is_set():
            try:
                return await Connection.open(
                    server_url(self._settings),
                    name=str(self.app),
                    inbox=subjects.inbox(self.app),
                    credential=self._credential,
                )
            except Unavailable as error:
                say = log.debug if backoff.attempts else log.warning  # once is enough for a person
                say("waiting for the server", app=str(self.app), error=str(error))
                await first(stopping.wait(), asyncio.sleep(backoff.next()))
        return None

    async def _work(self, connection: Connection, publisher: Publisher, lease: Lease, stopping: asyncio.Event) -> None:
        """Works while this instance is the active one."""
        flows = Flows(self.app, self.health)
        for name, source in self._sources.items():
            self._add_source(name, source, connection, publisher, flows)
        for subscribe, reader, sink in self._subscriptions:
            self._add_subscription(subscribe, reader, sink, connection, publisher, flows)
        flows.add("lease", lease.keep, helps=True)
        flows.add("connection", connection.lost, helps=True)
        await flows.run(stopping)

    def _add_source(
        self, name: str, source: Source, connection: Connection, publisher: Publisher, flows: Flows
    ) -> None:
        place = source_place(name)
        keep = timedelta(days=self._settings.max_age_days)
        ledger = Ledger(self._state_folder / f"{subjects.token(name)}.ledger", keep=keep)
        flows.at_end(ledger.close)
        outflow = Outflow(
            self.app,
            name,
            source,
            self._mappers[name],
            ledger,
            Cursor(publisher, self.app, name),
            publisher,
            self.health.place(place),
        )
        flows.add(place, outflow.run)
        redrive = SourceRedrive(self.app, place, outflow, publisher, self.health.place(place))
        subscribing, name = self._subscribing(connection, place, redrive.handle, batch=100), f"redrive {place}"
        flows.add(name, pulling(subscribing, partial(flows.works, name)), helps=True)

    def _add_subscription(
        self,
        subscribe: Subscribe,
        reader: Reader,
        sink: Sink,
        connection: Connection,
        publisher: Publisher,
        flows: Flows,
    ) -> None:
        place = subscribe.consumer
        follow_ups = FollowUps(self.app, place, self.contract.emits, self._catalogue, self._drafting, self._timezone)
        emitter = Emitter(self.app, publisher)
        applier: Applier = (
            DirectApplier(sink, follow_ups, emitter)
            if sink.database is None
            else TransactionalApplier(
                sink,
                follow_ups,
                emitter,
                self.app,
                place,
                keep=INBOX_FACTOR * timedelta(days=self._settings.max_age_days),
            )
        )
        deaths = Deaths(self._state_folder / f"{place}.hand")
        flows.at_end(deaths.close)
        inflow = Inflow(
            place,
            reader,
            applier,
            Settler(self.app, place, publisher, wait=not applier.idempotent),
            deaths,
            self.health.place(place),
            hold_poison=subscribe.on_poison == "hold",
        )
        subscribing = self._subscribing(connection, place, inflow.handle, batch=self._settings.batch, overlap=True)
        flows.add(place, consuming(subscribing, inflow, applier, partial(flows.works, place)))

    def _subscribing(
        self, connection: Connection, place: str, handle: Handle, *, batch: int, overlap: bool = False
    ) -> Callable[[], list[Subscription]]:
        """Makes the subscriptions of a place: one for each consumer that the credential permits."""
        durable = subjects.durable(self.app, place)
        granted = [each for each in permissions.consumers_of(self._credential) if each[1] == durable]
        return lambda: [
            Subscription(connection, stream, name, handle, batch=batch, overlap=overlap) for stream, name in granted
        ]

    @property
    def _credential(self) -> Path:
        return self._settings.credential or credentials.path(self._settings.home, self.app)

    def _context(self, name: str) -> Context:
        return Context(self.app, name, self.contract.folder, self._timezone)

    def _source(self, name: str) -> Source:
        where = f"{self.contract.path}: source.{name}"
        source = connectors.build(self.contract.source[name], self._context(name), where=where)
        if not isinstance(source, Source):
            raise ConfigError("this connector is no source", where=where)
        return source

    def _sink(self, subscribe: Subscribe) -> Sink:
        where = f"{self.contract.path}: subscribe {subscribe.event}"
        if subscribe.handler is not None:
            return HandlerSink(
                mapping_module.load_function(self.contract, subscribe.handler), subscribe.database, where=where
            )
        if subscribe.to is None:
            raise ConfigError("neither `to` nor `handler`", where=where)
        sink = connectors.build(subscribe.to, self._context(subscribe.consumer), where=where)
        if not isinstance(sink, Sink):
            raise ConfigError("this connector is no sink", where=where)
        return sink
