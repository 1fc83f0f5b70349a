"""The keys of an installation, in ``<home>/keys``: made once, never changed, readable by their owner alone.

    operator.nk  sys.nk  bus.nk  signing.nk   seeds of nkeys: the operator, its accounts, the key that signs BUS's users
    accounts/<opd>.<app>.nk                   one account per application
    users/<name>.nk                           one user per application and role
    entity.key                                32 random bytes, one line of base64: makes key tokens (and re-identifies)

For a city's own servers the operator's and the accounts' seeds belong off the machine once trust is established: only
``signing.nk`` is needed to issue credentials, ``operator.nk`` to revoke them.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path

import nkeys

from bus.errors import ConfigError
from bus.security import files

ENTITY_KEY_BYTES = 32

_OPERATOR = nkeys.PREFIX_BYTE_OPERATOR
_ACCOUNT = nkeys.PREFIX_BYTE_ACCOUNT
_USER = nkeys.PREFIX_BYTE_USER


class Key:
    """An nkey: an Ed25519 pair with a readable public name (https://docs.nats.io/reference/reference-protocols/nkeys)."""

    def __init__(self, seed: bytes, *, prefix: int, where: str) -> None:
        try:
            found, _ = nkeys.decode_seed(seed)
            self._pair = nkeys.from_seed(seed)
        except Exception as error:  # the library raises half a dozen unrelated classes
            raise ConfigError("not the seed of an nkey", where=where, hint="restore it from a backup") from error
        if found != prefix:
            raise ConfigError("the seed of another kind of nkey", where=where, hint="restore it from a backup")
        self.seed = seed.decode()
        self.public: str = self._pair.public_key.decode()

    def sign(self, data: bytes) -> bytes:
        """The Ed25519 signature, 64 bytes."""
        signature: bytes = self._pair.sign(data)
        return signature


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys that trust hangs on."""

    operator: Key
    system: Key
    bus: Key
    signing: Key  #: signs the users of the account BUS, so that the account's own key can be put away


def keyring(home: Path) -> Keyring:
    """The installation's keys; those that are missing are made. Raises ConfigError."""
    folder = files.folder(home / "keys")
    return Keyring(
        operator=_key(folder / "operator.nk", _OPERATOR),
        system=_key(folder / "sys.nk", _ACCOUNT),
        bus=_key(folder / "bus.nk", _ACCOUNT),
        signing=_key(folder / "signing.nk", _ACCOUNT),
    )


def user_key(home: Path, name: str) -> Key:
    """The nkey of an application or role; it is made once and stays. Raises ConfigError."""
    files.folder(home / "keys")
    return _key(files.folder(home / "keys" / "users") / f"{name}.nk", _USER)


def account_key(home: Path, name: str) -> Key:
    """The nkey of an application's account; it is made once and stays. Raises ConfigError."""
    files.folder(home / "keys")
    return _key(files.folder(home / "keys" / "accounts") / f"{name}.nk", _ACCOUNT)


def make_entity_key(path: Path) -> bytes:
    """The key of key tokens; it is made where it is missing. Raises ConfigError."""
    if not path.exists():
        files.folder(path.parent)
        files.create(path, base64.b64encode(os.urandom(ENTITY_KEY_BYTES)) + b"\n")
    return load_entity_key(path)


def load_entity_key(path: Path) -> bytes:
    """The key of key tokens, 32 bytes. Raises ConfigError."""
    text = files.read(path, hint="`bus up` makes it; every adapter of a city needs the same one")
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != ENTITY_KEY_BYTES:
        raise ConfigError("not an entity key: 32 bytes as base64", where=str(path), hint="restore it from a backup")
    return key


def _key(path: Path, prefix: int) -> Key:
    seed = files.read(path) if path.exists() else files.create(path, nkeys.encode_seed(os.urandom(32), prefix) + b"\n")
    return Key(seed.strip(), prefix=prefix, where=str(path))
