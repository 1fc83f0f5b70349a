"""A small city: the platform with its nats-server, and departments whose contracts the test writes."""

from __future__ import annotations

import asyncio
import time
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from bus import config, platform, subjects
from bus.broker.connection import Connection
from bus.broker.consume import Incoming
from bus.broker.publish import Publisher
from bus.broker.reading import read_stream
from bus.contracts import load_all
from bus.delivery import redrive
from bus.delivery.dead_letters import DeadLetter
from bus.observability.index import AppTotals
from bus.platform import Platform
from bus.security import credentials
from bus.security.credentials import Role
from bus.server import EmbeddedServer
from bus.subjects import AppName, EventName
from tests.faults.processes import Process

PATIENCE = 90.0  #: seconds; a busy machine makes things slow, not wrong
POLL = 0.05


class City:
    """The bus of one test. Offices are written first, then ``start`` brings up the platform."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.home = folder / "home"
        self._offices = folder / "departments"
        self.settings = config.load(home=self.home, log_format="json", **settings)
        self.processes: list[Process] = []
        self._platform: Platform | None = None
        self.admin: Connection
        self.ops: Connection

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            await process.kill()
            if error is not None:
                print(process.tail())
        if self._platform is not None:
            await self.admin.close()
            await self.ops.close()
            await self._platform.stop()

    def office(self, contract: str, mapping: str = "") -> Path:
        """Writes the folder of an application."""
        values = tomllib.loads(contract)
        folder: Path = self._offices / values["opd"] / values["app"]
        folder.mkdir(parents=True)
        (folder / "adapter.toml").write_text(contract)
        if mapping:
            (folder / "mapping.py").write_text(mapping)
        return folder

    async def start(self) -> None:
        """Starts the platform with the offices that are written."""
        self._platform = Platform(self.settings, load_all([self._offices]))
        await self._platform.start()
        self.admin = await platform.connect(self.settings, self.url, Role.ADMIN)
        self.ops = await platform.connect(self.settings, self.url, Role.OPS)

    @property
    def platform(self) -> Platform:
        """The running platform."""
        assert self._platform is not None
        return self._platform

    @property
    def server(self) -> EmbeddedServer:
        """The nats-server."""
        assert self.platform.server is not None
        return self.platform.server

    @property
    def url(self) -> str:
        """Where the nats-server is."""
        return self.platform.url

    def adapter(self, name: str, *, program: str = "bus", **environment: str) -> Process:
        """The adapter of an application, not yet started."""
        variables = {
            "BUS_HOME": str(self.home),
            "BUS_LOG_FORMAT": "json",
            "BUS_BATCH": "200",
            **environment,
        }
        process = Process(
            name,
            self._offices / name,
            variables,
            self.folder / f"{name.replace('/', '-')}-{len(self.processes)}.log",
            program,
        )
        self.processes.append(process)
        return process

    def elsewhere(self, name: str) -> dict[str, str]:
        """The variables of a second installation of an application: a home of its own, the same credential and key."""
        return {
            "BUS_HOME": str(self.folder / "elsewhere"),
            "BUS_NATS_URL": self.url,
            "BUS_CREDENTIAL": str(credentials.path(self.home, AppName.parse(name))),
            "BUS_ENTITY_KEY": str(self.settings.entity_key_path),
        }

    async def stored(self, stream: str) -> int:
        """How many messages a stream has stored so far."""
        return int((await self.admin.api(f"STREAM.INFO.{stream}"))["state"]["last_seq"])

    async def held(self, stream: str, wildcard: str) -> int:
        """How many messages a stream has whose subject matches."""
        info = await self.admin.api(f"STREAM.INFO.{stream}", {"subjects_filter": wildcard})
        return sum((info["state"].get("subjects") or {}).values())

    async def published(self, app: str, event: str) -> int:
        """How many events of a type an application has published."""
        name, kind = AppName.parse(app), EventName.parse(event)
        return await self.held(name.stream, subjects.event_filter(name, kind))

    async def events(self, app: str, event: str) -> list[Incoming]:
        """The events of a type that an application has published, in order."""
        name, kind = AppName.parse(app), EventName.parse(event)
        reading = read_stream(self.ops, name.stream, filters=[subjects.event_filter(name, kind)], follow=False)
        return [incoming async for batch in reading for incoming in batch]

    async def configure_stream(self, stream: str, **changes: object) -> None:
        """Changes a stream, as an administrator."""
        current = (await self.admin.api(f"STREAM.INFO.{stream}"))["config"]
        await self.admin.api(f"STREAM.UPDATE.{stream}", {**current, **changes})

    async def configure_consumer(self, stream: str, app: str, place: str, **changes: object) -> None:
        """Changes a durable consumer, as an administrator."""
        durable = subjects.durable(AppName.parse(app), place)
        current = (await self.admin.api(f"CONSUMER.INFO.{stream}.{durable}"))["config"]
        body = {"stream_name": stream, "config": {**current, **changes}, "action": "update"}
        await self.admin.api(f"CONSUMER.CREATE.{stream}.{durable}", body)

    async def settled(self, stream: str, app: str, place: str) -> bool:
        """Whether a durable consumer has settled every message of a stream."""
        info = await self.admin.api(f"CONSUMER.INFO.{stream}.{subjects.durable(AppName.parse(app), place)}")
        return not info["num_pending"] and not info["num_ack_pending"]

    def totals(self, app: str) -> AppTotals:
        """What the index knows of an application."""
        nothing = AppTotals(app, 0, 0, None, 0, 0)
        return next((each for each in self.platform.index.totals() if each.app == app), nothing)

    async def dead_letters(self) -> list[DeadLetter]:
        """Every dead letter so far."""
        return [
            DeadLetter.parse(incoming.body)
            async for batch in read_stream(self.ops, subjects.DLQ_STREAM, follow=False)
            for incoming in batch
        ]

    async def redrive(self, letter: DeadLetter, *, discard: bool = False) -> None:
        """Sends a dead letter again, as `bus dlq redrive` does."""
        message = redrive.message_of(letter, author="petugas", reason="diperbaiki", discard=discard)
        await Publisher(self.ops).send(message)

    async def until(
        self, condition: Callable[[], bool | Awaitable[bool]], what: str, *, within: float = PATIENCE
    ) -> None:
        """Waits for a condition; fails with what was waited for, and where an adapter has ended by itself."""
        begun = time.monotonic()
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return
            for process in self.processes:
                assert not process.gave_up, f"{what}: {process.name} has ended by itself"
            if time.monotonic() - begun > within:
                raise AssertionError(f"{what}: not within {within:.0f} s")
            await asyncio.sleep(POLL)
