"""What a subscription has applied, in the application's own database: written in the transaction of the effect.

So an event that is delivered twice is applied once. A row also tells sources which transactions the bus wrote itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import ARRAY, Column, DateTime, Index, MetaData, String, Table, func, insert, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bus.errors import Unavailable

metadata = MetaData()

INBOX = Table(
    "bus_inbox",
    metadata,
    Column("consumer", String(120), primary_key=True),
    Column("event_id", String(64), primary_key=True),
    Column("applied_at", DateTime(timezone=True), nullable=False),
    Index("bus_inbox_age", "consumer", "applied_at"),
    mysql_engine="InnoDB",
    mariadb_engine="InnoDB",
)
PART = 500  #: events that are forgotten in one transaction


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


async def prune(engine: AsyncEngine, consumer: str, before: datetime) -> None:
    """Forgets what a subscription applied before a moment. It must lie further back than any stream keeps events.

    In transactions of their own, so small that what is applied meanwhile does not wait for them.
    """
    own = INBOX.c.consumer == consumer
    oldest = select(INBOX.c.event_id).where(own, INBOX.c.applied_at < before).order_by(INBOX.c.applied_at).limit(PART)
    full = True
    while full:
        async with engine.begin() as transaction:
            ids = (await transaction.execute(oldest)).scalars().all()
            if ids:
                await transaction.execute(INBOX.delete().where(own, INBOX.c.event_id.in_(ids)))
        full = len(ids) == PART
