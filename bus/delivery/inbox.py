"""What a subscription has applied, in the application's own database: written in the transaction of the effect.

So an event that is delivered twice is applied once. A row also tells sources which transactions the bus wrote itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import ARRAY, Column, DateTime, MetaData, String, Table, func, insert, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bus.errors import Unavailable

metadata = MetaData()

INBOX = Table(
    "bus_inbox",
    metadata,
    Column("consumer", String(120), primary_key=True),
    Column("event_id", String(64), primary_key=True),
    Column("applied_at", DateTime(timezone=True), nullable=False, index=True),
    mysql_engine="InnoDB",
)


async def claim(transaction: AsyncConnection, consumer: str, event_ids: Sequence[str]) -> set[str]:
    """Writes that these events are applied, and returns those that were not: to be applied in the same transaction.
    Raises Unavailable where another has applied some in that moment: asked again they are known.

    Asked and written in one statement where the database can: with a list of 500 ids PostgreSQL, as long as it has no
    statistics of a young table, looks through all of it.
    """
    at = datetime.now(UTC)
    dialect = transaction.dialect.name
    if dialect == "postgresql":
        rows = select(literal(consumer), func.unnest(literal(list(event_ids), ARRAY(String))), literal(at))
        statement = postgresql.insert(INBOX).from_select(["consumer", "event_id", "applied_at"], rows)
        return set(
            (await transaction.execute(statement.on_conflict_do_nothing().returning(INBOX.c.event_id))).scalars()
        )
    if dialect == "sqlite":
        values = [{"consumer": consumer, "event_id": event_id, "applied_at": at} for event_id in event_ids]
        claimed = sqlite.insert(INBOX).values(values).on_conflict_do_nothing().returning(INBOX.c.event_id)
        return set((await transaction.execute(claimed)).scalars())
    known = select(INBOX.c.event_id).where(INBOX.c.consumer == consumer, INBOX.c.event_id.in_(event_ids))
    fresh = set(event_ids) - set((await transaction.execute(known)).scalars())
    if fresh:
        rows_of = [{"consumer": consumer, "event_id": event_id, "applied_at": at} for event_id in fresh]
        try:
            await transaction.execute(insert(INBOX), rows_of)
        except IntegrityError:  # one whose commit was on its way, or of an instance that was thought to be gone
            raise Unavailable("another transaction has just applied some of these events", where=consumer) from None
    return fresh


async def prune(transaction: AsyncConnection, consumer: str, before: datetime) -> None:
    """Forgets what a subscription applied before a moment. It must lie further back than any stream keeps events."""
    await transaction.execute(INBOX.delete().where(INBOX.c.consumer == consumer, INBOX.c.applied_at < before))
