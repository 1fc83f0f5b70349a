"""Corrections that no row of the application asks for: a clerk had mistaken the person, and mends the row.

The row then names another, and its event is about that one. What was told of the first would stand for ever: a person
who lives stays dead. So the first event is withdrawn before, and a withdrawal goes to whom it concerns, also where
the row no longer names them (UU 27/2022 art. 30).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from bus.delivery.drafting import Draft, Drafting
from bus.delivery.ledger import Told
from bus.events import REASON_FIELD, WITHDRAWS_FIELD, EventType

MENDED = "{key} diperbaiki di aplikasi"  #: the reason that such a correction gives


class Withdrawing:
    """What the types of one source, of which some withdraw others, need beyond the mapping."""

    def __init__(self, kinds: Iterable[EventType], drafting: Drafting) -> None:
        self._corrections = {str(kind.corrects): kind for kind in kinds if kind.corrects}
        self._drafting = drafting

    def __bool__(self) -> bool:
        """Whether anything can be withdrawn, so that what was told must be remembered."""
        return bool(self._corrections)

    def completed(self, drafts: Sequence[Draft], told: Mapping[str, Told]) -> list[Draft]:
        """The drafts of a record, each to whom it concerns, and before them the corrections that are missing."""
        found: list[Draft] = []
        for draft in drafts:
            kind = draft.type
            fact = str(kind.corrects or kind.name)
            before = told.get(fact) if fact in self._corrections else None
            if before is None or before.key in {"", draft.key}:
                found.append(draft)
            elif kind.corrects:
                found.append(self._draft(kind, {**json.loads(draft.body), kind.key: before.key}))
            else:
                found += [self._correction(self._corrections[fact], before), draft]
        return found

    def remember(self, told: dict[str, Told], draft: Draft, event_id: str) -> None:
        """Notes in ``told`` what a draft has become, as far as it may have to be withdrawn."""
        label = draft.type.label
        if label in self._corrections:
            told[label] = Told(event_id, draft.key)
        elif (corrected := told.get(str(draft.type.corrects))) is not None:
            told[str(draft.type.corrects)] = corrected._replace(key="")

    def _correction(self, kind: EventType, before: Told) -> Draft:
        reason = MENDED.format(key=kind.key.replace("_", " "))
        return self._draft(kind, {kind.key: before.key, WITHDRAWS_FIELD: before.id, REASON_FIELD: reason})

    def _draft(self, kind: EventType, data: Mapping[str, object]) -> Draft:
        return self._drafting.draft(kind, kind.model.model_validate(data))
