"""``bus run``, ``bus check``, ``bus new adapter``: what integrators use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bus.cli import running

Paths = Annotated[list[Path], typer.Argument(help="Adapter folders, or folders above them.")]


def run(
    context: typer.Context,
    paths: Paths,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Source rows to events on standard output; no server.")
    ] = False,
    limit: Annotated[int, typer.Option(help="With --dry-run: how many records per source.")] = 20,
    install: Annotated[
        bool, typer.Option("--install", help="First make the outbox tables and triggers of the sources.")
    ] = False,
) -> None:
    """Runs adapters: reads their sources, applies what they subscribe to, until Ctrl-C."""
    settings = running.settings(context)
    if dry_run:
        running.run(context, _dry_run, settings, paths, limit)
    running.run(context, _run, settings, paths, install)


async def _run(settings, paths: list[Path], install: bool) -> int:  # type: ignore[no-untyped-def]
    from bus.app import Adapter
    from bus.contracts import load_all
    from bus.delivery.flows import together
    from bus.events import Catalogue
    from bus.observability.tracing import tracing

    stopping = running.stopping()
    catalogue = Catalogue.load()
    adapters = [Adapter(contract, settings, catalogue) for contract in load_all(paths)]
    if install:
        for adapter in adapters:
            await adapter.install()
    service = str(adapters[0].app) if len(adapters) == 1 else "adapters"
    with tracing(settings, service):
        await together(*(adapter.run(stopping) for adapter in adapters))
    return 0
