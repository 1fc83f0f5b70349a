"""How long dead letters are kept: until a person has decided about them, and a while after that.

They carry what their records and events carried. What serves no purpose any more is deleted, in the stream by writing
over it (UU 27/2022 art. 43-44).
"""

from __future__ import annotations

from datetime import timedelta
from sys import maxsize

from bus import subjects
from bus.broker.connection import NOT_FOUND, ApiError, Connection
from bus.config import Settings
from bus.observability.index import Index
from bus.subjects import AppName


def kept_for(settings: Settings) -> timedelta:
    """How long a decided dead letter is kept: shorter than its decision, of which an index that is made anew would not
    know else.
    """
    return timedelta(days=min(settings.decided_days, settings.max_age_days / 2))


async def forget_decided(connection: Connection, index: Index, before_ms: int) -> int:
    """Deletes the dead letters that were decided before a moment (Unix ms), in their stream and in the index, which
    this process feeds; returns how many. ``connection`` is an administrator's. Raises Unavailable, AccessError.
    """
    letters = index.decided(before_ms)
    for letter in letters:
        subject = subjects.dead_letter(AppName.parse(letter.app), letter.kind, letter.place, letter.id)
        while (place := await _first_of(connection, subject)) <= letter.sequence:
            await connection.api(f"STREAM.MSG.DELETE.{subjects.DLQ_STREAM}", {"seq": place})
        index.forget(letter)
    return len(letters)


async def _first_of(connection: Connection, subject: str) -> int:
    """Where the first copy of a dead letter lies: a record that is rejected again for the same reason has several."""
    try:
        wanted = {"seq": 1, "next_by_subj": subject}
        reply = await connection.api(f"STREAM.MSG.GET.{subjects.DLQ_STREAM}", wanted)
    except ApiError as error:
        if error.err_code in NOT_FOUND:
            return maxsize
        raise
    return int(reply["message"]["seq"])
