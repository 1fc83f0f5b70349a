"""Follow-up events, kept in the application's database from the transaction of their cause until the stream has
them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Column, Integer, LargeBinary, String, Table, Text, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bus.database import errors
from bus.delivery.emitting import Emitter
from bus.delivery.inbox import metadata
from bus.envelope import Event
from bus.subjects import AppName

OUTBOX = Table(
    "bus_outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("consumer", String(120), nullable=False, index=True),
    Column("event_id", String(64), nullable=False, unique=True),
    Column("attributes", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    mysql_engine="InnoDB",
    mariadb_engine="InnoDB",
)
BATCH = 500


async def enqueue(transaction: AsyncConnection, consumer: str, events: Sequence[Event]) -> None:
    """Writes follow-ups in the transaction of their cause."""
    if events:
        await transaction.execute(
            insert(OUTBOX),
            [
                {"consumer": consumer, "event_id": event.id, "attributes": _attributes(event), "data": event.data}
                for event in events
            ],
        )


class Relay:
    """Publishes what the outbox of one subscription holds, in its order, and deletes it when it is stored."""

    def __init__(self, engine: AsyncEngine, emitter: Emitter, app: AppName, consumer: str) -> None:
        self._engine, self._emitter, self._app, self._consumer = engine, emitter, app, consumer

    async def flush(self) -> int:
        """Publishes all that is unsent and returns how many events that were. Raises Unavailable; what is sent twice
        has the same id.
        """
        sent = 0
        with errors(f"{self._app} outbox"):
            while True:
                async with self._engine.connect() as connection:
                    query = select(OUTBOX).where(OUTBOX.c.consumer == self._consumer).order_by(OUTBOX.c.id).limit(BATCH)
                    rows = (await connection.execute(query)).all()
                if not rows:
                    return sent
                await self._emitter.send([_event(row.attributes, row.data) for row in rows])
                async with self._engine.begin() as transaction:
                    await transaction.execute(delete(OUTBOX).where(OUTBOX.c.id.in_([row.id for row in rows])))
                sent += len(rows)


def _attributes(event: Event) -> str:
    return json.dumps({name: value for name, value in event._asdict().items() if name != "data"})


def _event(attributes: str, data: bytes) -> Event:
    values = json.loads(attributes)
    return Event(**{**values, "parties": tuple(values["parties"])}, data=bytes(data))
