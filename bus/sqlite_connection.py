"""Connections to SQLite that let go: of the file when they are closed, of their thread when the engine is disposed of.

SQLite keeps a connection's locks until the last of its statements has ended, and Python's own ``close`` ends none since
3.11. A query that is cancelled half-way lives on in the traceback of its cancellation, and would keep everybody else
from writing until the garbage is collected.

A connection's thread takes what it is told in turn, until it is told to stop. Where a closing is cancelled, SQLAlchemy
lets it go on and stops the thread beside it: the closing would wait for ever for a thread that has ended, and the
thread would answer an event loop that is closed.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from functools import partial
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import aiosqlite
from sqlalchemy import event
from sqlalchemy.util import await_

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


class Statements(sqlite3.Connection):
    """The ``factory`` of ``sqlite3.connect``: knows what ``cursor`` has made (SQLAlchemy's only way), and closes it
    first.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()

    def cursor(self, *arguments: Any) -> Any:
        """A new cursor."""
        made = super().cursor(*arguments)
        self._cursors.add(made)
        return made

    def close(self) -> None:
        """Ends the statements, then the connection, which may have been closed before."""
        for each in list(self._cursors):
            each.close()
        self._cursors.clear()
        super().close()


class SqliteConnection(aiosqlite.Connection):
    """A connection that is stopped once, however often it is told to; ``ending`` gets its thread then."""

    def __init__(self, ending: list[Thread], database: str, **options: Any) -> None:
        super().__init__(partial(sqlite3.connect, database, factory=Statements, **options), iter_chunk_size=64)
        self._thread.daemon = True  # a process does not wait for a query that nobody waits for
        self._ending = ending
        self._told = False
        self._stopped: asyncio.Future[Any] | None = None

    def stop(self) -> asyncio.Future[Any] | None:
        """Has it close behind what it is at; returns the future of that, one for everybody who asks."""
        if not self._told:
            self._told = True
            self._ending[:] = [*(each for each in self._ending if each.is_alive()), self._thread]
            self._stopped = super().stop()
        return self._stopped

    async def close(self) -> None:
        """Interrupts its query, if it is at one, and closes."""
        if self._connection is not None:
            with suppress(sqlite3.ProgrammingError):  # its thread has just closed it
                self._connection.interrupt()
        await super().close()


def let_go(engine: AsyncEngine, *, patience: float) -> None:
    """Has an engine make such connections, and wait for their threads when it is disposed of: ``patience`` seconds for
    all of them, since nothing interrupts one that waits for a lock.
    """
    ending: list[Thread] = []

    def connect(_dialect: object, _record: object, _arguments: object, options: dict[str, Any]) -> None:
        options["async_creator_fn"] = partial(SqliteConnection, ending)

    def disposed(_engine: object) -> None:
        await_(asyncio.to_thread(end))

    def end() -> None:
        deadline = monotonic() + patience
        for each in ending:
            each.join(max(0.0, deadline - monotonic()))

    event.listen(engine.sync_engine, "do_connect", connect)
    event.listen(engine.sync_engine, "engine_disposed", disposed)
