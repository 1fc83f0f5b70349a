"""Events that a handler emits because of an event: deterministic, in the trace of their cause, and never without
end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from bus.broker import spans
from bus.delivery.drafting import Drafting
from bus.envelope import MAX_HOPS, Event, follow_up_id, rfc3339
from bus.errors import ContractError
from bus.events.registry import Catalogue
from bus.ports import FollowUp
from bus.subjects import AppName, EventName


class FollowUps:
    """Makes the follow-up events of one subscription."""

    def __init__(
        self,
        app: AppName,
        consumer: str,
        emits: frozenset[EventName],
        catalogue: Catalogue,
        drafting: Drafting,
        timezone: tzinfo,
    ) -> None:
        self._app, self._consumer, self._emits = app, consumer, emits
        self._catalogue, self._drafting, self._timezone = catalogue, drafting, timezone

    def events(self, follow_ups: Sequence[FollowUp]) -> list[Event]:
        """The events. Raises ContractError where the contract does not list one, or where they answer each other in
        a loop.
        """
        return [self._event(follow_up) for follow_up in follow_ups]

    def _event(self, follow_up: FollowUp) -> Event:
        cause = follow_up.cause.event
        kind = self._catalogue.of_model(type(follow_up.data))
        if kind.name not in self._emits:
            raise ContractError(
                f"the handler emits {kind.name}", where=str(self._app), hint="list it under [[publish]] without `from`"
            )
        if cause.hop >= MAX_HOPS:
            raise ContractError(
                f"more than {MAX_HOPS} follow-ups in a row",
                where=str(self._app),
                hint="departments answer each other in a loop",
            )
        draft = self._drafting.draft(kind, follow_up.data)
        identity = follow_up_id(f"{self._app}/{self._consumer}", cause.id, follow_up.index)
        time, trace = rfc3339(datetime.now(self._timezone)), spans.traceparent(identity, cause.traceparent)
        return self._drafting.identified(draft, identity, self._app.ce_source, time, trace, cause.hop + 1)
