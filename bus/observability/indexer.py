"""Feeds the index: reads every OPD's stream (headers only), receipts, dead letters and redrives, for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

import structlog

from bus import subjects
from bus.broker.connection import ApiError, Connection
from bus.broker.consume import Incoming
from bus.broker.reading import read_stream
from bus.errors import Unavailable
from bus.observability.index import Index, IndexedEvent, IndexedReceipt
from bus.subjects import AppName, EventSubject

REFRESH = 5.0  #: seconds between two looks at the provisioned consumers
LETTER_TOKENS = 6  #: ``dlq.<opd>.<app>.<kind>.<place>.<id>``

log = structlog.get_logger(__name__)


class Indexer:
    """Reads with the credential of operations."""

    def __init__(self, connection: Connection, index: Index, streams: Sequence[str]) -> None:
        self._connection, self._index, self._streams = connection, index, streams

    async def run(self) -> None:
        """Reads until cancelled."""
        async with asyncio.TaskGroup() as group:
            for stream in self._streams:
                group.create_task(self._events(stream))
            group.create_task(self._receipts())
            group.create_task(self._dead_letters())
            group.create_task(self._redrives())
            group.create_task(self._consumers())

    async def _events(self, stream: str) -> None:
        async for batch in self._read(stream, headers_only=True):
            found = [event for incoming in batch if (event := _event(incoming)) is not None]
            parties = [(token, event.id) for event, pihak in found for token in pihak]
            self._index.add_events(stream, batch[-1].sequence, [event for event, _ in found], parties)

    async def _receipts(self) -> None:
        async for batch in self._read(subjects.RECEIPTS_STREAM):
            bodies = [json.loads(incoming.body) for incoming in batch]
            receipts = [
                IndexedReceipt(event_id, body["app"], body["consumer"], body["outcome"], body["at"])
                for body in bodies
                for event_id in body["ids"]
            ]
            self._index.add_receipts(subjects.RECEIPTS_STREAM, batch[-1].sequence, receipts)

    async def _dead_letters(self) -> None:
        async for batch in self._read(subjects.DLQ_STREAM, headers_only=True):
            letters = [
                (parts[5], _app(parts[1], parts[2]), parts[3], parts[4], each.sequence, each.stored_ms)
                for each in batch
                if len(parts := each.subject.split(".")) == LETTER_TOKENS
            ]
            self._index.add_dead_letters(subjects.DLQ_STREAM, batch[-1].sequence, letters)

    async def _redrives(self) -> None:
        async for batch in self._read(subjects.REDRIVE_STREAM, headers_only=True):
            redrives = [(each.stored_ms, letter) for each in batch if (letter := each.headers.get("Bus-Dead-Letter"))]
            self._index.add_redrives(subjects.REDRIVE_STREAM, batch[-1].sequence, redrives)

    async def _read(self, stream: str, *, headers_only: bool = False) -> AsyncIterator[list[Incoming]]:
        after = await self._begin(stream)
        async for batch in read_stream(self._connection, stream, after=after, headers_only=headers_only):
            if batch:
                yield batch

    async def _begin(self, stream: str) -> int:
        """Where to go on; from the beginning where the stream was made anew since."""
        position = self._index.position(stream)
        while True:
            try:
                last = (await self._connection.api(f"STREAM.INFO.{stream}"))["state"]["last_seq"]
            except Unavailable as error:
                log.warning("index waits for a stream", stream=stream, error=str(error))
                await asyncio.sleep(1.0)
            else:
                if last >= position:
                    return position
                self._index.forget(stream)
                return 0

    async def _consumers(self) -> None:
        while True:
            for stream in self._streams:
                try:
                    listed = await self._connection.api(f"CONSUMER.LIST.{stream}", {"offset": 0})
                except (ApiError, Unavailable) as error:
                    log.debug("consumers are not listed", stream=stream, error=str(error))
                    continue
                configs = [info["config"] for info in listed["consumers"] or () if info["config"].get("durable_name")]
                self._index.set_consumers(
                    stream,
                    [
                        (config["durable_name"], config.get("filter_subjects") or [config.get("filter_subject", ">")])
                        for config in configs
                    ],
                )
            await asyncio.sleep(REFRESH)


def _event(incoming: Incoming) -> tuple[IndexedEvent, list[str]] | None:
    """An event's row and the tokens of its parties; None for a cursor."""
    parsed = EventSubject.parse(incoming.subject)
    if parsed is None:
        return None
    headers = {name.lower(): value for name, value in incoming.headers.items()}
    trace = headers.get("traceparent", "").split("-")
    hop = headers.get("ce-hop", "0")
    event = IndexedEvent(
        incoming.stream,
        incoming.sequence,
        headers.get("ce-id", ""),
        str(parsed.app),
        str(parsed.name),
        parsed.key_token,
        headers.get("ce-time", ""),
        incoming.stored_ms,
        trace[1] if len(trace) == 4 else "",  # noqa: PLR2004 - W3C's four fields
        int(hop) if hop.isdigit() else 0,  # the index shows what is there; readers judge it
        incoming.subject,
    )
    return event, [token for token in headers.get("ce-pihak", "").split(",") if token]


def _app(opd: str, app: str) -> str:
    return str(AppName(opd.replace("-", "_"), app.replace("-", "_")))
