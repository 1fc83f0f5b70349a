"""Credentials in ``<home>/creds``: one per application, and one for each role of the bus itself.

Permissions stand in the credential's JWT: after a change of a contract its application needs a new one, and a new
connection. ``issue`` revokes the JWT that it replaces, so that a narrower contract does not leave the wider one valid;
once ``trust.claims_update`` is sent to a running server (or the server is started again) the old connections end, and
clients reconnect with the file as it is then.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from bus.contracts import grants
from bus.contracts.model import Contract
from bus.errors import ConfigError
from bus.security import files, jwt, keys, permissions, trust
from bus.security.permissions import Permissions
from bus.subjects import AppName


class Role(StrEnum):
    """Whom a credential is for that is no application's."""

    ADMIN = "admin"  #: provisions streams and consumers; everything in the account BUS
    OPS = "ops"  #: looks at everything, sends dead letters again
    SYSTEM = "system"  #: pushes revocations to running servers; account SYS


_ROLES = {
    Role.ADMIN: (permissions.EVERYTHING, permissions.ADMIN_INBOX),
    Role.OPS: (permissions.OPS, permissions.OPS_INBOX),
    Role.SYSTEM: (permissions.SYSTEM, permissions.SYSTEM_INBOX),
}


def path(home: Path, who: AppName | Role) -> Path:
    """Where the credential of an application or role lies."""
    return home / "creds" / f"{_name(who)}.creds"


def inbox(role: Role) -> str:
    """The inbox prefix of a role's connections; an application's is ``subjects.inbox``."""
    return _ROLES[role][1]


def issue(home: Path, contracts: Sequence[Contract]) -> list[Path]:
    """Writes the credentials of these applications and of the roles, and returns their paths. Raises ConfigError.

    ``contracts`` are all of the city's: what an application may pull depends on who publishes. Credentials that are
    right already stay as they are; those of retired applications are revoked and removed; user keys stay the same.
    """
    planned = grants.consumers(contracts)
    with files.exclusive(home):
        files.folder(home / "creds")
        paths = [_issue(home, role, granted) for role, (granted, _) in _ROLES.items()]
        for contract in contracts:
            if contract.stage == "retired":
                _withdraw(home, contract.name)
            else:
                paths.append(_issue(home, contract.name, permissions.of_application(contract, planned)))
    return paths


def revoke(home: Path, who: AppName | Role) -> None:
    """Withdraws a credential for good, with its key:

    ``issue`` makes both anew. Takes effect with ``trust.claims_update``.
    """
    if who is Role.SYSTEM:
        raise ConfigError(
            "the system credential has no revocation: it can only pass on what the operator signed", where="system"
        )
    with files.exclusive(home):
        _withdraw(home, who)


def _issue(home: Path, who: AppName | Role, granted: Permissions) -> Path:
    target = path(home, who)
    key = keys.user_key(home, _name(who))
    ring = keys.keyring(home)
    issuer, account = (ring.system, ring.system) if who is Role.SYSTEM else (ring.signing, ring.bus)

    def make(issued_at: int | None) -> str:
        return jwt.user(
            key.public,
            name=_name(who),
            issuer=issuer,
            account=account.public,
            publish=granted.publish,
            subscribe=granted.subscribe,
            issued_at=issued_at,
        )

    current = _current(target)
    revoked_until = trust.revocations(home).get(key.public, 0)
    if current is not None and current["sub"] == key.public:
        if current["iat"] > revoked_until and make(current["iat"]) == jwt.of_credential(
            files.read(target).decode(), where=str(target)
        ):
            return target
        revoked_until = max(revoked_until, int(current["iat"]))
        if account is ring.bus:
            trust.revoke(home, {key.public: revoked_until})
    token = make(max(int(time.time()), revoked_until + 1))
    files.replace(target, jwt.credential(token, key).encode())
    return target


def _withdraw(home: Path, who: AppName | Role) -> None:
    """Revokes every JWT of the user's key until now, and removes credential and key."""
    target, key_path = path(home, who), home / "keys" / "users" / f"{_name(who)}.nk"
    if key_path.exists():
        current = _current(target)
        issued = int(current["iat"]) if current else 0
        trust.revoke(home, {keys.user_key(home, _name(who)).public: max(int(time.time()), issued)})
    target.unlink(missing_ok=True)
    key_path.unlink(missing_ok=True)


def _current(target: Path) -> dict[str, Any] | None:
    """The claims of the credential that stands there, or None."""
    if not target.exists():
        return None
    return jwt.decode(jwt.of_credential(files.read(target).decode(), where=str(target)), where=str(target))


def _name(who: AppName | Role) -> str:
    return who.prefix if isinstance(who, AppName) else who.value
