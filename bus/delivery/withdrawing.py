"""Corrections that no row of the application asks for: a clerk had mistaken the person, and mends the row.

The row then names another, and its event is about that one. What was told of the first would stand for ever: a person
who lives stays dead. So the first event is withdrawn before, and a withdrawal goes to whom it concerns, also where
the row no longer names them (UU 27/2022 art. 30).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bus.delivery.drafting import Draft, Drafting
from bus.delivery.ledger import Told
from bus.events import REASON, WITHDRAWS, EventType

MENDED = "{key} diperbaiki di aplikasi"  #: the reason that such a correction gives


class Withdrawing:
    """What the types of one source, of which some withdraw others, need beyond the mapping."""

    def __init__(self, kinds: Iterable[EventType], drafting: Drafting) -> None:
        self._corrections = {str(kind.corrects): kind for kind in kinds if kind.corrects}
        self._drafting = drafting

    def __bool__(self) -> bool:
        """Whether anything can be withdrawn, so that what was told must be remembered."""
        return bool(self._corrections)

    def completed(self, drafts: Sequence[Draft], told: Mapping[str, Told]) -> Iterator[Draft]:
        """The drafts of a record, each to whom it concerns, and before them the corrections that are missing."""
        for draft in drafts:
            kind = draft.type
            corrects = str(kind.corrects)
            if (correction := self._corrections.get(kind.label)) and self._another(draft, told.get(kind.label)):
                yield self._correction(correction, told[kind.label])
            if kind.corrects and self._another(draft, told.get(corrects)):
                yield self._draft(kind, {**json.loads(draft.data), kind.key: told[corrects].key})
            else:
                yield draft

    def remember(self, told: dict[str, Told], draft: Draft, event_id: str) -> None:
        """Notes in ``told`` what a draft has become, as far as it may have to be withdrawn."""
        label = draft.type.label
        if label in self._corrections:
            told[label] = Told(event_id, draft.key)
        elif (corrected := told.get(str(draft.type.corrects))) is not None:
            told[str(draft.type.corrects)] = corrected._replace(key="")

    @staticmethod
    def _another(draft: Draft, before: Told | None) -> bool:
        return before is not None and before.key not in {"", draft.key}

    def _correction(self, kind: EventType, before: Told) -> Draft:
        reason = MENDED.format(key=kind.key.replace("_", " "))
        return self._draft(kind, {kind.key: before.key, WITHDRAWS: before.id, REASON: reason})

    def _draft(self, kind: EventType, data: Mapping[str, object]) -> Draft:
        return self._drafting.draft(kind, kind.model.model_validate(data))
