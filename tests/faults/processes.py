"""Adapters as processes of their own, which a test kills, stops and starts again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

STOP_TIMEOUT = 30.0  #: seconds until a process that was asked to end counts as stuck
TAIL = 25  #: lines of a log that a failure shows

# Runs between fork and the adapter: an adapter must not outlive its test, not even one that is killed.
_LAUNCH = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the test ended before its adapter began")
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass
class Process:
    """One adapter, run by ``bus run`` or by a ``program`` (a module) that does the same and more. ``log`` collects what
    it prints.
    """

    name: str
    contract: Path
    environment: Mapping[str, str]
    log: Path
    program: str = "bus"
    starts: int = 0
    _process: asyncio.subprocess.Process | None = field(default=None, repr=False)
    _asked: bool = False

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def gave_up(self) -> bool:
        """Whether it has ended by itself, neither asked nor killed."""
        return (
            self._process is not None and (self._process.returncode or 0) >= 0 and not self.running and not self._asked
        )

    async def start(self) -> None:
        """Starts it; does not wait until it works."""
        self._asked = False
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BUS_", "COV_"))}
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid())]
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *launcher,
                sys.executable,
                "-m",
                self.program,
                "run",
                str(self.contract),
                env={**kept, "PYTHONUNBUFFERED": "1", **self.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.starts += 1

    async def kill(self) -> None:
        """SIGKILL: no chance to finish anything."""
        await self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: it stands still and does not know it, like a machine that is suspended."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on as if nothing had been."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> int:
        """SIGTERM; returns the exit code. Raises AssertionError where it does not end."""
        code = await self._end(signal.SIGTERM)
        assert code is not None, f"{self.name} did not run"
        return code

    async def ended(self) -> int:
        """Waits until it ends by itself; returns the exit code."""
        assert self._process is not None, f"{self.name} was never started"
        return await self._process.wait()

    async def _end(self, how: signal.Signals) -> int | None:
        if self._process is None:
            return None
        self._asked = True
        if self._process.returncode is None:
            self._process.send_signal(how)
        try:
            return await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise AssertionError(f"{self.name} did not end in {STOP_TIMEOUT:.0f} s\n{self.tail()}") from None

    def said(self, words: str) -> bool:
        """Whether the log has these words."""
        return self.count(words) > 0

    def count(self, words: str) -> int:
        """How often the log has these words."""
        return self.log.read_text(errors="replace").count(words) if self.log.exists() else 0

    def tail(self) -> str:
        """The end of the log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"--- {self.name}, the end of its log:", *lines[-TAIL:]])
