"""Feeds the index: reads every OPD's stream (headers only), receipts, dead letters and redrives, for ever or to now."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any

import structlog

from bus import subjects
from bus.broker.connection import NOT_FOUND, ApiError, Connection
from bus.broker.consume import Incoming
from bus.broker.reading import read_stream
from bus.broker.streams import durable_consumers
from bus.errors import BusError, ConfigError, Unavailable
from bus.observability.index import PRUNED, Index
from bus.observability.rows import IndexedConsumer, IndexedEvent, IndexedLetter, IndexedReceipt, IndexedRedrive
from bus.subjects import AppName, EventSubject

REFRESH = 5.0  #: seconds between two looks at the provisioned consumers
_HOP = re.compile(r"[0-9]{1,3}")
LETTER_TOKENS = 6  #: ``dlq.<opd>.<app>.<kind>.<place>.<id>``
_TABLES = {  # what is made from the streams of the bus itself
    subjects.RECEIPTS_STREAM: ("receipt",),
    subjects.DLQ_STREAM: ("dead_letter",),
    subjects.REDRIVE_STREAM: ("redrive",),
}

log = structlog.get_logger(__name__)


async def live_consumers(connection: Connection, stream: str) -> list[IndexedConsumer]:
    """The durable consumers of a stream for which events wait, as they are now. Raises Unavailable (ApiError),
    AccessError.
    """
    found = await durable_consumers(connection, stream)
    return [_consumer(stream, info) for info in found if info["config"]["ack_policy"] != "none"]


class Indexer:
    """Reads with the credential of operations."""

    def __init__(self, connection: Connection, index: Index, streams: Sequence[str]) -> None:
        self._connection, self._index, self._streams = connection, index, streams
        self._follow = True

    async def run(self) -> None:
        """Reads until cancelled; while another process feeds this index it stands by. Raises AccessError."""
        told = False
        while not self._index.claim():
            if not told:
                log.warning("another process feeds the index: standing by")
                told = True
            await asyncio.sleep(1.0)
        await self._read_all(self._watch_consumers)

    async def catch_up(self) -> bool:
        """Reads what the streams hold now, and ends; False where another process feeds this index.

        Raises Unavailable, AccessError.
        """
        if not self._index.claim():
            return False
        self._follow = False
        await self._read_all(self._look_at_consumers)
        return True

    async def _read_all(self, consumers: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for stream in self._streams:
                    group.create_task(self._events(stream))
                group.create_task(self._receipts())
                group.create_task(self._dead_letters())
                group.create_task(self._redrives())
                group.create_task(consumers())
        except* BusError as errors:
            first: BaseException = errors
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            raise first from None

    async def _events(self, stream: str) -> None:
        async for batch in self._read(stream, headers_only=True):
            found = [event for incoming in batch if (event := _event(incoming)) is not None]
            parties = [(token, event.id) for event, pihak in found for token in pihak]
            self._index.add_events(stream, batch[-1].sequence, [event for event, _ in found], parties)

    async def _receipts(self) -> None:
        async for batch in self._read(subjects.RECEIPTS_STREAM):
            receipts = [receipt for incoming in batch for receipt in _receipt(incoming)]
            self._index.add_receipts(subjects.RECEIPTS_STREAM, batch[-1].sequence, receipts)

    async def _dead_letters(self) -> None:
        async for batch in self._read(subjects.DLQ_STREAM):
            letters = [letter for incoming in batch if (letter := _letter(incoming)) is not None]
            self._index.add_dead_letters(subjects.DLQ_STREAM, batch[-1].sequence, letters)

    async def _redrives(self) -> None:
        async for batch in self._read(subjects.REDRIVE_STREAM, headers_only=True):
            redrives = [redrive for incoming in batch if (redrive := _redrive(incoming)) is not None]
            self._index.add_redrives(subjects.REDRIVE_STREAM, batch[-1].sequence, redrives)

    async def _read(self, stream: str, *, headers_only: bool = False) -> AsyncIterator[list[Incoming]]:
        after = await self._begin(stream)
        reading = read_stream(self._connection, stream, after=after, headers_only=headers_only, follow=self._follow)
        async for batch in reading:
            if batch:
                yield batch

    async def _begin(self, stream: str) -> int:
        """Where to go on; from the beginning where the stream was made anew since."""
        while True:
            try:
                made = (await self._connection.api(f"STREAM.INFO.{stream}"))["created"]
            except Unavailable as error:
                if not self._follow:
                    raise
                log.warning("index waits for a stream", stream=stream, error=str(error))
                await asyncio.sleep(1.0)
            else:
                return self._index.resume(stream, made, *_TABLES.get(stream, ()))

    async def _watch_consumers(self) -> None:
        while True:
            try:
                await self._look_at_consumers()
                await self._prune()
            except Unavailable as error:
                log.debug("consumers are not listed", error=str(error))
            await asyncio.sleep(REFRESH)

    async def _look_at_consumers(self) -> None:
        for stream in (*self._streams, subjects.REDRIVE_STREAM):
            try:
                self._index.set_consumers(stream, await live_consumers(self._connection, stream))
            except ApiError as error:
                if error.err_code not in NOT_FOUND:
                    raise

    async def _prune(self) -> None:
        """Forgets the events that their stream has dropped by age."""
        for stream in self._streams:
            first = (await self._connection.api(f"STREAM.INFO.{stream}"))["state"]["first_seq"]
            more = True
            while more:
                more = self._index.prune(stream, first) == PRUNED
                await asyncio.sleep(0)  # others have their turn


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
        int(hop) if _HOP.fullmatch(hop) else 0,  # the index shows what is there; readers judge it
        incoming.subject,
    )
    return event, [token for token in headers.get("ce-pihak", "").split(",") if token]


def _receipt(incoming: Incoming) -> list[IndexedReceipt]:
    """The rows of one receipt, which names many events; none where it is malformed, or in another one's name."""
    try:
        body = json.loads(incoming.body)
        app, consumer = AppName.parse(body["app"]), str(body["consumer"])
        outcome, at = str(body["outcome"]), str(body["at"])
        if incoming.subject == subjects.receipt(app, consumer):  # permissions guard the subject, not the body
            return [IndexedReceipt(str(each), str(app), consumer, outcome, at) for each in body["ids"]]
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError):
        pass
    log.warning("not a receipt", subject=incoming.subject, sequence=incoming.sequence)
    return []


def _letter(incoming: Incoming) -> IndexedLetter | None:
    """The row of a dead letter, without the values in it; None where it is none."""
    parts = incoming.subject.split(".")
    if len(parts) != LETTER_TOKENS:
        return None
    try:
        body = json.loads(incoming.body)
        return IndexedLetter(
            id=parts[5],
            app=_app(parts[1], parts[2]),
            kind=parts[3],
            place=parts[4],
            sequence=incoming.sequence,
            stored_ms=incoming.stored_ms,
            code=str(body["code"]),
            reason=str(body["reason"]),
            where=str(body["where"]),
            attempts=int(body["attempts"]),
            event_id=str(body["event_id"]),
            event_type=str(body["event_type"]).removeprefix(subjects.TYPE_PREFIX),
            trace=str(body["trace"]),
            again=str(body.get("again", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        log.warning("not a dead letter", subject=incoming.subject, sequence=incoming.sequence)
        return None


def _redrive(incoming: Incoming) -> IndexedRedrive | None:
    """The row of a redrive, whose headers are those that ``bus.delivery.redrive`` writes."""
    headers = incoming.headers
    letter = headers.get("Bus-Dead-Letter")
    if not letter:
        return None
    author, reason = headers.get("Bus-Author", ""), headers.get("Bus-Reason", "")
    return IndexedRedrive(letter, incoming.sequence, incoming.stored_ms, author, reason, "Bus-Discard" in headers)


def _consumer(stream: str, info: dict[str, Any]) -> IndexedConsumer:
    config = info["config"]
    created = unix_ms(info["created"])
    start = str(config.get("deliver_policy", "all"))
    return IndexedConsumer(
        stream,
        config["durable_name"],
        tuple(config.get("filter_subjects") or [config.get("filter_subject", ">")]),
        start,
        created if start == "new" else unix_ms(config["opt_start_time"]) if config.get("opt_start_time") else 0,
        created,
        int(info["ack_floor"]["stream_seq"]),
        int(info["num_pending"]) + int(info["num_ack_pending"]),
    )


def unix_ms(text: str) -> int:
    """A time of the server's (RFC 3339, up to nanoseconds) as Unix milliseconds."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _app(opd: str, app: str) -> str:
    return str(AppName.of_tokens(opd, app))
