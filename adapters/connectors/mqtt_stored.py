"""Which messages are stored, though their broker may send them once more."""

from __future__ import annotations

from base64 import b85decode, b85encode
from collections.abc import Iterable
from hashlib import blake2b
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.connectors.mqtt_session import Message

_NUMBER, _DIGEST = 2, 4  # bytes of a message in the text of a position


class Stored:
    """The last messages whose events are stored: the broker may not know it yet and sends them again.

    It marks them then as sent again, under the same number, and they hold what they held. Of ``size`` messages none is
    forgotten for ``seconds``, in which a broker that hears nothing ends the connection.
    """

    def __init__(self, size: int, seconds: float, text: str = "") -> None:
        self._size, self._seconds, now = size, seconds, monotonic()
        packed = b85decode(text)
        entries = [packed[at : at + _NUMBER + _DIGEST] for at in range(0, len(packed), _NUMBER + _DIGEST)]
        self._known = {int.from_bytes(entry[:_NUMBER], "big"): (entry[_NUMBER:], now) for entry in entries}

    def __contains__(self, message: Message) -> bool:
        return message.again and self._known.get(message.number, (b"", 0.0))[0] == _digest(message)

    def add(self, messages: Iterable[Message]) -> None:
        """Remembers messages, and forgets those of long ago."""
        self._known = self._with(messages)

    def text(self, messages: Iterable[Message]) -> str:
        """What there will be with these, for the position."""
        entries = (number.to_bytes(_NUMBER, "big") + digest for number, (digest, _) in self._with(messages).items())
        return b85encode(b"".join(entries)).decode()

    def _with(self, messages: Iterable[Message]) -> dict[int, tuple[bytes, float]]:
        now = monotonic()
        known = {number: entry for number, entry in self._known.items() if now - entry[1] < self._seconds}
        for message in messages:
            if message.number:
                known.pop(message.number, None)
                known[message.number] = _digest(message), now
        return dict(list(known.items())[-self._size :])


def _digest(message: Message) -> bytes:
    return blake2b(message.topic.encode() + b"\0" + message.payload, digest_size=_DIGEST).digest()
