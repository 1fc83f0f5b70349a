"""The ``bus`` command. What a command needs is imported when it is called: ``bus --help`` stays quick."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from bus.cli import adapters, demo, doctor, letters, provision, status, tail, where
from bus.cli.running import INTERRUPTED, PERSON

EXAMPLES = """\b
Examples:
  bus demo             a city's day, with everything that can go wrong
  bus up               the bus itself, with an embedded server
  bus run adapters/departments/dukcapil/siak
  bus status           how the applications stand
  bus where 4f1c09     where an event is, and who has applied it

\b
Exit codes:
  0    success, also the Ctrl-C that ends up, run, demo and tail
  1    a fault, a loss or a difference was found
  2    a person must repair something
  3    something does not answer
  130  interrupted
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


app.command()(demo.demo)
app.command()(provision.up)
app.command()(adapters.run)
app.command()(adapters.check)
app.add_typer(adapters.new, name="new")
app.command()(status.status)
app.command()(tail.tail)
app.command()(where.where)
app.add_typer(letters.dlq, name="dlq")
app.add_typer(provision.streams, name="streams")
app.add_typer(provision.app, name="app")
app.command()(doctor.doctor)


def main() -> None:
    """The entry point: ends the process with the exit code."""
    try:
        sys.exit(app(standalone_mode=False, prog_name="bus") or 0)
    except TyperException as error:
        # What the parser raises (a wrong option, say) can show itself and knows its exit code.
        error.show()  # type: ignore[attr-defined]
        sys.exit(getattr(error, "exit_code", PERSON))
    except (Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
