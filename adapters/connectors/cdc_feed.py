"""A bounded queue from a thread that reads a database's log to the event loop that publishes what it read."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

from bus.errors import BusError, Unavailable
from bus.ports import Batch

E = TypeVar("E", bound=Exception)

PATIENCE = 5.0  #: seconds that a reading waits at least until the log is known to have nothing more
FRESH = 5.0  #: seconds that a reader's word of having nothing is believed
HELD = 300.0  #: seconds that a snapshot's transaction waits for room
TICK = 1.0  #: seconds after which a reader that waits for room keeps its connection alive
WAIT = 0.2  #: seconds until a waiting reader looks whether it shall stop


class Stopped(Exception):
    """The source is being closed: the reading thread ends."""


class Feed:
    """Batches on their way out of a reading thread. Made in the event loop; ``put`` and ``fail`` are the thread's."""

    def __init__(self, size: int, where: str) -> None:
        self._loop, self._where = asyncio.get_running_loop(), where
        self._batches: deque[Batch] = deque()
        self._room = threading.Semaphore(size)
        self._arrived = asyncio.Event()
        self._failure: Exception | None = None
        self.stopping = threading.Event()
        self._resting = False
        self._rested = 0.0

    def put(self, batch: Batch, keep_alive: Callable[[], None] = lambda: None) -> None:
        """Hands a batch over; waits for room, and calls ``keep_alive`` now and then. Raises Stopped, and what
        ``keep_alive`` raises.
        """
        while not self._room.acquire(timeout=TICK):
            self.check()
            keep_alive()
        self.check()
        self._batches.append(batch)
        self._tell()

    def put_held(self, batch: Batch) -> None:
        """The same from within a transaction, which must not stay open for as long as the streams take nothing: neither
        PostgreSQL nor MariaDB can clear away meanwhile what is deleted. Raises Unavailable; what was handed over is
        behind the position from which the next reading goes on.
        """
        ends = monotonic() + HELD

        def end() -> None:
            if monotonic() > ends:
                told = "the streams take nothing: the snapshot is let go, and goes on later"
                raise Unavailable(told, where=self._where)

        self.put(batch, end)

    def fail(self, error: Exception) -> None:
        """Hands an error over; it arrives behind what was read before it."""
        self._failure = error
        self._tell()

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Around the whole work of a reading thread: whatever it ends with arrives in the event loop."""
        try:
            yield
        except Stopped:
            return
        except Exception as error:
            self.fail(error)

    def stand_by(self, acquire: Callable[[], bool]) -> None:
        """Becomes the one reader, or waits while another is. Raises Unavailable when that one has ended: the source
        then starts anew with the cursor of then. Raises Stopped.
        """
        waited = False
        while not acquire():
            waited = True
            self.rest()
            if self.stopping.wait(WAIT):
                raise Stopped
        if waited:
            raise Unavailable("the reader before has ended: takes over", where=self._where)

    def check(self) -> None:
        """Raises Stopped where the source is being closed."""
        if self.stopping.is_set():
            raise Stopped

    def rest(self) -> None:
        """The log has nothing more at the moment: readings need not wait long."""
        self._rested = monotonic()
        if not self._resting:
            self._resting = True
            self._tell()

    def _tell(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._arrived.set)

    @property
    def waiting(self) -> Sequence[Batch]:
        """What has been read and not been got."""
        return tuple(self._batches)

    @property
    def at_rest(self) -> bool:
        """Whether the log had nothing more a moment ago."""
        return not self._batches and monotonic() - self._rested < FRESH

    async def get(self, wait: float) -> Batch | None:
        """The next batch; None where none comes within ``wait`` seconds. Raises what the thread failed with."""
        if not self._batches and self._failure is None:
            self._arrived.clear()
            try:
                async with asyncio.timeout(wait if self._resting else max(wait, PATIENCE)):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        if self._batches:
            batch = self._batches.popleft()
            self._room.release()
            return batch
        if isinstance(self._failure, BusError):
            raise self._failure
        if self._failure is not None:
            raise RuntimeError("the reading thread failed") from self._failure
        return None


@contextmanager
def translated(kind: type[E], translate: Callable[[E], BusError], where: str) -> Iterator[None]:
    """Turns what a driver raises into the bus's errors; its texts hold values."""
    try:
        yield
    except kind as error:
        raise translate(error) from None
    except OSError as error:
        raise Unavailable(f"the database does not answer ({type(error).__name__})", where=where) from None
