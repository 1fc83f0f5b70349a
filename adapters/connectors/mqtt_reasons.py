"""What the reason codes of a broker mean: who must act (MQTT 5 section 2.4; paho translates those of 3.1.1)."""

from __future__ import annotations

from paho.mqtt.reasoncodes import ReasonCode

from bus.errors import AccessError, BusError, ConfigError, Unavailable

_USER = frozenset((0x86, 0x87, 0x8A, 0x8C))
_PROTOCOL, _CLIENT_ID, _TAKEN_OVER = 0x84, 0x85, 0x8E
_MOVED = frozenset((0x9C, 0x9D))
_SAME = "another client has the same client_id"


def refused(reason: ReasonCode, where: str, *, version5: bool) -> BusError:
    """A connection that is refused."""
    told = f"the broker refuses the connection ({reason.getName()})"
    if reason.value in _USER:
        return AccessError(told, where=where, hint="check username and password")
    if reason.value == _PROTOCOL:
        return ConfigError(told, where=where, hint=f'write protocol = "{"3.1.1" if version5 else "5"}"')
    if reason.value == _CLIENT_ID:
        return ConfigError(told, where=where, hint="write another client_id")
    if reason.value in _MOVED:
        return ConfigError(told, where=where, hint="write its new address into the contract")
    return Unavailable(told, where=where)


def not_subscribed(reason: ReasonCode, where: str) -> BusError:
    """A subscription that is refused."""
    told = f"the broker refuses the subscription ({reason.getName()})"
    return AccessError(told, where=where, hint="check the topic, and what the user may read")


def ended(reason: ReasonCode, where: str) -> BusError:
    """A connection that the broker ends with a reason."""
    told = f"the broker ends the connection ({reason.getName()})"
    if reason.value in _USER:
        return AccessError(told, where=where, hint="check what the user may do")
    return Unavailable(told, where=where, hint=_SAME if reason.value == _TAKEN_OVER else "")


def lost(where: str) -> BusError:
    """A connection that is gone; a broker that hands a session over need not tell."""
    return Unavailable("the connection to the broker is lost", where=where, hint=f"where this repeats, {_SAME}")
