"""Composition root of ``bus up``: the embedded server, keys and credentials, streams and consumers, and the index.

With ``BUS_NATS_URL`` set there is no embedded server, and what the administrator's credential permits is provisioned
there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import structlog

from bus import subjects
from bus.broker import streams
from bus.broker.connection import Connection
from bus.broker.streams import Change
from bus.config import Settings
from bus.contracts import Contract
from bus.contracts.grants import consumers
from bus.errors import AccessError, BusError, Unavailable
from bus.observability import retention
from bus.observability.index import Index
from bus.observability.indexer import Indexer
from bus.security import credentials, keys, trust
from bus.security.credentials import Role
from bus.server import EmbeddedServer
from bus.tasks import first

WRITING = "write error"  #: in what a server says that has given up on a stream
HEALTH = "$SYS.REQ.SERVER.PING.HEALTHZ"
FORGET = 3_600.0  #: seconds between two looks for dead letters that were decided long enough ago
LOOK = 30.0  #: seconds between two looks at the embedded server's health
ROOM = 64 * 1024**2  #: bytes on its disk with which a server that is started anew has a chance

log = structlog.get_logger(__name__)


async def connect(settings: Settings, url: str, role: Role, *, home: Path | None = None) -> Connection:
    """A connection of the bus itself, in one of its roles. Raises Unavailable, AccessError, ConfigError.

    On an external server ``BUS_CREDENTIAL``, where it is set, stands for the role's own: its permissions decide.
    """
    own = credentials.path(home or settings.home, role)
    credential = settings.credential if settings.nats_url and settings.credential else own
    return await Connection.open(url, name=f"bus {role}", inbox=credentials.inbox(role), credential=credential)


async def plan(settings: Settings, url: str, contracts: Sequence[Contract]) -> list[Change]:
    """What of streams and consumers differs from the contracts."""
    async with administrator(settings, url) as connection:
        return await streams.plan(connection, settings, _opds(contracts), consumers(contracts))


async def apply(settings: Settings, url: str, contracts: Sequence[Contract], *, prune: bool = False) -> list[Change]:
    """Creates and updates streams and consumers so that they are as the contracts say; returns what was changed."""
    async with administrator(settings, url) as connection:
        return await streams.apply(connection, settings, _opds(contracts), consumers(contracts), prune=prune)


@contextlib.asynccontextmanager
async def administrator(settings: Settings, url: str) -> AsyncIterator[Connection]:
    """A connection that may provision."""
    connection = await connect(settings, url, Role.ADMIN)
    try:
        yield connection
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def _system(settings: Settings, url: str) -> AsyncIterator[Connection]:
    """A connection to the server's own account."""
    connection = await connect(settings.model_copy(update={"credential": None}), url, Role.SYSTEM)
    try:
        yield connection
    finally:
        await connection.close()


async def push_claims(settings: Settings, url: str) -> None:
    """Tells a running server its accounts and what is revoked; it forgets nothing that it was told before.

    Raises Unavailable, AccessError, ConfigError.
    """
    async with _system(settings, url) as connection:
        for claims in trust.claims_updates(settings.home):
            reply = json.loads((await connection.request(trust.CLAIMS_UPDATE, claims)).data)
            if "error" in reply:
                raise AccessError("the server refuses an account's new claims", where=url)


async def ailment(settings: Settings, url: str) -> str:
    """What a server says is wrong with it; "" where nothing is. Raises Unavailable, AccessError, ConfigError."""
    async with _system(settings, url) as connection:
        said = json.loads((await connection.request(HEALTH, b"")).data).get("data", {})
    return "" if said.get("status") == "ok" else str(said.get("error") or said.get("status") or "it does not say")


class Platform:
    """The bus itself, running. Without ``indexed`` nobody keeps its index: it can be caught up later."""

    def __init__(self, settings: Settings, contracts: Sequence[Contract], *, indexed: bool = True) -> None:
        self._settings, self._contracts, self._indexed = settings, contracts, indexed
        self._server = None if settings.nats_url else EmbeddedServer(settings.home)
        self._ops: Connection | None = None
        self._indexing: list[asyncio.Task[None]] = []
        self.index = Index(settings.home / "index.db")

    @property
    def server(self) -> EmbeddedServer | None:
        """The embedded server; None where an external one is used."""
        return self._server

    @property
    def url(self) -> str:
        """Where the server is."""
        return self._settings.nats_url or (self._server.url if self._server else "")

    async def start(self) -> list[Change]:
        """Starts everything and returns what was provisioned. Raises ConfigError, Unavailable, AccessError."""
        if self._server is not None:
            trust.establish(self._settings.home)
            keys.make_entity_key(self._settings.entity_key_path)
            credentials.issue(self._settings.home, self._contracts)
            await self._server.start()
            await push_claims(self._settings, self.url)
        changes = await apply(self._settings, self.url, self._contracts)
        if self._indexed:
            self._ops = await connect(self._settings, self.url, Role.OPS)
            indexer = Indexer(self._ops, self.index, [subjects.stream(opd) for opd in _opds(self._contracts)])
            self._indexing = [asyncio.create_task(indexer.run()), asyncio.create_task(self._forget())]
        return changes

    async def wait(self) -> None:
        """Waits until a part of the platform fails, and raises its error."""
        parts = [self._server.wait(), self._watch()] if self._server is not None else []
        await first(*parts, *map(_ended, self._indexing))

    async def _watch(self) -> None:
        """Looks after the embedded server. After a disk that was full it never tries to write to that stream again:
        where there is room, Unavailable ends this process, and who starts it again has a server that does.
        """
        while True:
            await asyncio.sleep(LOOK)
            try:
                wrong = await ailment(self._settings, self.url)
            except Unavailable:
                continue  # whether it runs at all is waited for beside this
            except BusError as error:
                log.warning("the server cannot be asked how it is", error=str(error))
                continue
            if not wrong:
                continue
            log.error("the server is not well", error=wrong)
            if WRITING in wrong and shutil.disk_usage(self._settings.home).free > ROOM:
                raise Unavailable(f"the server has stopped storing: {wrong}", hint="start `bus up` again")

    async def _forget(self) -> None:
        """Deletes dead letters that were decided long enough ago, as long as this process feeds the index."""
        kept = retention.kept_for(self._settings)
        while True:
            before = int((time.time() - kept.total_seconds()) * 1000)
            if self.index.claim() and (letters := self.index.decided(before)):
                try:
                    async with administrator(self._settings, self.url) as connection:
                        await retention.forget(connection, self.index, letters)
                    log.info("deleted dead letters that were decided", count=len(letters))
                except BusError as error:
                    log.warning("dead letters that were decided are not deleted", error=str(error))
            await asyncio.sleep(FORGET)

    async def stop(self) -> None:
        """Stops everything."""
        for task in self._indexing:
            task.cancel()
        await asyncio.gather(*self._indexing, return_exceptions=True)
        if self._ops is not None:
            await self._ops.close()
        if self._server is not None:
            await self._server.stop()
        self.index.close()


async def _ended(task: asyncio.Task[None]) -> None:
    """Waits for a task that goes on where this is cancelled, and raises its error."""
    await asyncio.shield(task)


def _opds(contracts: Sequence[Contract]) -> list[str]:
    return sorted({contract.opd for contract in contracts})
