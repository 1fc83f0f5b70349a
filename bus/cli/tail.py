"""``bus tail``: events as they are stored. Headers only: no event's data is ever read."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bus.cli import running

if TYPE_CHECKING:
    import asyncio

    from bus.broker.connection import Connection
    from bus.broker.consume import Incoming
    from bus.config import Settings

SHOWN = ("ce-id", "ce-type", "ce-source", "ce-subject", "ce-time", "ce-hop", "traceparent")


def tail(
    context: typer.Context,
    event_type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="One event type: domain.entity.event.v1.")
    ] = None,
    application: Annotated[str | None, typer.Option("--app", metavar="OPD/APP", help="One publisher.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line, for scripts.")] = False,
    home: running.Home = None,
) -> None:
    """Show events live, until Ctrl-C.

    When, type, publisher, id and key token, as they are stored; never their data.

    Examples:

      bus tail

      bus tail --type kependudukan.penduduk.meninggal.v1

      bus tail --app dukcapil/siak --json
    """
    running.run(context, _tail, running.here(context, home), event_type, application, as_json)


async def _tail(settings: Settings, event_type: str | None, application: str | None, as_json: bool) -> int:
    import asyncio

    from bus import subjects
    from bus.broker.streams import opd_streams
    from bus.cli import asking
    from bus.errors import ConfigError
    from bus.subjects import AppName, EventName

    app = AppName.parse(application) if application else None
    publisher = app.prefix if app else "*.*"
    wanted = f"opd.{publisher}.{EventName.parse(event_type) if event_type else '*.*.*.*'}.*"
    async with asking.connected(settings) as connection:
        streams = await opd_streams(connection)
        if app is not None:
            streams = [each for each in streams if each == app.stream]
        if not streams:
            raise ConfigError(
                "no stream to read", where=str(app or subjects.stream_subjects("*")), hint="run `bus streams apply`"
            )
        stopping = running.stopping()
        if sys.stdout.isatty() and not as_json:
            print("waiting for events; Ctrl-C ends it", file=sys.stderr)
        arriving: asyncio.Queue[Incoming] = asyncio.Queue()
        reading = [asyncio.create_task(_read(connection, stream, wanted, arriving)) for stream in streams]
        showing = asyncio.create_task(_show(arriving, as_json))
        waiting = asyncio.create_task(stopping.wait())
        try:
            done, _ = await asyncio.wait({*reading, showing, waiting}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*reading, showing, waiting):
                task.cancel()
            await asyncio.gather(*reading, showing, waiting, return_exceptions=True)
    return 0


async def _read(connection: Connection, stream: str, wanted: str, arriving: asyncio.Queue[Incoming]) -> None:
    from bus.broker.reading import read_stream

    start = {"deliver_policy": "new"}
    async for batch in read_stream(connection, stream, filters=[wanted], headers_only=True, start=start):
        for incoming in batch:
            arriving.put_nowait(incoming)


async def _show(arriving: asyncio.Queue[Incoming], as_json: bool) -> None:
    from bus.cli import output

    while True:
        incoming = await arriving.get()
        headers = {name.lower(): value for name, value in incoming.headers.items()}
        if as_json:
            output.document(_object(incoming, headers))
        else:
            print(_line(incoming, headers), flush=True)


def _object(incoming: Incoming, headers: dict[str, str]) -> dict[str, Any]:
    from bus.cli import output

    stored = {"stream": incoming.stream, "sequence": incoming.sequence}
    kept = {name.removeprefix("ce-"): headers[name] for name in SHOWN if name in headers}
    return stored | {"stored": output.rfc3339(incoming.stored_ms)} | kept


def _line(incoming: Incoming, headers: dict[str, str]) -> str:
    from bus.cli import output
    from bus.subjects import EventSubject

    parsed = EventSubject.parse(incoming.subject)
    if parsed is None:
        return f"{output.moment(incoming.stored_ms)}  {incoming.subject}"
    hop = "  (follow-up)" if headers.get("ce-hop") else ""
    event_id = headers.get("ce-id", "-")
    return (
        f"{output.moment(incoming.stored_ms)}  {parsed.name!s:<48} {parsed.app!s:<20} {event_id[:12]}  "
        f"{parsed.key_token}{hop}"
    )
