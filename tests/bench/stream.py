"""What has come into a stream, asked of the server: rows are numbered by their ``no_akta``, and come in their order."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import datetime
from typing import NamedTuple

from bus.broker.connection import ApiError, Connection
from bus.subjects import AppName


class Stored(NamedTuple):
    """An event of the stream."""

    number: int  #: of its row
    at: float  #: when the server stored it, Unix seconds


class EventStream:
    """The events of one application in its OPD's stream."""

    def __init__(self, connection: Connection, app: str) -> None:
        name = AppName.parse(app)
        self._connection, self._stream = connection, name.stream
        self._events = f"opd.{name.prefix}.kependudukan.>"

    async def rows(self, wanted: int) -> int:
        """How many rows have become events; 0 as long as there cannot be ``wanted`` ones.

        The newest is asked for when there are as many messages: to find it the server looks through all subjects.
        """
        if (await self._state())["messages"] < wanted:
            return 0
        try:
            return (await self.newest()).number + 1
        except ApiError:
            return 0  # none yet

    async def end(self) -> int:
        """The sequence of the stream's last message."""
        return (await self._state())["last_seq"]

    async def newest(self) -> Stored:
        """The last event. Raises ApiError where there is none."""
        return await self._event({"last_by_subj": self._events})

    async def after(self, sequence: int) -> Stored:
        """The first event behind a place in the stream. Raises ApiError where there is none."""
        return await self._event({"seq": sequence + 1, "next_by_subj": self._events})

    async def _state(self) -> dict[str, int]:
        state: dict[str, int] = (await self._connection.api(f"STREAM.INFO.{self._stream}", {}))["state"]
        return state

    async def _event(self, wanted: dict[str, object]) -> Stored:
        message = (await self._connection.api(f"STREAM.MSG.GET.{self._stream}", wanted))["message"]
        number = json.loads(b64decode(message["data"]))["no_akta"].rpartition("-")[2]
        return Stored(int(number), datetime.fromisoformat(message["time"]).timestamp())
