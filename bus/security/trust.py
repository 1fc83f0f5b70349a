"""Trust: the operator (Kominfo), its accounts SYS and BUS, and who has lost it.

What the server has to know is public and stands in ``<home>/server/trust.json``; the account's JWT with all revocations
is kept beside the keys as ``bus.jwt``. Everything here is idempotent: what stands is used again, only what is missing
is made.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from bus.security import files, jwt, keys

OPERATOR = "Kominfo"
SYSTEM_ACCOUNT = "SYS"
BUS_ACCOUNT = "BUS"
CLAIMS_UPDATE = "$SYS.REQ.CLAIMS.UPDATE"  #: where a running server takes ``claims_update``; in the account SYS
TRUST_FILE = Path("server") / "trust.json"


def establish(home: Path) -> Path:
    """Makes keys and JWTs where they are missing, and the file that the server reads. Raises ConfigError."""
    with files.exclusive(home):
        _write_trust(home)
    return home / TRUST_FILE


def claims_update(home: Path) -> bytes:
    """The current JWT of the account BUS: the body of a request to ``CLAIMS_UPDATE``, by the credential ``system``.

    Sending it again changes nothing, so `bus up` sends it after every issue of credentials. The server answers with
    JSON: ``data.code`` is 200, or ``error`` says what is wrong; at once it disconnects whom the JWT revokes.
    """
    with files.exclusive(home):
        return _bus_jwt(home).encode()


def revocations(home: Path) -> dict[str, int]:
    """Public user key -> Unix seconds: JWTs issued until then are refused. Call it with ``files.exclusive`` held."""
    return _revocations(_bus_jwt(home))


def revoke(home: Path, until: Mapping[str, int]) -> None:
    """Adds revocations and renews the account's JWT.

    Call it with ``files.exclusive`` held, and send ``claims_update`` after.
    """
    current = _bus_jwt(home)
    known = _revocations(current)
    merged = {**known, **{key: max(moment, known.get(key, 0)) for key, moment in until.items()}}
    if merged == known:
        return
    # A server ignores an account's JWT that is older than the one it has, whatever the clock did meanwhile.
    issued_at = max(int(time.time()), int(jwt.decode(current)["iat"]) + 1)
    files.replace(home / "keys" / "bus.jwt", _encode_bus(keys.keyring(home), merged, issued_at).encode())
    _write_trust(home)


def _write_trust(home: Path) -> None:
    ring = keys.keyring(home)
    folder = home / "keys"
    operator = files.create(
        folder / "operator.jwt", jwt.operator(ring.operator, name=OPERATOR, system_account=ring.system.public).encode()
    )
    system = files.create(
        folder / "sys.jwt", jwt.account(ring.system.public, name=SYSTEM_ACCOUNT, operator=ring.operator).encode()
    )
    document = {
        "operator": operator.decode(),
        "system_account": ring.system.public,
        "resolver_preload": {ring.system.public: system.decode(), ring.bus.public: _bus_jwt(home)},
    }
    files.folder(home / TRUST_FILE.parent)
    files.replace(home / TRUST_FILE, json.dumps(document, indent=1).encode())


def _bus_jwt(home: Path) -> str:
    path = home / "keys" / "bus.jwt"
    if path.exists():
        return files.read(path).decode()
    return files.create(path, _encode_bus(keys.keyring(home), {}, None).encode()).decode()


def _encode_bus(ring: keys.Keyring, revoked: Mapping[str, int], issued_at: int | None) -> str:
    return jwt.account(
        ring.bus.public,
        name=BUS_ACCOUNT,
        operator=ring.operator,
        signing_keys=(ring.signing.public,),
        jetstream=True,
        revocations=revoked,
        issued_at=issued_at,
    )


def _revocations(token: str) -> dict[str, int]:
    return dict(jwt.decode(token)["nats"].get("revocations", {}))
