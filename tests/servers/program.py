"""Applications of the tests that are programs in Python: each a process of its own, which may be killed."""

from __future__ import annotations

import signal
import sys
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self

from tests.servers.server import Server

ROOT = Path(__file__).parents[2]
FOLDER = "BUS_TEST_FOLDER"  #: in its environment: where it keeps what it must not forget


class Program(Server):
    """A module that runs by itself. It keeps the user of the tests, since it reads what they read."""

    account: ClassVar[str] = ""
    gentle: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self) -> None:
        super().__init__(Path(sys.executable).parent)

    @abstractmethod
    def module(self) -> Sequence[str]:
        """The module's name and its arguments."""

    def initialise(self) -> None:
        """Its folder is empty at first."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", *self.module()]

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "PYTHONPATH": str(ROOT), FOLDER: str(self.folder)}

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Runs, until the end of the block."""
        try:
            self.start()
            yield self
        finally:
            self.close()
