"""What the memory of stored messages keeps, and what it forgets."""

from __future__ import annotations

import pytest

from adapters.connectors.mqtt_session import Message
from adapters.connectors.mqtt_stored import Stored


def message(number: int, payload: bytes = b"1", *, again: bool = True) -> Message:
    return Message(number, "sungai/a", payload, again)


@pytest.mark.parametrize(("seconds", "known"), [(60, {3, 4, 5}), (0, {5})])
def test_the_last_ones_are_known_until_the_broker_must_know_too(seconds: float, known: set[int]) -> None:
    stored, text = Stored(3, seconds), ""
    for number in range(1, 6):
        text = stored.text([message(number)])
        stored.add([message(number)])

    assert {number for number in range(1, 6) if message(number) in stored} == known
    assert {number for number in range(1, 6) if message(number) in Stored(3, 60, text)} == known


def test_another_message_of_the_same_number_is_not_known() -> None:
    stored = Stored(3, 60)
    stored.add([message(1), message(0)])

    assert message(1, b"2") not in stored
    assert message(1, again=False) not in stored
    assert message(0) not in stored, "at QoS 0 there are no numbers"
