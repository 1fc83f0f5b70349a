"""Trust: the operator (Kominfo), its accounts, and who has lost it.

SYS is the servers' own, BUS holds the streams, and every application has one account that imports its own part of
BUS. What the server has to know is public and stands in ``<home>/server/trust.json``; the accounts' JWTs, with
revocations, are kept beside their keys. Everything here is idempotent: what stands is used again, only what is
missing or different is made.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bus.security import files, jwt, keys, permissions
from bus.security.keys import Key
from bus.security.permissions import Permissions

OPERATOR = "Kominfo"
SYSTEM_ACCOUNT = "SYS"
BUS_ACCOUNT = "BUS"
CLAIMS_UPDATE = "$SYS.REQ.CLAIMS.UPDATE"  #: where a running server takes ``claims_updates``; in the account SYS
TRUST_FILE = Path("server") / "trust.json"

Revocations = Mapping[str, int]  #: public user key -> Unix seconds: JWTs issued until then are refused


def establish(home: Path) -> Path:
    """Makes keys and accounts where they are missing, and the file that the server reads. Raises ConfigError."""
    with files.exclusive(home):
        set_bus(home)
        publish(home)
    return home / TRUST_FILE


def claims_updates(home: Path) -> list[bytes]:
    """The accounts' JWTs: each is the body of a request to ``CLAIMS_UPDATE``, by the credential ``system``.

    Sending one again changes nothing. The server answers with JSON: ``data.code`` is 200, or ``error`` says what is
    wrong. It disconnects at once whom a JWT revokes, and what an account no longer imports is out of its reach at once.
    """
    with files.exclusive(home):
        return [files.read(path) for path in _documents(home)]


def set_bus(home: Path, revoked: Revocations | None = None) -> None:
    """Makes the account BUS what it should be. Call it with ``files.exclusive`` held."""
    ring = keys.keyring(home)
    nats = {**permissions.exports(), "signing_keys": [ring.signing.public]}
    _set(home, _path(home, None), ring.bus, BUS_ACCOUNT, nats, revoked or {})


def set_application(home: Path, name: str, granted: Permissions, revoked: Revocations | None = None) -> Key:
    """Makes an application's account what it should be, and returns its key. Call it with ``files.exclusive`` held."""
    key = keys.account_key(home, name)
    nats = permissions.imports(granted, keys.keyring(home).bus.public)
    _set(home, _path(home, name), key, name, nats, revoked or {})
    return key


def revocations(home: Path, name: str | None) -> dict[str, int]:
    """The revocations of an application's account, or with None of BUS. Call it with ``files.exclusive`` held."""
    path = _path(home, name)
    return dict(_nats(path).get("revocations", {})) if path.exists() else {}


def publish(home: Path) -> None:
    """Writes what the server reads when it starts. Call it with ``files.exclusive`` held."""
    ring = keys.keyring(home)
    operator = files.create(
        home / "keys" / "operator.jwt",
        jwt.operator(ring.operator, name=OPERATOR, system_account=ring.system.public).encode(),
    )
    files.create(
        home / "keys" / "sys.jwt",
        jwt.account(ring.system.public, name=SYSTEM_ACCOUNT, operator=ring.operator, nats={}).encode(),
    )
    tokens = [files.read(path).decode() for path in _documents(home)]
    document = {
        "operator": operator.decode(),
        "system_account": ring.system.public,
        "resolver_preload": {jwt.decode(token)["sub"]: token for token in tokens},
    }
    files.folder(home / TRUST_FILE.parent)
    files.replace(home / TRUST_FILE, json.dumps(document, indent=1).encode())


def _set(home: Path, path: Path, key: Key, name: str, nats: dict[str, Any], revoked: Revocations) -> None:
    """Writes an account's JWT, with the revocations that it had, where it differs from what stands there."""
    issued_at = int(time.time())
    known: dict[str, int] = {}
    if path.exists():
        current = jwt.decode(files.read(path).decode(), where=str(path))
        known = dict(current["nats"].get("revocations", {}))
        # A server ignores an account's JWT that is older than the one it has, whatever the clock did meanwhile.
        issued_at = max(issued_at, int(current["iat"]) + 1)
    merged = {**known, **{user: max(moment, known.get(user, 0)) for user, moment in revoked.items()}}
    wanted = {**nats, **({"revocations": merged} if merged else {})}
    token = jwt.account(
        key.public,
        name=name,
        operator=keys.keyring(home).operator,
        nats=wanted,
        jetstream=name == BUS_ACCOUNT,
        issued_at=issued_at,
    )
    if not path.exists() or jwt.decode(token)["nats"] != _nats(path):
        files.replace(path, token.encode())


def _nats(path: Path) -> dict[str, Any]:
    return dict(jwt.decode(files.read(path).decode(), where=str(path))["nats"])


def _path(home: Path, name: str | None) -> Path:
    return home / "keys" / "bus.jwt" if name is None else home / "keys" / "accounts" / f"{name}.jwt"


def _documents(home: Path) -> list[Path]:
    folder = home / "keys"
    return [each for each in (folder / "sys.jwt", folder / "bus.jwt") if each.exists()] + sorted(
        (folder / "accounts").glob("*.jwt")
    )
