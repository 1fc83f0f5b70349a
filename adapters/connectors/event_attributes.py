"""How a contract writes what an event carries beside its data: ``$id``, ``$time``, ``$sequence`` and so on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from bus.ports import Delivery

OF_EVENT = {"$id": "id", "$time": "time", "$source": "source", "$subject": "subject", "$type": "type"}
STREAM, SEQUENCE = "$stream", "$sequence"  #: where it was first published, and its place there: a higher one is newer


def values_of(delivery: Delivery) -> dict[str, Any]:
    """The fields that a subscription sees and the event's attributes, by what a contract calls them."""
    event = delivery.event
    return delivery.values() | {name: getattr(event, attribute) for name, attribute in OF_EVENT.items()}


def identity_of(event_ids: Sequence[str]) -> str:
    """What names events that go together: the same for the same ones; of one alone its id."""
    whole = ",".join(event_ids)
    return whole if len(event_ids) == 1 else hashlib.blake2b(whole.encode(), digest_size=16).hexdigest()
