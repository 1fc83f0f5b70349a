"""Signatures of messages between applications by Standard Webhooks 1.0: HMAC-SHA-256 over id, time and body.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping

from bus.errors import ConfigError

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE = 300  #: seconds that a message's time may differ from ours, as the reference implementations have it

_PREFIX = "whsec_"
_SHORTEST = 16  #: bytes of a key; the specification asks for 24, existing applications have less


class SigningKey:
    """A shared secret, ``whsec_`` and base64, or base64 alone. Raises ConfigError for one that is none."""

    def __init__(self, text: str, where: str) -> None:
        try:
            self._key = b64decode(text.removeprefix(_PREFIX), validate=True)
        except ValueError:
            self._key = b""
        if len(self._key) < _SHORTEST:
            raise ConfigError(
                "the signing secret is not whsec_ and base64",
                where=where,
                hint="make one: echo whsec_$(openssl rand -base64 32)",
            )

    def headers(self, identity: str, body: bytes, now: float) -> dict[str, str]:
        """The three headers of a message. ``now`` is seconds since 1970."""
        return {ID: identity, TIMESTAMP: str(int(now)), SIGNATURE: self._sign(identity, str(int(now)), body)}

    def fault(self, headers: Mapping[str, str], body: bytes, now: float) -> str:
        """Why a message is not genuine; "" where it is. A signature list holds several while keys are changed."""
        identity, time = headers.get(ID, ""), headers.get(TIMESTAMP, "")
        if not (identity and time and headers.get(SIGNATURE)):
            return f"{ID}, {TIMESTAMP} or {SIGNATURE} is missing"
        if not (time.isascii() and time.isdigit()) or abs(now - int(time)) > TOLERANCE:
            return f"{TIMESTAMP} is not within {TOLERANCE} s of now"
        wanted = self._sign(identity, time, body).encode()
        given = headers[SIGNATURE].encode(errors="surrogateescape").split()
        if not any(hmac.compare_digest(wanted, each) for each in given):
            return f"{SIGNATURE} does not fit"
        return ""

    def _sign(self, identity: str, time: str, body: bytes) -> str:
        signed = b".".join((identity.encode(errors="surrogateescape"), time.encode(), body))
        return f"v1,{b64encode(hmac.digest(self._key, signed, 'sha256')).decode()}"
