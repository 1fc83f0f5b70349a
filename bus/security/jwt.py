"""NATS JWTs, version 2: ``ed25519-nkey`` over base64url parts.

https://docs.nats.io/running-a-nats-service/nats_admin/security/jwt and github.com/nats-io/jwt/v2, whose JSON names
these are.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from bus.errors import ConfigError
from bus.security.keys import Key

_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}
_VERSION = 2
UNLIMITED = -1
_TRAFFIC = {"subs": UNLIMITED, "data": UNLIMITED, "payload": UNLIMITED}  # a missing number would mean none at all
_ACCOUNT = {"imports": UNLIMITED, "exports": UNLIMITED, "wildcards": True, "conn": UNLIMITED, "leaf": UNLIMITED}
_JETSTREAM = {"mem_storage": UNLIMITED, "disk_storage": UNLIMITED, "streams": UNLIMITED, "consumer": UNLIMITED}

_CREDENTIAL = """-----BEGIN NATS USER JWT-----
{jwt}
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.
NKEYs are sensitive and should be treated as secrets.

-----BEGIN USER NKEY SEED-----
{seed}
------END USER NKEY SEED------

*************************************************************
"""


def encode(
    kind: str, *, subject: str, name: str, issuer: Key, nats: Mapping[str, Any], issued_at: int | None = None
) -> str:
    """A signed JWT. ``kind`` is operator, account or user; ``issued_at`` is Unix seconds, now by default."""
    claims: dict[str, Any] = {
        "iat": int(time.time()) if issued_at is None else issued_at,
        "iss": issuer.public,
        "name": name,
        "sub": subject,
        "nats": {**nats, "type": kind, "version": _VERSION},
    }
    # The id is a hash of the claims: a server takes an account's JWT with a known id for the one that it has.
    digest = hashlib.new("sha512_256", _json(claims)).digest()
    claims["jti"] = base64.b32encode(digest).decode().rstrip("=")
    signed = f"{_part(_json(_HEADER))}.{_part(_json(claims))}"
    return f"{signed}.{_part(issuer.sign(signed.encode()))}"


def operator(key: Key, *, name: str, system_account: str) -> str:
    """The operator's own JWT, self-signed."""
    return encode("operator", subject=key.public, name=name, issuer=key, nats={"system_account": system_account})


def account(
    public: str,
    *,
    name: str,
    operator: Key,
    nats: Mapping[str, Any],
    jetstream: bool = False,
    issued_at: int | None = None,
) -> str:
    """An account's JWT. ``nats`` has exports, imports, mappings, signing keys and revocations, by their JSON names.

    ``revocations`` maps public user keys to Unix seconds: JWTs of that user issued until then are refused.
    """
    limits = {**_TRAFFIC, **_ACCOUNT, **(_JETSTREAM if jetstream else {})}
    return encode(
        "account", subject=public, name=name, issuer=operator, nats={**nats, "limits": limits}, issued_at=issued_at
    )


def user(
    public: str,
    *,
    name: str,
    issuer: Key,
    account: str,
    publish: tuple[str, ...],
    subscribe: tuple[str, ...],
    issued_at: int | None = None,
) -> str:
    """A user's JWT. An empty list of permissions denies everything (for NATS itself it would allow everything)."""
    nats: dict[str, Any] = {**_TRAFFIC, "pub": _permission(publish), "sub": _permission(subscribe)}
    if issuer.public != account:
        nats["issuer_account"] = account
    return encode("user", subject=public, name=name, issuer=issuer, nats=nats, issued_at=issued_at)


def decode(token: str, *, where: str = "JWT") -> dict[str, Any]:
    """The claims, for display and comparison; the signature is not checked. Raises ConfigError."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        claims = None
    if not isinstance(claims, dict):
        raise ConfigError("not a JWT", where=where)
    return claims


def credential(token: str, key: Key) -> str:
    """The text of a ``.creds`` file: JWT and seed."""
    return _CREDENTIAL.format(jwt=token, seed=key.seed)


def of_credential(text: str, *, where: str) -> str:
    """The JWT in the text of a ``.creds`` file. Raises ConfigError."""
    _, begin, rest = text.partition("-----BEGIN NATS USER JWT-----")
    token, end, _ = rest.partition("------END NATS USER JWT------")
    if not begin or not end:
        raise ConfigError("not a NATS credential", where=where, hint="`bus app credentials OPD/APP` makes a new one")
    return token.strip()


def _permission(subjects: tuple[str, ...]) -> dict[str, list[str]]:
    return {"allow": list(subjects)} if subjects else {"deny": [">"]}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
