"""Single events into the stream: each with a ``send`` span of its own, their acknowledgements awaited in a pipeline."""

from __future__ import annotations

from collections.abc import Sequence

from bus import subjects
from bus.broker import spans
from bus.broker.publish import MSG_ID, Message, Stored, Streams
from bus.broker.wire import UNTRACED, header_lines
from bus.envelope import Event, common_lines
from bus.errors import ContractError
from bus.subjects import AppName, EventName


class Emitter:
    """Emits events of one application."""

    def __init__(self, app: AppName, streams: Streams) -> None:
        self._app, self._streams, self._wrapper = app, streams, EnvelopeWrapper(app)

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
            return await self._streams.send_all([self._wrapper.wrap(event) for event in events])

    def _template(self, event: Event) -> str:
        return subjects.event_template(self._app, event.type.removeprefix(subjects.TYPE_PREFIX))


class EnvelopeWrapper:
    """Wraps the events of one application into messages of its stream."""

    def __init__(self, app: AppName) -> None:
        self._app = app
        self._types: dict[tuple[str, str, str], tuple[str, str]] = {}

    def wrap(self, event: Event) -> Message:
        """An event as a message. Raises EnvelopeError for a line break in an attribute."""
        kind = (event.type, event.dataschema, event.source)
        before_key, lines = self._types.get(kind) or self._of_type(*kind)
        lines = f"{lines}{event.own_lines()}{MSG_ID}: {event.id}\r\n"
        return Message(before_key + event.subject, event.data, event.id, lines)

    def _of_type(self, ce_type: str, dataschema: str, source: str) -> tuple[str, str]:
        """What all events of a type have in common: the subject up to the key, and header lines."""
        before_key = subjects.event(self._app, EventName.parse(ce_type), "")
        lines = header_lines(UNTRACED, before_key) + common_lines(source, ce_type, dataschema)
        self._types[ce_type, dataschema, source] = before_key, lines
        return before_key, lines
