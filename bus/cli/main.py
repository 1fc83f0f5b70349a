"""The ``bus`` command. Each command is a module of its own, imported when it is called: ``bus --help`` stays quick."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bus.cli import adapters, city, inspect, letters, provision

EXAMPLES = """
Examples:

  bus demo                                      a city's day on this machine, with everything that can go wrong

  bus up                                        the bus itself, with an embedded server

  bus run adapters/departments/dukcapil/siak    one adapter

  bus where 4f1c…                               where an event is, and who has applied it

Exit codes: 0 success, 1 a check found faults or a loss, 2 a person must repair a setting, 3 something does not answer.
"""

app = typer.Typer(
    name="bus",
    help="The service bus between a city's departments: typed events over NATS JetStream.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _root(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks, and log at DEBUG level.")] = False,
) -> None:
    context.obj = {"debug": debug}
