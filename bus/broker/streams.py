"""The city's streams and durable consumers: declared here, compared with the live ones, applied on demand.

Only the bus does this, with an administrator's credential; an application never may. Requests are plain JSON, since
the client's
classes do not know every field that the server has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bus import subjects
from bus.broker.connection import NOT_FOUND, ApiError, Connection
from bus.config import Settings
from bus.contracts.grants import ConsumerGrant

NANOSECOND = 1_000_000_000
DUPLICATE_WINDOW = 600 * NANOSECOND
ACK_WAIT = 30 * NANOSECOND  #: engines send in_progress well before
MAX_ACK_PENDING = 5_000


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between what is declared and what is live."""

    kind: Literal["stream", "consumer"]
    name: str  #: ``STREAM`` or ``STREAM/durable``
    action: Literal["create", "update", "delete"]  #: delete: a durable consumer that no contract calls for
    fields: Mapping[str, tuple[Any, Any]]  #: field -> (live, declared)

    def __str__(self) -> str:
        details = ", ".join(f"{field}: {live} -> {declared}" for field, (live, declared) in self.fields.items())
        return f"{self.action} {self.kind} {self.name}" + (f" ({details})" if self.action == "update" else "")


def declared_streams(opds: Iterable[str], settings: Settings) -> list[dict[str, Any]]:
    """The configuration of every stream: one per OPD, and those of the bus itself."""
    names = sorted(set(opds))
    events = [
        _stream(
            settings,
            subjects.stream(opd),
            [subjects.stream_subjects(opd)],
            allow_batched=True,
            allow_msg_ttl=True,
        )
        for opd in names
    ]
    return [
        *events,
        _stream(settings, subjects.DLQ_STREAM, ["dlq.>"], max_age=0),
        # Receipts tell people what became of an event; nobody's work may wait for room for them.
        _stream(settings, subjects.RECEIPTS_STREAM, ["receipt.>"], discard="old"),
        _stream(settings, subjects.REDRIVE_STREAM, ["redrive.>"]),
        _stream(
            settings,
            subjects.ADVISORIES_STREAM,
            ["$JS.EVENT.ADVISORY.CONSUMER.>"],
            discard="old",
            max_bytes=64 * 1024**2,
        ),
    ]


def _stream(settings: Settings, name: str, filters: Sequence[str], **special: Any) -> dict[str, Any]:
    return {
        "name": name,
        "subjects": list(filters),
        "retention": "limits",
        "storage": "file",
        # A full stream pauses its sources; "old" would drop what slow consumers have not read.
        "discard": "new",
        "max_age": int(settings.max_age_days * 86_400 * NANOSECOND),
        "max_bytes": settings.max_bytes,
        "duplicate_window": DUPLICATE_WINDOW,
        "num_replicas": settings.replicas,
        "allow_direct": True,
        "allow_atomic": True,
        "allow_rollup_hdrs": False,  # one Nats-Rollup header could wipe the stream
        "deny_delete": False,
    } | special


def declared_consumer(grant: ConsumerGrant) -> dict[str, Any]:
    """The configuration of one durable consumer."""
    settling = {"ack_policy": "explicit", "ack_wait": ACK_WAIT, "max_ack_pending": MAX_ACK_PENDING}
    return {
        "durable_name": grant.durable,
        "name": grant.durable,
        **(settling if grant.settles else {"ack_policy": "none"}),
        "max_deliver": -1,  # attempts are counted by the engine, which dead-letters; the server would drop silently
        "filter_subjects": list(grant.filters),
        "replay_policy": "instant",
    } | _start(grant.start)


def _start(start: Literal["last", "all", "new"] | datetime) -> dict[str, Any]:
    if isinstance(start, datetime):
        return {"deliver_policy": "by_start_time", "opt_start_time": start.isoformat()}
    return {"deliver_policy": {"last": "last_per_subject", "all": "all", "new": "new"}[start]}


async def plan(
    connection: Connection, settings: Settings, opds: Iterable[str], grants: Sequence[ConsumerGrant]
) -> list[Change]:
    """What differs from the declared. Raises Unavailable, AccessError."""
    changes: list[Change] = []
    opds = sorted(set(opds))
    for stream in declared_streams(opds, settings):
        live = await _info(connection, f"STREAM.INFO.{stream['name']}")
        changes += _compare("stream", stream["name"], live, stream)
    for grant in grants:
        live = await _info(connection, f"CONSUMER.INFO.{grant.stream}.{grant.durable}")
        changes += _compare("consumer", f"{grant.stream}/{grant.durable}", live, declared_consumer(grant))
    called_for = {(grant.stream, grant.durable) for grant in grants}
    missing = {change.name for change in changes if change.kind == "stream" and change.action == "create"}
    for name in {*map(subjects.stream, opds), subjects.REDRIVE_STREAM} - missing:
        changes += [
            Change("consumer", f"{name}/{info['name']}", "delete", {})
            for info in await durable_consumers(connection, name)
            if (name, info["name"]) not in called_for
        ]
    return changes


async def apply(
    connection: Connection,
    settings: Settings,
    opds: Iterable[str],
    grants: Sequence[ConsumerGrant],
    *,
    prune: bool = False,
) -> list[Change]:
    """Creates and updates whatever differs, and returns what it changed.

    Consumers that no contract calls for go only with ``prune``: whoever knows only some of the city's contracts must
    not take the others' away. Streams are never deleted.
    """
    opds = list(opds)
    streams = {stream["name"]: stream for stream in declared_streams(opds, settings)}
    consumers = {f"{grant.stream}/{grant.durable}": grant for grant in grants}
    changes = [each for each in await plan(connection, settings, opds, grants) if prune or each.action != "delete"]
    for change in changes:
        if change.kind == "stream":
            await connection.api(f"STREAM.{change.action.upper()}.{change.name}", streams[change.name])
        elif change.action == "delete":
            await connection.api(f"CONSUMER.DELETE.{change.name.replace('/', '.')}")
        else:
            grant = consumers[change.name]
            body = {"stream_name": grant.stream, "config": declared_consumer(grant), "action": change.action}
            await connection.api(f"CONSUMER.CREATE.{grant.stream}.{grant.durable}", body)
    return changes


async def opd_streams(connection: Connection) -> list[str]:
    """The streams of OPDs that exist. Raises Unavailable, AccessError."""
    names: list[str] = []
    while True:
        reply = await connection.api("STREAM.NAMES", {"offset": len(names)})
        names += reply["streams"] or ()
        if not reply["streams"] or len(names) >= reply["total"]:
            return sorted(name for name in names if name.startswith("OPD_"))


async def durable_consumers(connection: Connection, stream: str) -> list[dict[str, Any]]:
    """The durable consumers of a stream as they are now, as the server describes them. Raises ApiError, AccessError."""
    found: list[dict[str, Any]] = []
    offset = 0
    while True:
        reply = await connection.api(f"CONSUMER.LIST.{stream}", {"offset": offset})
        found += reply["consumers"] or ()
        offset += reply["limit"]  # not what came: in a cluster those of a server that is away are counted, and missing
        if offset >= reply["total"]:
            return [info for info in found if info["config"].get("durable_name")]


async def _info(connection: Connection, subject: str) -> dict[str, Any] | None:
    try:
        return (await connection.api(subject))["config"]  # type: ignore[no-any-return]
    except ApiError as error:
        if error.err_code in NOT_FOUND:
            return None
        raise


# Where a consumer starts is decided once, when it is made; the server refuses to change it.
_FIXED = frozenset({"deliver_policy", "opt_start_time"})


def _compare(
    kind: Literal["stream", "consumer"], name: str, live: dict[str, Any] | None, declared: dict[str, Any]
) -> list[Change]:
    if live is None:
        return [Change(kind, name, "create", {})]
    if "filter_subject" in live:
        live = {**live, "filter_subjects": [live["filter_subject"]]}
    differing = {
        field: (live.get(field), value)
        for field, value in declared.items()
        if field not in _FIXED and live.get(field) != value and not (live.get(field) is None and not value)
    }
    return [Change(kind, name, "update", differing)] if differing else []
