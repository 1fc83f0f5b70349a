"""Single events into the stream: each with a ``send`` span of its own, their acknowledgements awaited in a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from bus import subjects
from bus.broker import spans
from bus.broker.publish import Message, Stored, Streams
from bus.broker.wire import UNTRACED, header_lines
from bus.envelope import Event, common_headers
from bus.errors import ContractError
from bus.subjects import AppName, EventName


class Emitter:
    """Emits events of one application."""

    def __init__(self, app: AppName, streams: Streams) -> None:
        self._app, self._streams = app, streams

    def check(self, events: Sequence[Event]) -> None:
        """Raises ContractError for an event that is too large to be sent: before its cause is applied, not after."""
        for event in events:
            if len(event.data) > self._streams.room:
                raise ContractError(
                    f"the follow-up has {len(event.data):,} bytes, {self._streams.room:,} fit",
                    where=event.type.removeprefix(subjects.TYPE_PREFIX),
                    hint="leave large fields out of it",
                )

    async def send(self, events: Sequence[Event]) -> list[Stored]:
        """Stores events in their order. Raises ContractError (too large), AccessError, StreamFull, Unavailable.

        After an error some may be stored; sending all again is safe, since their ids stay the same.
        """
        with spans.sends([(event, self._template(event)) for event in events]):
            return await self._streams.send_all([message_of(self._app, event) for event in events])

    def _template(self, event: Event) -> str:
        return subjects.event_template(self._app, event.type.removeprefix(subjects.TYPE_PREFIX))


def message_of(app: AppName, event: Event) -> Message:
    """An event of an application as a message of its stream."""
    before_key, lines = _of_type(app, event.source, event.type, event.dataschema)
    return Message(before_key + event.subject, event.data, event.id, event.own_headers(), lines)


@lru_cache(maxsize=1024)
def _of_type(app: AppName, source: str, ce_type: str, dataschema: str) -> tuple[str, str]:
    """What all events of a type have in common: the subject up to the key, and header lines."""
    before_key = subjects.event(app, EventName.parse(ce_type), "")
    return before_key, UNTRACED + header_lines(common_headers(source, ce_type, dataschema), before_key)
