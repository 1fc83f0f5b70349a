"""How far a source was read: an event too, stored in one atomic batch with the events that were read, and fenced.

Another reader of the same source moves it, and then this one's batch is refused as a whole: it stands by.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from hashlib import blake2b
from typing import Any

from bus import subjects
from bus.broker.publish import Message, Outgoing, Streams
from bus.contracts.grants import cursor_place
from bus.errors import Fenced
from bus.subjects import AppName


class Cursor:
    """The cursor of one source, as this reader knows it."""

    def __init__(self, streams: Streams, app: AppName, source: str) -> None:
        self._streams = streams
        self._stream, self._subject = app.stream, subjects.cursor(app, source)
        self._durable = subjects.durable(app, cursor_place(source))
        self.sequence = 0
        self.state: dict[str, Any] | None = None

    async def read(self) -> dict[str, Any] | None:
        """Goes to the stored cursor: its state, or None where there is none. Raises Unavailable, AccessError."""
        found = await self._streams.last(self._stream, self._subject)
        self.sequence, self.state = (found.sequence, json.loads(found.body)) if found else (0, None)
        return self.state

    async def earlier(self, first: int) -> AsyncIterator[tuple[int, dict[str, Any]]]:
        """The stored cursors from a sequence to the one at hand, in order, each with its own sequence. Raises
        ConfigError where the consumer for it does not exist, Unavailable, AccessError.
        """
        again = self._streams.again(self._stream, self._subject, self._durable, first=first, last=self.sequence)
        async for sequence, body in again:
            yield sequence, json.loads(body)

    async def store(self, outgoing: Outgoing, state: dict[str, Any], *, together: bool = True) -> int:
        """Stores messages and the new state together (or it behind them), and returns the cursor's sequence.

        Safe to repeat with the same arguments after Unavailable. Raises Fenced where another reader was faster.
        """
        body = json.dumps({**state, "after": self.sequence}, separators=(",", ":")).encode()
        cursor = Message.of(self._subject, body, blake2b(body, digest_size=16).hexdigest())
        try:
            stored = await self._streams.send_batch(outgoing, cursor, after=self.sequence, together=together)
            sequence = stored.sequence
        except Fenced:
            # Our own earlier attempt may have been stored although its acknowledgement never came.
            found = await self._streams.last(self._stream, self._subject)
            if found is None or found.body != body:
                raise
            sequence = found.sequence
        self.sequence, self.state = sequence, state
        return sequence
