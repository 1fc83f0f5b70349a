"""Credentials in ``<home>/creds``: one per application, and one for each role of the bus itself.

Permissions stand in the credential's JWT and in the application's account: after a change of a contract its application
needs a new credential, and a new connection. A wider contract leaves open connections alone. A narrower one revokes the
JWT that is replaced: once ``trust.claims_updates`` are sent to a running server (or it is started again) the old
connections end. nats-py then closes its client for good, without a word on the error callback: the application has
to start again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from bus.contracts import grants
from bus.contracts.model import Contract
from bus.errors import ConfigError
from bus.security import files, jwt, keys, permissions, trust
from bus.security.keys import Key
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
        trust.set_bus(home)
        paths = [_issue(home, role, granted) for role, (granted, _) in _ROLES.items()]
        for contract in contracts:
            if contract.stage == "retired":
                _withdraw(home, contract.name)
            else:
                paths.append(_issue(home, contract.name, permissions.of_application(contract, planned)))
        trust.publish(home)
    return paths


def revoke(home: Path, who: AppName | Role) -> None:
    """Withdraws a credential for good, with its key; ``issue`` makes both anew.

    Takes effect when ``trust.claims_updates`` are sent. Raises ConfigError for the system's, which can only pass on
    what the operator signed.
    """
    if who is Role.SYSTEM:
        raise ConfigError("the system credential cannot be revoked", where=who, hint="make a new operator instead")
    with files.exclusive(home):
        _withdraw(home, who)
        trust.publish(home)


def _issue(home: Path, who: AppName | Role, granted: Permissions) -> Path:
    target, name = path(home, who), _name(who)
    key = keys.user_key(home, name)
    issuer, account = _account(home, who, granted)

    def make(issued_at: int) -> str:
        return jwt.user(
            key.public,
            name=name,
            issuer=issuer,
            account=account.public,
            publish=granted.publish,
            subscribe=granted.subscribe,
            issued_at=issued_at,
        )

    current = _current(target)
    revoked_until = trust.revocations(home, _owner(who)).get(key.public, 0)
    if current is not None and jwt.decode(current)["sub"] == key.public:
        issued_at = int(jwt.decode(current)["iat"])
        if issued_at > revoked_until and make(issued_at) == current:
            return target
        if not _within(current, granted):
            revoked_until = max(revoked_until, issued_at)
            _revoke(home, who, granted, {key.public: revoked_until})
    token = make(max(int(time.time()), revoked_until + 1))
    files.replace(target, jwt.credential(token, key).encode())
    return target


def _withdraw(home: Path, who: AppName | Role) -> None:
    """Revokes every JWT of the user's key until now, closes the application's account, removes credential and key."""
    target, key_path = path(home, who), home / "keys" / "users" / f"{_name(who)}.nk"
    if key_path.exists():
        current = _current(target)
        issued_at = int(jwt.decode(current)["iat"]) if current else 0
        key = keys.user_key(home, _name(who))
        _revoke(home, who, Permissions(), {key.public: max(int(time.time()), issued_at)})
    target.unlink(missing_ok=True)
    key_path.unlink(missing_ok=True)


def _account(home: Path, who: AppName | Role, granted: Permissions) -> tuple[Key, Key]:
    """The key that signs a user, and its account's."""
    ring = keys.keyring(home)
    if who is Role.SYSTEM:
        return ring.system, ring.system
    if isinstance(who, Role):
        return ring.signing, ring.bus
    account = trust.set_application(home, _name(who), granted)
    return account, account


def _revoke(home: Path, who: AppName | Role, granted: Permissions, until: trust.Revocations) -> None:
    if isinstance(who, AppName):
        trust.set_application(home, _name(who), granted, until)
    elif who is not Role.SYSTEM:
        trust.set_bus(home, until)


def _current(target: Path) -> str | None:
    """The JWT of the credential that stands there, or None."""
    return jwt.of_credential(files.read(target).decode(), where=str(target)) if target.exists() else None


def _within(token: str, granted: Permissions) -> bool:
    """Whether a JWT permits no more than this."""
    nats = jwt.decode(token)["nats"]
    publish, subscribe = (set(nats[side].get("allow", [])) for side in ("pub", "sub"))
    return publish <= set(granted.publish) and subscribe <= set(granted.subscribe)


def _owner(who: AppName | Role) -> str | None:
    """The application's account, or None for BUS."""
    return _name(who) if isinstance(who, AppName) else None


def _name(who: AppName | Role) -> str:
    return who.prefix if isinstance(who, AppName) else who.value
