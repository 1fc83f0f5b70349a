"""What ``bus doctor`` asks the server: reach, clocks, streams, consumers, credentials, adapters, dead letters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bus.cli.checks import Check, failed
from bus.errors import BusError

if TYPE_CHECKING:
    from bus.broker.connection import Connection
    from bus.cli.standing import City, Instance, Standing
    from bus.config import Settings
    from bus.contracts import Contract

SKEW, BAD_SKEW = 1.0, 30.0  #: seconds between the clocks that warn, and that fail
FULL, OVERFULL = 0.8, 0.98  #: shares of max_bytes
SLOW = 300.0  #: seconds that an event may wait before it is worth a line
AWAY = 300.0  #: seconds since a source last stored something after which its adapter is missed
RESTART = 10.0  #: seconds in which an adapter that starts again is back
SHOWN = 5


async def all_of(settings: Settings, contracts: Sequence[Contract]) -> AsyncIterator[Check]:
    """Everything that asks the server; after a failed connection there is nothing more to ask."""
    from bus.cli import asking

    started = time.perf_counter()
    try:
        async with asking.connected(settings) as connection:
            spent = (time.perf_counter() - started) * 1000
            yield Check("server", "ok", f"{connection.url}, connected in {spent:.0f} ms")
            async for check in _health(settings, connection.url):
                yield check
            yield await _clock(connection)
            async for check in _streams(connection, settings, contracts):
                yield check
            for check in _credentials(settings, contracts):
                yield check
            async for check in _applications(connection, settings, contracts):
                yield check
    except BusError as error:
        yield failed("server", error)


async def _health(settings: Settings, url: str) -> AsyncIterator[Check]:
    """What the server says of itself, to who has the credential to ask."""
    from bus import platform
    from bus.security import credentials

    if not credentials.path(settings.home, credentials.Role.SYSTEM).exists():
        return
    try:
        wrong = await platform.ailment(settings, url)
    except BusError as error:  # there is more to ask
        yield failed("health", error)
        return
    if wrong:
        hint = "a server that could not write once does not try again: make room on its disk, then start it anew"
        yield Check("health", "fail", wrong, hint)
    else:
        yield Check("health", "ok", "the server says that it is well")


async def _clock(connection: Connection) -> Check:
    """The server's clock against this machine's: credentials and leases count on both."""
    from bus import subjects

    before = time.time()
    reply = await connection.api(f"STREAM.INFO.{subjects.DLQ_STREAM}")
    middle = (before + time.time()) / 2
    if "ts" not in reply:
        return Check("clock", "ok", "the server does not tell its time")
    skew = datetime.fromisoformat(reply["ts"]).timestamp() - middle
    detail = f"the server's clock is {abs(skew):.1f} s {'ahead' if skew > 0 else 'behind'}"
    hint = "set up time synchronisation (systemd-timesyncd, chrony) on both machines"
    if abs(skew) > BAD_SKEW:
        return Check("clock", "fail", detail, hint)
    return (
        Check("clock", "warn", detail, hint) if abs(skew) > SKEW else Check("clock", "ok", f"{abs(skew):.1f} s apart")
    )


async def _streams(connection: Connection, settings: Settings, contracts: Sequence[Contract]) -> AsyncIterator[Check]:
    from bus.broker import streams
    from bus.contracts.grants import consumers

    if not contracts:
        yield Check("streams", "warn", "no contracts here to compare with", "name their folder: bus doctor PATHS")
    else:
        opds = sorted({each.opd for each in contracts})
        changes = await streams.plan(connection, settings, opds, consumers(contracts))
        hint = "`bus streams plan` shows it, `bus streams apply` repairs it"
        if differing := [str(each) for each in changes if each.action != "delete"]:
            yield Check("streams", "fail", "; ".join(differing[:SHOWN]), hint)
        else:
            yield Check("streams", "ok", "streams and consumers are as the contracts say")
        if left := [each.name for each in changes if each.action == "delete"]:
            hint = "`bus streams apply --prune` removes them, if all the city's contracts are named"
            yield Check("left over", "warn", f"no contract calls for {'; '.join(left[:SHOWN])}", hint)
    async for check in _room(connection):
        yield check


async def _room(connection: Connection) -> AsyncIterator[Check]:
    """How full the streams are: a full one pauses its sources."""
    from bus import subjects
    from bus.broker.streams import opd_streams
    from bus.cli import output

    own = [subjects.DLQ_STREAM, subjects.REDRIVE_STREAM]  # receipts make room for themselves
    quiet = True
    for name in (*await opd_streams(connection), *own):
        info = await connection.api(f"STREAM.INFO.{name}")
        limit, used = info["config"].get("max_bytes", -1), info["state"]["bytes"]
        if limit > 0 and used > limit * FULL:
            quiet = False
            level: Any = "fail" if used > limit * OVERFULL else "warn"
            detail = f"{name}: {output.size(used)} of {output.size(limit)}"
            yield Check("room", level, detail, "let consumers catch up, or raise max_bytes and run `bus streams apply`")
    if quiet:
        yield Check("room", "ok", "no stream is near its limit")


def _credentials(settings: Settings, contracts: Sequence[Contract]) -> Iterator[Check]:
    """Whether each application's credential says what its contract says."""
    from bus.contracts.grants import consumers
    from bus.security import credentials, files, jwt, permissions

    planned = consumers(contracts)
    wrong = []
    known = [each for each in contracts if credentials.path(settings.home, each.name).exists()]
    for contract in known:
        path = credentials.path(settings.home, contract.name)
        try:
            claims = jwt.decode(jwt.of_credential(files.read(path).decode(), where=str(path)), where=str(path))
        except BusError as error:
            yield failed("credentials", error)
            continue
        granted = permissions.of_application(contract, planned)
        if set(claims["nats"].get("pub", {}).get("allow", ())) != set(granted.publish):
            wrong.append(str(contract.name))
    if wrong:
        hint = "`bus app credentials` issues new ones; the adapters take them when they connect again"
        yield Check("credentials", "fail", f"not as the contract says: {', '.join(wrong)}", hint)
    elif known:
        yield Check("credentials", "ok", f"{len(known)} are as the contracts say")
    elif contracts:
        yield Check("credentials", "ok", "none are kept here")


async def _applications(
    connection: Connection, settings: Settings, contracts: Sequence[Contract]
) -> AsyncIterator[Check]:
    """Each adapter's own word, what waits for it, and its dead letters."""
    from bus.cli import asking, standing

    retired = {str(each.name) for each in contracts if each.stage == "retired"}
    named = {str(each.name) for each in contracts} - retired
    async with asking.indexed(settings, connection) as index:
        city = await standing.look(connection, index)
        if city.totals.keys() - city.instances.keys() - retired:
            await asyncio.sleep(RESTART)
            city = await standing.look(connection, index)
        found = [city.of(app) for app in sorted({*city.apps, *named} - retired)]
    read = {each.app: await _last_read(connection, each.app) for each in found if each.instance is None}
    never = [app for app, read_ms in read.items() if read_ms is None and not _has_run(settings, city, app)]
    for each in found:
        if each.instance is not None:
            yield _running(each, each.instance)
        elif each.app not in never:
            yield _missing(each, read[each.app])
    if never:
        hint = 'start each with `bus run`, or write stage = "retired" into its contract'
        yield Check("never run", "warn", f"{', '.join(never)} {'has' if len(never) == 1 else 'have'} never run", hint)
    open_ = sum(each.totals.dead_letters for each in found)
    if open_:
        yield Check("dead letters", "warn", f"{open_:,} are open", "`bus dlq list` shows why")
    else:
        yield Check("dead letters", "ok", "none are open")


async def _last_read(connection: Connection, app: str) -> int | None:
    """When a source of an application last stored something (Unix ms); None where none ever has."""
    from bus import subjects
    from bus.broker.direct import latest_message
    from bus.observability.indexer import unix_ms
    from bus.subjects import AppName

    name = AppName.parse(app)
    found = await latest_message(connection, name.stream, subjects.cursors(name))
    return unix_ms(found.time) if found else None


def _has_run(settings: Settings, city: City, app: str) -> bool:
    """Whether an application has published or applied something, or its adapter was started from this home."""
    from bus.subjects import AppName

    return app in city.totals or (settings.home / "state" / AppName.parse(app).prefix).exists()


def _running(each: Standing, instance: Instance) -> Check:
    from bus.cli import output

    name = f"adapter {each.app}"
    if instance.problems:
        return Check(name, "fail", "; ".join(instance.problems), f"`bus status {each.app}` shows more")
    if each.oldest_ms is not None and time.time() - each.oldest_ms / 1000 > SLOW:
        waits = f"{output.counted(each.pending, 'event')} waiting, the oldest for {output.age(each.oldest_ms)}"
        return Check(name, "warn", waits, f"`bus status {each.app}` shows where")
    return Check(name, "ok", f"active, heard {output.age(instance.said_ms)} ago")


def _missing(each: Standing, read_ms: int | None) -> Check:
    """An adapter without an instance that has had one. It fails where something is late by that."""
    from bus.cli import output

    name, what, hint = f"adapter {each.app}", "no instance is running", f"start it: bus run …/{each.app}"
    if each.pending:
        since = f", the oldest for {output.age(each.oldest_ms)}" if each.oldest_ms is not None else ""
        return Check(name, "fail", f"{what}, and events wait for it: {each.pending:,}{since}", hint)
    if read_ms is not None and time.time() - read_ms / 1000 > AWAY:
        return Check(name, "fail", f"{what}, and what it publishes was last read {output.age(read_ms)} ago", hint)
    return Check(name, "warn", what, hint)
