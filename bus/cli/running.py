"""What every command shares: settings, logs, one clear line for an error, and the exit code."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

FAULTS, PERSON, UNAVAILABLE, INTERRUPTED = 1, 2, 3, 130

Home = Annotated[
    Path | None,
    typer.Option("--home", metavar="PATH", help="The folder of the bus to ask, where several run; else the latest."),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for scripts.")]


def run(context: typer.Context, command: Callable[..., Coroutine[Any, Any, int | None]], *arguments: Any) -> NoReturn:
    """Runs an async command and ends with its exit code. An error becomes one line on standard error."""
    import uvloop

    from bus.errors import BusError

    try:
        code = uvloop.run(command(*arguments)) or 0
        sys.stdout.flush()
    except BusError as error:
        if context.obj["debug"]:
            raise
        fail(error)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        if context.obj["debug"]:
            raise
        unexpected(error)
    raise typer.Exit(code)


def spare_the_collector() -> None:
    """What is imported stays, and batches make many objects that die young: the collector need not look so often."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def fail(error: Any) -> NoReturn:
    """Says what went wrong and ends."""
    raise typer.Exit(say(error))


def say(error: Any) -> int:
    """Says what went wrong, in one line, and returns the exit code for it."""
    from bus.errors import Action

    print(f"bus: {error}", file=sys.stderr, flush=True)
    return UNAVAILABLE if error.action is Action.RETRY else PERSON


def unexpected(error: Exception) -> NoReturn:
    """A fault of the bus itself: its kind and place, but not its text, which may hold values."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    frame, place = error.__traceback__, ""
    while frame is not None:
        place = f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
        frame = frame.tb_next
    print(f"bus: unexpected {type(error).__name__} at {place} (`bus --debug …` shows all of it)", file=sys.stderr)
    raise typer.Exit(PERSON)


def settings(context: typer.Context, *, quiet: bool = False, **overrides: Any) -> Any:
    """The settings, with logs set up; ``quiet`` for commands whose answer is all that a person wants to see."""
    from bus import config
    from bus.errors import BusError
    from bus.observability import logging

    debug = context.obj["debug"]
    try:
        loaded = config.load(log_level="DEBUG" if debug else None, **overrides)
    except BusError as error:
        fail(error)
    logging.setup(loaded if debug or not quiet else loaded.model_copy(update={"log_level": "CRITICAL"}))
    return loaded


def here(context: typer.Context, home: Path | None = None) -> Any:
    """The settings of a command that asks a bus: the one in ``home``, an external one, or the one that runs here."""
    from bus.running import home_of

    loaded = settings(context, quiet=True, home=home)
    return loaded if home is not None or loaded.nats_url else home_of(loaded)


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
