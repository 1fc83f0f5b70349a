"""``bus run``, ``bus check``, ``bus new adapter``: what integrators use."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bus.cli import running

if TYPE_CHECKING:
    from bus.app import Adapter
    from bus.config import Settings

Paths = Annotated[list[Path], typer.Argument(help="Adapters' folders, or folders above them.")]

new = typer.Typer(help="Start something new.", no_args_is_help=True, rich_markup_mode=None)


def run(
    context: typer.Context,
    paths: Paths,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the events of the sources' first rows; no server.")
    ] = False,
    limit: Annotated[int, typer.Option(help="With --dry-run: how many records of each source.", min=1)] = 20,
    ddl: Annotated[
        bool, typer.Option("--ddl", help="Print the tables and triggers that it needs in databases, and end.")
    ] = False,
    install: Annotated[bool, typer.Option("--install", help="Make those of the sources, then run.")] = False,
) -> None:
    """Run adapters: read their sources, apply what they subscribe to, until Ctrl-C.

    Examples:

      bus run adapters/departments/dukcapil/siak

      bus run adapters/departments/dukcapil/siak --dry-run --limit 5
    """
    settings = running.settings(context)
    if ddl:
        running.run(context, _ddl, settings, paths)
    if dry_run:
        running.run(context, _dry_run, settings, paths, limit)
    running.run(context, _run, settings, paths, install)


def check(
    context: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(help="Default: adapters/departments.")] = None,
    as_json: running.AsJson = False,
) -> None:
    """Check contracts without network or database: names, types, mappings, purposes, secrets. Exit code 1 on a fault.

    Example:

      bus check adapters/departments/dukcapil
    """
    running.settings(context)
    running.run(context, _check, paths or [Path("adapters/departments")], as_json)


@new.command("adapter")
def new_adapter(
    context: typer.Context,
    application: Annotated[str, typer.Argument(metavar="OPD/APP", help="For example dinkes/epuskesmas.")],
    into: Annotated[Path, typer.Option(help="Where the departments' folders are.")] = Path("adapters/departments"),
    connector: Annotated[
        str | None,
        typer.Option(
            help="Any source, where the OPD is the walidata of an event type (default: file_drop), or any target of "
            "events (default: a handler)."
        ),
    ] = None,
    event: Annotated[
        str | None, typer.Option(help="The event type to begin with. Default: the first that the OPD may publish.")
    ] = None,
) -> None:
    """Write a complete adapter that passes its tests, to be filled in. A target makes it one that subscribes.

    Examples:

      bus new adapter dinkes/epuskesmas --connector http_poll

      bus new adapter dishub/parkir --connector sql_upsert --event perizinan.izin.terbit.v1
    """
    running.settings(context)
    running.run(context, _new_adapter, application, into, connector, event)


def _adapters(settings: Settings, paths: list[Path], *, trial: bool = False) -> tuple[list[Adapter], int]:
    """The adapters at these paths, and an exit code: a wrong contract costs one line, and the others still run.

    A ``trial`` needs no key, and its key tokens mean nothing.
    """
    from bus.app import Adapter
    from bus.contracts import load_each
    from bus.contracts.lint import lint
    from bus.errors import ConfigError
    from bus.events import Catalogue
    from bus.events.registry import KeyTokens

    catalogue, tokens = Catalogue.load(), KeyTokens(b"trial") if trial else None
    contracts, errors = load_each(paths)
    adapters: list[Adapter] = []
    for contract in (each for each in contracts if each.stage != "retired"):
        if faults := [each.error() for each in lint([contract], catalogue) if each.level == "error"]:
            errors += faults
            continue
        try:
            adapters.append(Adapter(contract, settings, catalogue, tokens))
        except ConfigError as error:
            errors.append(error)
    if not adapters and not errors:
        raise ConfigError("every application here is retired", where=" ".join(map(str, paths)))
    said = {str(error): error for error in errors}  # a key that is missing, say, is missing to all
    return adapters, max(map(running.say, said.values()), default=0)


async def _run(settings: Settings, paths: list[Path], install: bool) -> int:
    from bus.errors import BusError
    from bus.observability.tracing import tracing
    from bus.running import home_of
    from bus.tasks import together

    stopping = running.stopping()
    adapters, code = _adapters(home_of(settings), paths)
    codes = [code]

    async def alone(adapter: Adapter) -> None:
        """What ends one adapter does not end the others."""
        try:
            if install:
                await adapter.install()
            await adapter.run(stopping)
        except BusError as error:
            codes.append(running.say(error))

    if adapters:
        running.spare_the_collector()
        with tracing(settings, str(adapters[0].app) if len(adapters) == 1 else "adapters"):
            await together(*map(alone, adapters))
    return max(codes)


async def _dry_run(settings: Settings, paths: list[Path], limit: int) -> int:
    from bus.errors import BusError

    adapters, code = _adapters(settings, paths, trial=True)
    codes = [code]
    for adapter in adapters:
        try:
            codes.append(await _try(adapter, limit))
        except BusError as error:
            codes.append(running.say(error))
    return max(codes)


async def _try(adapter: Adapter, limit: int) -> int:
    rejected = number = 0
    async for tried in adapter.dry_run(limit):
        number += 1
        for event in tried.events:
            print(json.dumps({**event.headers(), "data": json.loads(event.data)}, ensure_ascii=False))
        where = f"{adapter.app} {tried.place or f'baris ke-{number}'}"
        if tried.odd:
            print(f"odd      {where}: {', '.join(tried.odd)}", file=sys.stderr)
        if tried.rejected:
            rejected += 1
            print(f"rejected {where}: {tried.rejected}", file=sys.stderr)
    return running.FAULTS if rejected else 0


async def _ddl(settings: Settings, paths: list[Path]) -> int:
    adapters, code = _adapters(settings, paths, trial=True)
    for adapter in adapters:
        if script := adapter.ddl():
            print(script)
        else:
            print(f"{adapter.app} needs nothing in a database", file=sys.stderr)
    return code


async def _check(paths: list[Path], as_json: bool) -> int:
    from dataclasses import asdict

    from bus.contracts.lint import check as lint
    from bus.events import Catalogue

    faults = lint(paths, Catalogue.load())
    wrong = any(each.level == "error" for each in faults)
    if as_json:
        print(json.dumps([asdict(fault) for fault in faults], ensure_ascii=False))
    else:
        for each in faults:
            print(each if each.level == "error" else f"note: {each}")
        if not wrong:
            print("no faults")
    return running.FAULTS if wrong else 0


async def _new_adapter(application: str, into: Path, connector: str | None, event: str | None) -> int:
    from bus.cli.new import create
    from bus.subjects import AppName

    for path in create(AppName.parse(application), into=into, connector=connector, event=event):
        print(path)
    return 0
