"""Compiles contracts into NATS permissions: what is not listed is refused.

Replies need no permission of their own: the server sends acknowledgements, batch flow control and pulled messages to
the inbox, and never asks whether the client might publish there. The other side of it: a client may name *any* reply
subject, so what an application can make the server say (a copy of its own cursor, an acknowledgement) can land on a
foreign subject. Such copies carry the header ``Nats-Stream`` or no CloudEvents attributes; readers of events and
cursors have to refuse them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bus import subjects
from bus.contracts.grants import ConsumerGrant
from bus.contracts.model import Contract
from bus.security import files, jwt

API = "$JS.API"
ADMIN_INBOX = "_INBOX"
OPS_INBOX = "_INBOX.ops"
SYSTEM_INBOX = "_INBOX.system"


@dataclass(frozen=True, slots=True)
class Permissions:
    """Subjects that a user may publish to and subscribe to; an empty tuple means none."""

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()


EVERYTHING = Permissions(publish=(">",), subscribe=(">",))  #: of the account BUS; for provisioning

# Operations see everything and send dead letters again. They change no stream and no durable consumer, and cannot pull
# (and so steal) from an application's: their own consumers are ephemeral, named by the server, and push to their inbox.
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
    """What one application may do.

    ``consumers`` are those of all contracts (``grants.consumers``). A retired application may do nothing.
    """
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
            publish += _consumer(grant.stream, grant.durable)
    return Permissions(publish=tuple(publish), subscribe=(f"{subjects.inbox(app)}.>",))


def _consumer(stream: str, durable: str) -> list[str]:
    """Pull, look at, start again, acknowledge:

    by the reply subjects of both forms (ADR-15), the second with domain and account's hash.
    """
    return [
        f"{API}.CONSUMER.MSG.NEXT.{stream}.{durable}",
        f"{API}.CONSUMER.INFO.{stream}.{durable}",
        f"{API}.CONSUMER.RESET.{stream}.{durable}",
        f"$JS.ACK.{stream}.{durable}.>",
        f"$JS.ACK.*.*.{stream}.{durable}.>",
    ]


def consumers_of(credential: Path) -> list[tuple[str, str]]:
    """The (stream, durable) pairs that a credential may pull: what an adapter consumes is written in it.

    So an adapter needs no other contract than its own. Raises ConfigError.
    """
    claims = jwt.decode(
        jwt.of_credential(files.read(credential).decode(), where=str(credential)), where=str(credential)
    )
    prefix = f"{API}.CONSUMER.MSG.NEXT."
    allowed = claims["nats"].get("pub", {}).get("allow", ())
    return [
        (stream, durable)
        for subject in allowed
        if subject.startswith(prefix)
        for stream, _, durable in [subject.removeprefix(prefix).partition(".")]
    ]
