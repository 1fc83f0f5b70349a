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
    data: BaseModel
    body: bytes
    content: bytes = b""  #: what must change for a new event; none: all of it

    @property
    def key(self) -> str:
        """Whom or what it is about."""
        return str(getattr(self.data, self.type.key))


class Drafting:
    """Turns validated data of an event type into drafts, and drafts into events: for sources and for handlers'
    follow-ups.
    """

    def __init__(self, tokens: KeyTokens) -> None:
        self._tokens = tokens

    def draft(self, kind: EventType, data: BaseModel) -> Draft:
        """The draft of one event."""
        return Draft(kind, data, data.__pydantic_serializer__.to_json(data, exclude_none=True))

    def event(self, draft: Draft, source: str, key: str, version: str, time: str) -> Event:
        """The event of a draft, with its deterministic id. ``time`` is RFC 3339."""
        kind, body = draft.type, draft.body
        identity = event_id(f"{source}/{kind.label}", key, version, body)
        return self.identified(draft, identity, source, time, spans.traceparent(identity))

    def identified(self, draft: Draft, identity: str, source: str, time: str, traceparent: str, hop: int = 0) -> Event:
        """The event of a draft with the id that it is given."""
        kind, data = draft.type, draft.data
        token = self._tokens(kind.entity, getattr(data, kind.key))
        parties = self._parties(kind, data) if kind.parties else ()
        return Event(
            identity, source, kind.ce_type, token, time, draft.body, kind.dataschema, parties, hop, traceparent
        )

    def _parties(self, kind: EventType, data: BaseModel) -> tuple[str, ...]:
        values = ((entity, getattr(data, field)) for field, entity in kind.parties.items())
        return tuple(self._tokens(entity, value) for entity, value in values if value is not None)
