"""Events on their way into a target."""

from __future__ import annotations

from bus.envelope import Event
from bus.ports import Delivery
from bus.testing.events import APP, NAME, BarisBerubah


def delivery(kunci: str = "k1", nilai: str = "isi", version: int = 7, event_id: str = "e" * 32) -> Delivery:
    """An event about a key."""
    event = Event(
        id=event_id,
        source=APP.ce_source,
        type=NAME.ce_type,
        subject="abcdefghijklmnop",
        time="2026-01-31T08:00:00+07:00",
        data=b"{}",
    )
    return Delivery(event, BarisBerubah(kunci=kunci, nilai=nilai), frozenset(("kunci", "nilai")), APP.stream, version)
