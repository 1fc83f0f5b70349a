"""``bus doctor``: everything that can be checked without changing anything, with a hint for what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bus.cli import running
from bus.cli.provision import DEPARTMENTS, Paths

if TYPE_CHECKING:
    from bus.cli.checks import Check
    from bus.config import Settings
    from bus.contracts import Contract


def doctor(
    context: typer.Context, paths: Paths = None, as_json: running.AsJson = False, home: running.Home = None
) -> None:
    """Check installation, server and adapters.

    Says what to do about what is wrong. Exit code 1: something is.

    Examples:

      bus doctor

      bus doctor --json | jq '.[] | select(.level != "ok")'
    """
    running.run(context, _doctor, running.here(context, home), paths, as_json)


def _as_it_runs(settings: Settings) -> tuple[Settings, Sequence[Path]]:
    """The settings and the contracts that the bus of this home was started with: a demo has its own."""
    from bus.cli.demo import STREAM, the_city
    from bus.running import find

    home = settings.home.absolute()
    root = home.parent.parent  # `<root>/demo/<number>`
    if any(each.what == "demo" and each.home == home for each in find(root)):
        return settings.model_copy(update={"max_bytes": STREAM}), the_city().contracts
    return settings, [DEPARTMENTS] if DEPARTMENTS.exists() else []


async def _doctor(settings: Settings, paths: Sequence[Path] | None, as_json: bool) -> int:
    from dataclasses import asdict

    from bus.cli import checks, checks_bus, output

    found: list[Check] = []

    def tell(check: Check) -> None:
        found.append(check)
        if not as_json:
            _print(check)

    settings, usual = _as_it_runs(settings)
    for check in checks.here(settings):
        tell(check)
    tell(await checks.tracing(settings))
    contracts = _contracts(paths or usual, tell)
    async for check in checks_bus.all_of(settings, contracts):
        tell(check)
    if as_json:
        output.document([asdict(each) for each in found])
    return running.FAULTS if any(each.level == "fail" for each in found) else 0


def _contracts(paths: Sequence[Path], tell: Callable[[Check], None]) -> list[Contract]:
    from bus.cli import checks
    from bus.contracts import load_all
    from bus.errors import BusError

    if not paths:
        return []
    try:
        contracts = load_all(paths)
    except BusError as error:
        tell(checks.failed("contracts", error))
        return []
    tell(checks.Check("contracts", "ok", f"{len(contracts)} are readable"))
    return contracts


def _print(check: Check) -> None:
    mark = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}[check.level]
    print(f"{mark}  {check.name:<28} {check.detail}", flush=True)
    if check.hint and check.level != "ok":
        print(f"{'':<34} {check.hint}", flush=True)
