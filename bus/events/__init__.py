"""Event types: what they are, which ones exist, and what may change about them."""

from bus.events.reasons import reason, reasons
from bus.events.registry import FORBIDDEN, REASON_FIELD, WITHDRAWS_FIELD, Catalogue, EventType, event_type_of

__all__ = [
    "FORBIDDEN",
    "REASON_FIELD",
    "WITHDRAWS_FIELD",
    "Catalogue",
    "EventType",
    "event_type_of",
    "reason",
    "reasons",
]
