"""``bus demo``: a city's day on this machine. The city itself is no part of the bus: it is found by ``bus.demos``."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bus.cli import running

if TYPE_CHECKING:
    from bus.config import Settings

AT_ONCE = 100  #: demos on one machine
STREAM = 64 * 1024**2  #: bytes of a department's stream: the server sets the room of all of them aside at once


def demo(
    context: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="End after the audit, instead of staying up until Ctrl-C.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the audit's figures as the last line.")] = False,
) -> None:
    """Let a day pass in the departments of a city, with faults, and audit that nothing is lost or applied twice.

    Example:

      bus demo --once --json
    """
    running.run(context, _demo, running.settings(context), once, as_json)


async def _demo(settings: Settings, once: bool, as_json: bool) -> int:
    from bus.contracts import load_all
    from bus.platform import Platform
    from bus.running import announced

    stopping = running.stopping()
    with _own_home(settings.home / "demo") as home, _log_to(home / "bus.log"):
        changed = {"home": home, "nats_url": None, "credential": None, "entity_key": None, "max_bytes": STREAM}
        own = settings.model_copy(update=changed)
        city = the_city()(home, once=once, as_json=as_json, environment=_shared(settings))
        platform = Platform(own, load_all(city.contracts))
        try:
            city.prepare()
            await platform.start()
            with announced(settings.home, "demo", home):
                return await _watched(city.run(platform.index, stopping), platform.wait(), stopping)
        finally:
            await platform.stop()


async def _watched(day: Any, failing: Any, stopping: asyncio.Event) -> int:
    """The exit code of the day, unless the platform fails first: then its error, after the day has ended in order."""
    running_day, failure = asyncio.create_task(day), asyncio.create_task(failing)
    await asyncio.wait({running_day, failure}, return_when=asyncio.FIRST_COMPLETED)
    if failure.done() and not running_day.done():
        stopping.set()
        await running_day
        failure.result()
    failure.cancel()
    return int(await running_day)


def the_city() -> Any:
    """The class of the demo. Raises ConfigError where none is installed."""
    from bus.errors import ConfigError

    found = sorted(entry_points(group="bus.demos"), key=lambda point: point.name)
    if not found:
        raise ConfigError("no demo is installed", where="entry points bus.demos", hint="run `uv sync`")
    return found[0].load()


@contextmanager
def _own_home(root: Path) -> Iterator[Path]:
    """A folder of this process alone: the first free number. What a former demo left there is removed."""
    import fcntl

    from bus.errors import ConfigError

    root.mkdir(parents=True, exist_ok=True)
    for number in range(1, AT_ONCE + 1):
        with (root / f"{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            home = root / str(number)
            if home.exists():
                shutil.rmtree(home)
            home.mkdir()
            yield home
            return
    raise ConfigError(f"{AT_ONCE} demos run already", where=str(root), hint="end some of them")


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Sends the logs of this process to a file: the terminal shows the city."""
    with path.open("a", encoding="utf-8") as file:
        handlers = [each for each in logging.getLogger().handlers if isinstance(each, logging.StreamHandler)]
        streams = [each.setStream(file) for each in handlers]
        try:
            yield
        finally:
            for handler, stream in zip(handlers, streams, strict=True):
                if stream is not None:
                    handler.setStream(stream)


def _shared(settings: Settings) -> dict[str, str]:
    """The settings of this process that its adapters share."""
    shared = {"BUS_LOG_LEVEL": settings.log_level, "BUS_OTLP_ENDPOINT": settings.otlp_endpoint}
    return {name: value for name, value in shared.items() if value is not None}
