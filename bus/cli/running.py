"""What every command shares: settings, logs, one clear line for an error, and the exit code."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import typer

FAULTS, PERSON, UNAVAILABLE, INTERRUPTED = 1, 2, 3, 130


def run(context: typer.Context, command: Callable[..., Coroutine[Any, Any, int | None]], *arguments: Any) -> NoReturn:
    """Runs an async command and ends the process with its exit code. Errors of the bus become one line on standard error."""
    import uvloop

    from bus.errors import BusError

    try:
        code = uvloop.run(command(*arguments)) or 0
    except BusError as error:
        if context.obj["debug"]:
            raise
        fail(error)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(code)


def fail(error: Any) -> NoReturn:
    """Says what went wrong and ends."""
    from bus.errors import Action

    print(f"bus: {error}", file=sys.stderr)
    raise typer.Exit(UNAVAILABLE if error.action is Action.RETRY else PERSON)


def settings(context: typer.Context, **overrides: Any) -> Any:
    """The settings, with logs set up."""
    from bus import config
    from bus.errors import BusError
    from bus.observability import logging

    try:
        loaded = config.load(log_level="DEBUG" if context.obj["debug"] else None, **overrides)
    except BusError as error:
        fail(error)
    logging.setup(loaded)
    return loaded


def stopping() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set: the first asks, a second SIGINT ends at once."""
    import signal

    event = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        event.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, on_signal)
    loop.add_signal_handler(signal.SIGTERM, on_signal)
    return event


def show(value: Any, *, as_json: bool, text: str) -> None:
    """Prints a result for a script or for a person."""
    print(json.dumps(value, ensure_ascii=False, default=str) if as_json else text)
