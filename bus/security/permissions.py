"""Compiles contracts into NATS permissions: what is not listed is refused.

They are enforced twice. The credential's JWT lists the subjects, and the server names what it refuses. That alone
would be no wall: the server never asks whether a client may publish to the *reply* subject that it names, so with
one account for all, the answer to a harmless request could be made to delete another office's stream
(``$JS.API.STREAM.DELETE.…`` as the reply subject of a direct get), move another's consumer or overwrite its cursor.
So each application has an account of its own, into which exactly these subjects are imported from BUS: there its
replies reach itself and nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus import subjects
from bus.contracts.grants import ConsumerGrant
from bus.contracts.model import Contract
from bus.security import files, jwt

API = "$JS.API"
ADMIN_INBOX = "_INBOX"
OPS_INBOX = "_INBOX.ops"
SYSTEM_INBOX = "_INBOX.system"

# An account without JetStream of its own answers requests to the API with an error; CONSUMER.INFO takes a way round
# that.
_INFO = f"{API}.CONSUMER.INFO."
_INFO_ROUND = "bus.CONSUMER.INFO."
_NEXT = f"{API}.CONSUMER.MSG.NEXT."

_REPLY_SECONDS = 120  #: how long the server keeps the way back for a reply that does not come
_EXPORTED = ("opd.>", "dlq.>", "receipt.>", "telemetry.>", "$JS.ACK.>", f"{API}.DIRECT.GET.*.>")
_EXPORTED_API = (f"{_INFO}*.*", f"{API}.CONSUMER.RESET.*.*")


@dataclass(frozen=True, slots=True)
class Permissions:
    """Subjects that a user may publish to and subscribe to; an empty tuple means none."""

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()


EVERYTHING = Permissions(publish=(">",), subscribe=(">",))  #: of the account BUS; for provisioning

# Operations see everything and send dead letters again. In the account BUS this list keeps from mistakes, not from
# malice (see above,
# and an ephemeral consumer that is given a durable one's name changes that): the credential is for the city's own
# people.
OPS = Permissions(
    publish=(
        "redrive.>",
        f"{API}.INFO",
        f"{API}.STREAM.INFO.*",
        f"{API}.STREAM.NAMES",
        f"{API}.STREAM.LIST",
        f"{API}.STREAM.MSG.GET.*",
        f"{API}.DIRECT.GET.*",
        f"{API}.DIRECT.GET.*.>",
        f"{API}.CONSUMER.INFO.*.*",
        f"{API}.CONSUMER.NAMES.*",
        f"{API}.CONSUMER.LIST.*",
        f"{API}.CONSUMER.CREATE.*",
        "$JS.FC.>",
    ),
    subscribe=(f"{OPS_INBOX}.>",),
)

# Of the account SYS: pushes an account's JWT to the running servers (a revocation), and asks after their health.
SYSTEM = Permissions(
    publish=("$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.*"),
    subscribe=(f"{SYSTEM_INBOX}.>",),
)


def of_application(contract: Contract, consumers: Sequence[ConsumerGrant]) -> Permissions:
    """What one application may do: nothing once it is retired. ``consumers`` are those of all contracts."""
    if contract.stage == "retired":
        return Permissions()
    app = contract.name
    publish = [subjects.event_filter(app, name) for name in sorted(contract.emits)]
    publish += [
        subjects.cursors(app),
        subjects.dead_letters(app),
        subjects.receipts(app),
        subjects.telemetry(app),
        f"{API}.DIRECT.GET.{app.stream}.{subjects.cursors(app)}",
    ]
    for grant in consumers:
        if grant.app == app:
            publish += _consumer(f"{grant.stream}.{grant.durable}")
    return Permissions(publish=tuple(publish), subscribe=(f"{subjects.inbox(app)}.>",))


def exports() -> dict[str, Any]:
    """What the account BUS offers to the applications' accounts; each imports its own part alone."""
    threshold = _REPLY_SECONDS * 1_000_000_000
    services = [*_EXPORTED, *_EXPORTED_API, f"{_NEXT}*.*"]
    return {
        "exports": [
            {
                "name": subject,
                "subject": subject,
                "type": "service",
                "response_type": "Stream" if subject.startswith(_NEXT) else "Singleton",
                "response_threshold": threshold,
            }
            for subject in services
        ]
    }


def imports(granted: Permissions, bus: str) -> dict[str, Any]:
    """What an application's account takes from BUS (its public key): what its user may publish, and nothing to hear."""
    round_about = [subject for subject in granted.publish if subject.startswith(_INFO)]
    taken = [subject for subject in granted.publish if not subject.startswith((_INFO, _INFO_ROUND))]
    services = [{"name": each, "subject": each, "account": bus, "type": "service"} for each in taken]
    services += [
        {"name": each, "subject": each, "local_subject": _round(each), "account": bus, "type": "service"}
        for each in round_about
    ]
    return {"imports": services, "mappings": {each: [{"subject": _round(each), "weight": 100}] for each in round_about}}


def consumers_of(credential: Path) -> list[tuple[str, str]]:
    """The durable consumers that a credential may pull from, as (stream, durable). Raises ConfigError."""
    token = jwt.of_credential(files.read(credential).decode(), where=str(credential))
    allowed = jwt.decode(token, where=str(credential)).get("nats", {}).get("pub", {}).get("allow", [])
    pairs = [subject.removeprefix(_NEXT).split(".") for subject in allowed if subject.startswith(_NEXT)]
    return [(stream, durable) for stream, durable in pairs]


def _consumer(name: str) -> list[str]:
    """Pull, look at, start again, acknowledge.

    Acknowledgements go to the reply subject of the message, which has two forms; the second has the domain and a
    hash of the account in front of the stream (ADR-15).
    """
    return [
        f"{_NEXT}{name}",
        f"{_INFO}{name}",
        _round(f"{_INFO}{name}"),
        f"{API}.CONSUMER.RESET.{name}",
        f"$JS.ACK.{name}.>",
        f"$JS.ACK.*.*.{name}.>",
    ]


def _round(info: str) -> str:
    return _INFO_ROUND + info.removeprefix(_INFO)
