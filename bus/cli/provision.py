"""``bus up``, ``bus streams …``, ``bus app …``: what the city's administrator runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bus.cli import running

if TYPE_CHECKING:
    from bus.broker.streams import Change
    from bus.config import Settings
    from bus.contracts import Contract

DEPARTMENTS = Path("adapters/departments")

Paths = Annotated[
    list[Path] | None,
    typer.Argument(help=f"The contracts of ALL the city's applications. Default: {DEPARTMENTS}.", show_default=False),
]

streams = typer.Typer(help="Streams and consumers.", no_args_is_help=True, rich_markup_mode=None)
app = typer.Typer(help="Applications and their credentials.", no_args_is_help=True, rich_markup_mode=None)


def up(context: typer.Context, paths: Paths = None, as_json: running.AsJson = False) -> None:
    """Run the bus itself until Ctrl-C.

    That is an embedded server, its streams, consumers and credentials, and the index.

    With BUS_NATS_URL set there is no embedded server: streams and consumers are provisioned on that one, with the
    administrator's credential (BUS_CREDENTIAL).

    Examples:

      bus up

      bus up adapters/departments/dukcapil adapters/departments/dinsos

      BUS_HOME=/var/lib/bus bus up /etc/bus/departments
    """
    running.run(context, _up, running.settings(context), _contracts(paths), as_json)


@streams.command("plan")
def plan(
    context: typer.Context, paths: Paths = None, as_json: running.AsJson = False, home: running.Home = None
) -> None:
    """Show how the live streams and consumers differ from the contracts; change nothing. Exit code 1: they differ.

    Example:

      bus streams plan
    """
    running.run(context, _plan, running.here(context, home), _contracts(paths), as_json)


@streams.command("apply")
def apply(
    context: typer.Context,
    paths: Paths = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also delete consumers that none of ALL the city's contracts calls for.")
    ] = False,
    as_json: running.AsJson = False,
    home: running.Home = None,
) -> None:
    """Make and change streams and consumers so that they are as the contracts say. No stream is ever deleted.

    Examples:

      bus streams apply

      BUS_NATS_URL=nats://bus.kediri.example BUS_CREDENTIAL=admin.creds bus streams apply
    """
    running.run(context, _apply, running.here(context, home), _contracts(paths), prune, as_json)


@app.command("credentials")
def credentials(
    context: typer.Context,
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[OPD/APP] [PATHS]...", help="Whose, and the contracts of ALL the city's applications."),
    ] = None,
    as_json: running.AsJson = False,
    home: running.Home = None,
) -> None:
    """Issue the credentials that the contracts call for, and print where they are.

    One that a narrower contract replaces is revoked; a running server is told at once.

    Examples:

      bus app credentials

      bus app credentials dukcapil/siak

      bus app credentials dukcapil/siak /etc/bus/departments
    """
    running.run(context, _credentials, running.here(context, home), targets or [], as_json)


@app.command("revoke")
def revoke(
    context: typer.Context,
    application: Annotated[str, typer.Argument(metavar="OPD/APP")],
    as_json: running.AsJson = False,
    home: running.Home = None,
) -> None:
    """Withdraw an application's credential, at once where a server runs. `bus app credentials` issues a new one.

    Example:

      bus app revoke dukcapil/siak
    """
    running.run(context, _revoke, running.here(context, home), application, as_json)


async def _up(settings: Settings, paths: Sequence[Path], as_json: bool) -> int:
    import asyncio

    from bus.contracts import load_all
    from bus.observability.tracing import tracing
    from bus.platform import Platform
    from bus.running import announced

    stopping = running.stopping()
    contracts = load_all(paths)
    platform = Platform(settings, contracts)
    with tracing(settings, "bus up"):
        try:
            changes = await platform.start()
            with announced(settings.home, "up", settings.home):
                _started(settings, platform.url, contracts, changes, as_json)
                ending = [asyncio.create_task(stopping.wait()), asyncio.create_task(platform.wait())]
                done, waiting = await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
                for task in waiting:
                    task.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)
                for task in done:
                    task.result()
        finally:
            await platform.stop()
    return 0


def _started(
    settings: Settings, url: str, contracts: Sequence[Contract], changes: Sequence[Change], as_json: bool
) -> None:
    from bus.cli import output

    home = str(settings.home.absolute())
    if as_json:
        output.document({"url": url, "home": home, "changes": [_dump(each) for each in changes]})
        return
    print(f"server   {url}")
    print(f"home     {home}")
    print(f"adapters {', '.join(str(each.name) for each in contracts)}")
    for change in changes:
        print(f"  {change}")
    print("The bus is up. `bus status` in another terminal; Ctrl-C ends it.", flush=True)


async def _plan(settings: Settings, paths: Sequence[Path], as_json: bool) -> int:
    from bus import platform
    from bus.cli import asking
    from bus.contracts import load_all

    changes = await platform.plan(settings, asking.url_of(settings), load_all(paths))
    _show(changes, as_json, "streams and consumers are as the contracts say")
    return running.FAULTS if any(each.action != "delete" for each in changes) else 0


async def _apply(settings: Settings, paths: Sequence[Path], prune: bool, as_json: bool) -> int:
    from bus import platform
    from bus.cli import asking
    from bus.contracts import load_all

    changes = await platform.apply(settings, asking.url_of(settings), load_all(paths), prune=prune)
    _show(changes, as_json, "nothing to change")
    return 0


async def _credentials(settings: Settings, targets: Sequence[str], as_json: bool) -> int:
    from bus.cli import output
    from bus.contracts import load_all
    from bus.errors import ConfigError
    from bus.security import credentials, keys, trust
    from bus.subjects import AppName

    named, paths = _named(targets)
    app = AppName.parse(named) if named else None
    contracts = load_all(paths)
    if app is not None and app not in {each.name for each in contracts}:
        raise ConfigError("no contract of this application here", where=str(app), hint="name its contract's folder")
    trust.establish(settings.home)
    keys.make_entity_key(settings.entity_key_path)
    issued = credentials.issue(settings.home, contracts)
    told = await _tell(settings)
    shown = [credentials.path(settings.home, app)] if app else issued
    if as_json:
        output.document({"credentials": [str(each.absolute()) for each in shown], "server_told": told})
        return 0
    for each in shown:
        print(each)
    print(_told(told))
    return 0


async def _revoke(settings: Settings, application: str, as_json: bool) -> int:
    from bus.cli import output
    from bus.errors import ConfigError
    from bus.security import credentials
    from bus.subjects import AppName

    app = AppName.parse(application)
    if not credentials.path(settings.home, app).exists():
        raise ConfigError("this application has no credential here", where=str(credentials.path(settings.home, app)))
    credentials.revoke(settings.home, app)
    told = await _tell(settings)
    if as_json:
        output.document({"revoked": str(app), "server_told": told})
    else:
        print(f"{app} is revoked; {_told(told)}")
    return 0


async def _tell(settings: Settings) -> bool:
    """Tells the running server; False where none runs. Raises Unavailable, AccessError."""
    from bus import platform, server

    url = settings.nats_url or server.running(settings.home)
    if url is None:
        return False
    await platform.push_claims(settings, url)
    return True


def _told(told: bool) -> str:
    return "the running server knows" if told else "no server runs here: it takes effect when one starts"


def _named(targets: Sequence[str]) -> tuple[str, list[Path]]:
    """The application, where the first argument is no path, and the paths."""
    named = targets[0] if targets and not Path(targets[0]).exists() else ""
    return named, _contracts([Path(each) for each in targets[1 if named else 0 :]])


def _contracts(paths: Sequence[Path] | None) -> list[Path]:
    return list(paths or [DEPARTMENTS])


def _show(changes: Sequence[Change], as_json: bool, nothing: str) -> None:
    from bus.cli import output

    if as_json:
        output.document([_dump(each) for each in changes])
        return
    for change in changes:
        print(change)
    if not changes:
        print(nothing)


def _dump(change: Change) -> dict[str, Any]:
    fields = {name: {"live": live, "declared": declared} for name, (live, declared) in change.fields.items()}
    return {"action": change.action, "kind": change.kind, "name": change.name, "fields": fields}
