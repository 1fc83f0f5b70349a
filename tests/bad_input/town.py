"""A small city of real processes: ``bus up``, adapters by ``bus run``, and whatever other command a test gives."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import nats

from bus import platform, server
from bus.security import credentials
from bus.security.credentials import Role
from tests.faults.city import City
from tests.faults.processes import _LAUNCH, Process

PATIENCE = 60.0  #: seconds that a command may take


@dataclass(frozen=True)
class Outcome:
    """What a command that has ended left."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it said on standard error, line by line."""
        return self.err.splitlines()


@dataclass
class Command(Process):
    """A command of the bus as a process: ``bus <arguments>``."""

    arguments: tuple[str, ...] = field(default=())

    async def start(self) -> None:
        """Starts it; does not wait until it works."""
        with self.log.open("ab") as output:
            self._process = await _launched(self.arguments, self.environment, output, output)
        self.starts += 1


async def ask(*arguments: str | Path, **environment: str) -> Outcome:
    """Runs a command of the bus to its end. Raises TimeoutError."""
    process = await _launched(tuple(map(str, arguments)), environment, asyncio.subprocess.PIPE, asyncio.subprocess.PIPE)
    try:
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


async def _launched(
    arguments: tuple[str, ...], environment: Mapping[str, str], out: object, err: object
) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BUS_", "COV_"))}
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())]
    return await asyncio.create_subprocess_exec(
        *launcher,
        sys.executable,
        "-m",
        "bus",
        *arguments,
        env={**kept, "PYTHONUNBUFFERED": "1", **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=out,  # type: ignore[arg-type]
        stderr=err,  # type: ignore[arg-type]
        start_new_session=True,
    )


class Town(City):
    """A city whose platform is a process too. ``environment`` is every process's."""

    def __init__(self, folder: Path, **environment: str) -> None:
        super().__init__(folder)
        self.environment = {"BUS_HOME": str(self.home), "BUS_LOG_FORMAT": "json", **environment}
        self._url = ""

    @property
    def departments(self) -> Path:
        """The folder of all offices."""
        return self.folder / "departments"

    @property
    def url(self) -> str:
        """Where the nats-server is."""
        return self._url

    def command(self, name: str, *arguments: str | Path, **environment: str) -> Command:
        """A command, not yet started, whose output goes to a file."""
        log = self.folder / f"{name.replace('/', '-')}-{len(self.processes)}.log"
        variables = {**self.environment, **environment}
        command = Command(name, self.departments, variables, log, arguments=tuple(map(str, arguments)))
        self.processes.append(command)
        return command

    def run(self, *names: str, **environment: str) -> Command:
        """One ``bus run`` of these applications."""
        return self.command("+".join(names), "run", *(self.departments / name for name in names), **environment)

    async def ask(self, *arguments: str | Path, **environment: str) -> Outcome:
        """A command to its end."""
        return await ask(*arguments, **{**self.environment, **environment})

    async def start(self) -> None:
        """Starts ``bus up`` with the offices that are written."""
        up = self.command("up", "up", self.departments)
        await up.start()
        await self.until(lambda: up.said("The bus is up") or not up.running, "`bus up` is ready")
        assert up.running, up.tail()
        self._url = server.running(self.home) or ""
        self.admin = await platform.connect(self.settings, self.url, Role.ADMIN)
        self.ops = await platform.connect(self.settings, self.url, Role.OPS)

    async def limit_payload(self, limit: int) -> None:
        """Lets the server take no larger messages from now on, in bytes; for clients that connect later."""
        configuration = self.home / "server" / "server.conf"
        configuration.write_text(json.dumps(json.loads(configuration.read_text()) | {"max_payload": limit}))
        os.kill(int((self.home / "server" / "pid").read_text()), signal.SIGHUP)

        async def known() -> bool:
            client = await nats.connect(self.url, user_credentials=str(credentials.path(self.home, Role.OPS)))
            await client.close()
            return bool(client.max_payload == limit)

        await self.until(known, "the server has read its configuration again")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in (getattr(self, "admin", None), getattr(self, "ops", None)):
            if connection is not None:
                await connection.close()
        await super().__aexit__(kind, error, trace)
