"""What the commands of operations ask: a connection with their credential, and an index that is up to date."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from bus.broker.connection import Connection
    from bus.config import Settings
    from bus.observability.index import Index


def url_of(settings: Settings) -> str:
    """Where the server is. Raises Unavailable where none is known."""
    from bus import server
    from bus.errors import Unavailable

    found = settings.nats_url or server.running(settings.home)
    if found is None:
        raise Unavailable(
            "no bus runs here", where=str(settings.home), hint="start `bus up` or `bus demo`, or set BUS_NATS_URL"
        )
    return found


@contextlib.asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Connection]:
    """A connection with the credential of operations. Raises Unavailable, AccessError, ConfigError."""
    from bus.platform import connect
    from bus.security.credentials import Role

    connection = await connect(settings, url_of(settings), Role.OPS)
    try:
        yield connection
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def indexed(settings: Settings, connection: Connection | None = None) -> AsyncIterator[Index]:
    """The index. Where no process feeds it (an external server, say), it is brought up to date first.

    While the server is away it answers what it knew, and says so. Raises Unavailable, AccessError, ConfigError.
    """
    from bus.observability.index import Index

    path = settings.home / "index.db"
    if not Index.fed(path):
        await _bring_up_to_date(settings, connection, path, exists=path.exists())
    with Index(path, read_only=True) as index:
        yield index


async def _bring_up_to_date(settings: Settings, connection: Connection | None, path: Path, *, exists: bool) -> None:
    from bus.errors import Unavailable
    from bus.observability.index import Index

    async with contextlib.AsyncExitStack() as stack:
        try:
            url_of(settings)  # without a server nothing more is worth importing
            from bus.broker.streams import opd_streams
            from bus.observability.indexer import Indexer

            if connection is None:
                connection = await stack.enter_async_context(connected(settings))
            streams = await opd_streams(connection)
        except Unavailable as error:
            if not exists:
                raise
            print(f"bus: the index may be old: {error}", file=sys.stderr)
            return
        with Index(path) as index:
            await Indexer(connection, index, streams).catch_up()
