"""Validated data on their way to an event: what of it is known before the ledger says whether it is one."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel

from bus.broker import spans
from bus.envelope import Event, event_id
from bus.events import EventType
from bus.events.registry import KeyTokens


class Draft(NamedTuple):
    """A validated event that has no identity yet: the ledger decides whether it is new, and which change it is."""

    type: EventType
    data: bytes
    key: str  #: whom or what it is about
    key_token: str
    parties: tuple[str, ...]
    content: bytes = b""  #: what must change for a new event; none: all of it

    def event(self, source: str, key: str, version: str, time: str) -> Event:
        """The event, with its deterministic id. ``time`` is RFC 3339."""
        identity = event_id(f"{source}/{self.type.label}", key, version, self.data)
        return Event(
            id=identity,
            source=source,
            type=self.type.ce_type,
            subject=self.key_token,
            time=time,
            data=self.data,
            dataschema=self.type.dataschema,
            parties=self.parties,
            traceparent=spans.traceparent(identity),
        )


class Drafting:
    """Turns validated data of an event type into drafts. Shared by sources and by handlers' follow-ups."""

    def __init__(self, tokens: KeyTokens) -> None:
        self._tokens = tokens

    def draft(self, kind: EventType, data: BaseModel) -> Draft:
        """The draft of one event."""
        key = getattr(data, kind.key)
        return Draft(
            kind,
            data.__pydantic_serializer__.to_json(data, exclude_none=True),
            str(key),
            self._tokens(kind.entity, key),
            self._parties(kind, data) if kind.parties else (),
        )

    def _parties(self, kind: EventType, data: BaseModel) -> tuple[str, ...]:
        values = ((entity, getattr(data, field)) for field, entity in kind.parties.items())
        return tuple(self._tokens(entity, value) for entity, value in values if value is not None)
