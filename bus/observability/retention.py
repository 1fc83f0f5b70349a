"""How long dead letters are kept: until a person has decided about them, and a while after that.

They carry what their records and events carried. What serves no purpose any more is deleted, in the stream by writing
over it (UU 27/2022 art. 43-44).
"""

from __future__ import annotations

from datetime import timedelta

from bus import subjects
from bus.broker.connection import Connection
from bus.broker.direct import message_at
from bus.config import Settings
from bus.observability.index import Index


def kept_for(settings: Settings) -> timedelta:
    """How long a decided dead letter is kept: in any case not as long as the decision, of which an index that is made
    anew would not know.
    """
    return timedelta(days=min(settings.decided_days, settings.max_age_days / 2))


async def forget_decided(connection: Connection, index: Index, before_ms: int) -> int:
    """Deletes the dead letters that were decided before a moment (Unix ms), in their stream and in the index, which
    this process feeds; returns how many. ``connection`` is an administrator's. Raises Unavailable, AccessError.
    """
    letters = index.decided(before_ms)
    for letter in letters:
        if await message_at(connection, subjects.DLQ_STREAM, letter.sequence) is not None:
            await connection.api(f"STREAM.MSG.DELETE.{subjects.DLQ_STREAM}", {"seq": letter.sequence})
        index.forget(letter)
    return len(letters)
