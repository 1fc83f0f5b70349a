"""What a subscription has applied, in the application's own database: written in the transaction of the effect.

So an event that is delivered twice is applied once. A row also tells sources which transactions the bus wrote itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Column, DateTime, MetaData, String, Table, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

metadata = MetaData()

INBOX = Table(
    "bus_inbox",
    metadata,
    Column("consumer", String(120), primary_key=True),
    Column("event_id", String(64), primary_key=True),
    Column("applied_at", DateTime(timezone=True), nullable=False, index=True),
    mysql_engine="InnoDB",
)


async def seen(transaction: AsyncConnection, consumer: str, event_ids: Sequence[str]) -> set[str]:
    """Which of these events the subscription has applied."""
    query = select(INBOX.c.event_id).where(INBOX.c.consumer == consumer, INBOX.c.event_id.in_(event_ids))
    return set((await transaction.execute(query)).scalars())


async def record(transaction: AsyncConnection, consumer: str, event_ids: Sequence[str]) -> None:
    """Writes that these events are applied; a second writer of one of them fails and rolls its effect back."""
    at = datetime.now(UTC)
    await transaction.execute(
        insert(INBOX), [{"consumer": consumer, "event_id": event_id, "applied_at": at} for event_id in event_ids]
    )


async def prune(transaction: AsyncConnection, consumer: str, before: datetime) -> None:
    """Forgets what a subscription applied before a moment. It must lie further back than any stream keeps events."""
    await transaction.execute(INBOX.delete().where(INBOX.c.consumer == consumer, INBOX.c.applied_at < before))
