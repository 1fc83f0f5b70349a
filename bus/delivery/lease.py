"""Which instance of an application is the active one: a message with a time to live, renewed while the instance is
well.

Others stand by and take over when it has run out. The cursor's fence keeps two that both believe to be active from
storing a batch twice; the lease keeps them from trying. An instance that starts again on the same machine takes its
own lease back at once: the lock on its home proves that the former process is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex
from typing import Any

import structlog

from bus import subjects
from bus.broker.publish import Message, Streams
from bus.errors import ConfigError, Fenced, Unavailable
from bus.subjects import AppName

TTL = 10.0  #: seconds after which a silent instance is replaced
RENEWAL = 3.0  #: seconds between renewals
AGAIN = 1.0  #: seconds until it asks again where it cannot tell
RELEASE = 2.0  #: seconds that an instance that ends gives to saying so

log = structlog.get_logger(__name__)


class Lease:
    """The lease of one application, as one instance sees it."""

    def __init__(
        self,
        streams: Streams,
        app: AppName,
        home: Path,
        health: Callable[[], dict[str, Any]],
    ) -> None:
        self._streams, self._app, self._health = streams, app, health
        self._subject = subjects.lease(app)
        self._sequence = 0
        home.mkdir(parents=True, exist_ok=True)
        self._instance = _instance(home / "instance")
        self._lock = (home / "lock").open("a")

    async def acquire(self) -> None:
        """Waits until this instance is the active one. Raises ConfigError where another process uses the same home."""
        self._lock_home()
        waiting = False
        while True:
            try:
                if await self._take():
                    break
            except (Unavailable, Fenced) as error:
                log.warning("cannot take the lease yet", app=str(self._app), error=str(error))
            else:
                if not waiting:
                    log.info("standing by: another instance is active", app=str(self._app))
                    waiting = True
            await asyncio.sleep(AGAIN)
        log.info("active", app=str(self._app))

    async def keep(self) -> None:
        """Renews until cancelled. Raises Fenced when another instance has taken over."""
        loop = asyncio.get_running_loop()
        renewed, pause = loop.time(), RENEWAL
        while True:
            await asyncio.sleep(pause)
            try:
                await self._renew()
            except Unavailable as error:
                # While the server is away nobody else can take over either; one that was frozen learns soon that
                # another has.
                pause = AGAIN
                log.warning(
                    "cannot renew the lease", app=str(self._app), error=str(error), seconds=round(loop.time() - renewed)
                )
            else:
                renewed, pause = loop.time(), RENEWAL

    async def release(self) -> None:
        """Gives the lease up, so that a standby need not wait for it to run out."""
        with contextlib.suppress(Unavailable, Fenced, TimeoutError):
            async with asyncio.timeout(RELEASE):
                await self._give_up()
        self._lock.close()

    async def _give_up(self) -> None:
        """Raises Fenced, Unavailable."""
        try:
            await self._write(self._sequence, ttl=1, released=True)
        except Fenced:  # by a renewal of its own, which was interrupted and is stored?
            if await self._take():
                await self._write(self._sequence, ttl=1, released=True)

    async def _renew(self) -> None:
        """Raises Fenced when another instance has taken over, Unavailable."""
        try:
            await self._write(self._sequence)
        except Fenced:
            if not await self._take():
                raise

    async def _take(self) -> bool:
        """Tries to become the active instance."""
        found = await self._streams.last(self._app.stream, self._subject)
        if found is None:
            await self._write(0)
            return True
        holder = json.loads(found.body)
        if holder["instance"] != self._instance and not holder["released"]:
            return False
        await self._write(found.sequence)
        return True

    async def _write(self, after: int, *, ttl: float = TTL, released: bool = False) -> None:
        body = {"instance": self._instance, "released": released, "pid": os.getpid(), "health": self._health()}
        headers = {"Nats-TTL": f"{int(ttl)}s", "Nats-Expected-Last-Subject-Sequence": str(after)}
        message = Message.of(self._subject, json.dumps(body).encode(), token_hex(8), headers)
        self._sequence = (await self._streams.send(message)).sequence

    def _lock_home(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            # A second instance needs a home of its own: its own ledger, its own name.
            raise ConfigError(
                f"{self._app} is already running from this home",
                where=self._lock.name,
                hint="stop it, or give this one another BUS_HOME",
            ) from None


def _instance(path: Path) -> str:
    """The name of this installation, made once and kept."""
    with contextlib.suppress(FileExistsError), path.open("x") as file:
        file.write(token_hex(8))
    return path.read_text()
