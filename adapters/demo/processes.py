"""The adapters of the demo in processes: `bus run` of some contracts, each with its own credential and connection."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STOP_TIMEOUT = 8.0  #: seconds an adapter gets to finish what it has begun
RESTART_PAUSE = 0.5  #: seconds before one that died is started again
MAX_FAILURES = 3  #: of one that ends by itself: then something is wrong that a restart does not cure
COMMAND = (sys.executable, "-m", "bus", "run")
_PR_SET_PDEATHSIG = 1


@dataclass
class Adapter:
    """A process of adapters. ``log`` collects its output; ``environment`` is all it gets beyond what Python needs."""

    name: str
    contracts: Sequence[Path]
    environment: Mapping[str, str]
    log: Path
    options: Sequence[str] = ()
    restarts: int = 0
    failures: int = 0  #: ends by itself, not killed
    _process: asyncio.subprocess.Process | None = field(default=None, repr=False)
    _stopping: bool = False

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Starts the process. It dies with the demo, even if that is killed."""
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *COMMAND,
                *map(str, self.contracts),
                *self.options,
                env=_environment(self.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C is for the demo alone, which then stops its adapters
                preexec_fn=die_with_parent(),
            )

    async def supervise(self, tell: Callable[[str], None]) -> None:
        """Starts the process again whenever it ends by itself; returns once it is stopped or hopeless."""
        while self._process is not None:
            code = await self._process.wait()
            if self._stopping:
                return
            self.failures += code >= 0
            if self.failures > MAX_FAILURES:
                tell(f"{self.name} ends again and again (code {code}); see {self.log}")
                return
            await asyncio.sleep(RESTART_PAUSE)
            if self._stopping:
                return
            await self.start()
            self.restarts += 1
            tell(f"{self.name} is started again")

    def kill(self) -> None:
        """SIGKILL: no chance to finish anything. `supervise` starts it again."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def stop(self) -> None:
        """SIGTERM and patience, then SIGKILL."""
        self._stopping = True
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """What every program needs, and the adapter's own: no BUS_* variable of the demo's caller gets through."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BUS_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **own}


def die_with_parent() -> Callable[[], None] | None:
    """What Linux runs in the child before the program: SIGKILL it when its parent is gone. Elsewhere nothing."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # loaded before the fork: nothing may be loaded after it
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before it was asked
            os._exit(1)

    return ask
