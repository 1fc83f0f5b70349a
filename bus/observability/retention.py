"""How long dead letters are kept: until a person has decided about them, and a while after that.

They carry what their records and events carried. What serves no purpose any more is deleted, in the stream by writing
over it (UU 27/2022 art. 43-44).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from bus import subjects
from bus.broker.connection import Connection
from bus.broker.direct import next_message
from bus.config import Settings
from bus.observability.index import Index
from bus.observability.rows import IndexedLetter
from bus.subjects import AppName


def kept_for(settings: Settings) -> timedelta:
    """How long a decided dead letter is kept: shorter than its decision, of which an index that is made anew would not
    know else.
    """
    return timedelta(days=min(settings.decided_days, settings.max_age_days / 2))


async def forget(connection: Connection, index: Index, letters: Sequence[IndexedLetter]) -> None:
    """Deletes dead letters in their stream, and in the index, which this process feeds. ``connection`` is an
    administrator's. Raises Unavailable, AccessError.
    """
    for letter in letters:
        subject, after = subjects.dead_letter(AppName.parse(letter.app), letter.kind, letter.place, letter.id), 0
        # A record that is rejected again for the same reason has several copies.
        while after < letter.sequence:
            copy = await next_message(connection, subjects.DLQ_STREAM, subject, after=after)
            if copy is None or copy.sequence > letter.sequence:
                break
            await connection.api(f"STREAM.MSG.DELETE.{subjects.DLQ_STREAM}", {"seq": copy.sequence})
            after = copy.sequence
        index.forget(letter)
