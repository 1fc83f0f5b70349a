"""``bus dlq redrive``: dead letters sent again, to the one subscription or source that refused them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bus.cli import running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bus.broker.connection import Connection
    from bus.broker.publish import Message
    from bus.config import Settings
    from bus.delivery.dead_letters import DeadLetter
    from bus.observability.index import Index
    from bus.observability.rows import LetterState

App = Annotated[str | None, typer.Option("--app", metavar="OPD/APP", help="Of this application.")]
Place = Annotated[str | None, typer.Option("--place", help="Of this place, as `bus dlq list` names it.")]

TOLD = 5.0  #: seconds between two signs of progress where there is no terminal


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked for."""

    ids: Sequence[str]
    app: str | None
    place: str | None
    again: bool
    author: str
    reason: str
    discard: bool
    dry_run: bool
    rate: float
    as_json: bool


def redrive(
    context: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID...", help="Dead letters, or their beginnings.")] = None,
    app: App = None,
    place: Place = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also those that were sent already and of which nothing is known yet.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why: it is kept. No names or numbers of persons.")] = "",
    author: Annotated[str, typer.Option("--author", help="Who. Default: the user of this machine.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go where.")] = False,
    rate: Annotated[float, typer.Option(help="Dead letters per second.", min=0.1)] = 50.0,
    discard: Annotated[
        bool, typer.Option("--discard", help="Go on WITHOUT them: nothing is applied, a held key is free again.")
    ] = False,
    as_json: running.AsJson = False,
    home: running.Home = None,
) -> None:
    """Send dead letters again, the oldest first, to the one source or subscription that refused them.

    A record is read again from its source: repair the row first. An event is applied again: repair the application
    first. What is applied already is not applied twice. Exit code 1: some cannot be sent.

    Examples:

      bus dlq redrive 1cb6660e --reason 'NIK corrected by the clerk'

      bus dlq redrive --app dinsos/bansos --reason 'table is back' --dry-run

      bus dlq redrive --app dinsos/bansos --reason 'table is back' --rate 200
    """
    order = Order(ids or (), app, place, again, author, reason, discard, dry_run, rate, as_json)
    running.run(context, _redrive, running.here(context, home), order)


def select(index: Index, app: str | None, place: str | None) -> list[LetterState]:
    """The dead letters of an application and place, the oldest first. Raises ConfigError."""
    from bus.subjects import AppName

    return index.letters(app=str(AppName.parse(app)) if app else None, place=place)


def one(index: Index, letter_id: str) -> LetterState:
    """The dead letter with this id, or whose id begins so. Raises ConfigError."""
    from bus.errors import ConfigError

    found = index.letters(beginning=letter_id.strip().lower()) if letter_id.strip() else []
    exact = [each for each in found if each.letter.id == letter_id]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise ConfigError(f"{len(found)} dead letters begin with {letter_id}", hint="write more of the id")
    raise ConfigError("no such dead letter", where=letter_id[:24], hint="`bus dlq list --all` names them")


async def stored(connection: Connection, state: LetterState) -> DeadLetter:
    """A dead letter as it is stored, with its values. Raises Unavailable, ConfigError where it is gone."""
    from bus import subjects
    from bus.broker.direct import message_at
    from bus.delivery.dead_letters import DeadLetter
    from bus.errors import ConfigError

    message = await message_at(connection, subjects.DLQ_STREAM, state.letter.sequence)
    if message is None:
        raise ConfigError("the dead letter is no longer stored", where=state.letter.id)
    return DeadLetter.parse(message.body)


async def _redrive(settings: Settings, order: Order) -> int:
    from bus.cli import asking

    author = _checked(order)
    async with asking.connected(settings) as connection:
        async with asking.indexed(settings, connection) as index:
            chosen = _chosen(index, order)
        if not order.as_json and not chosen:
            print("no open dead letter is meant by this; `bus dlq list --all` shows what became of the others")
        messages, refused = await _messages(connection, chosen, order, author)
        if order.dry_run:
            _preview(chosen, messages, refused, order)
        else:
            await _send(connection, [message for _, message in messages], order)
            _report(messages, refused, order)
    return running.FAULTS if refused else 0


def _checked(order: Order) -> str:
    """The author of an order that makes sense. Raises ConfigError."""
    import getpass
    import re

    from bus.errors import ConfigError

    if bool(order.ids) == bool(order.app):
        raise ConfigError("name dead letters, or an application with --app", hint="`bus dlq list` shows both")
    if order.ids and order.place:
        raise ConfigError("--place goes with --app")
    if not order.reason.strip() and not order.dry_run:
        raise ConfigError("no reason", where="--reason", hint="say in a few words what was repaired")
    for name, text in (("--reason", order.reason), ("--author", order.author)):
        if not text.isprintable() or re.search(r"(\d[ .-]?){12,}", text):
            raise ConfigError(
                "line breaks and numbers of persons do not belong here", where=name, hint="all of operations reads it"
            )
    return order.author.strip() or getpass.getuser()


def _chosen(index: Index, order: Order) -> list[LetterState]:
    """What is to be sent: named ones whatever has become of them, else the open ones."""
    from bus.observability.rows import UNDECIDED

    if order.ids:
        named = {each.letter.id: each for each in (one(index, letter_id) for letter_id in order.ids)}
        return sorted(named.values(), key=lambda each: each.letter.sequence)
    states = UNDECIDED if order.again else ("open",)
    return [each for each in select(index, order.app, order.place) if each.state in states]


async def _messages(
    connection: Connection, chosen: Sequence[LetterState], order: Order, author: str
) -> tuple[list[tuple[LetterState, Message]], list[tuple[LetterState, str]]]:
    """The messages to send, and the dead letters that cannot be sent with the reason."""
    from bus.delivery.redrive import message_of
    from bus.errors import ContractError

    messages, refused = [], []
    for state in chosen:
        letter = await stored(connection, state)
        try:
            message = message_of(letter, author=author, reason=order.reason, discard=order.discard)
        except ContractError as error:
            refused.append((state, str(error)))
        else:
            messages.append((state, message))
    return messages, refused


async def _send(connection: Connection, messages: Sequence[Message], order: Order) -> None:
    """Sends at the rate that was asked for; says how far it came where it is interrupted."""
    import asyncio

    from bus.broker.publish import Publisher

    publisher = Publisher(connection)
    loop = asyncio.get_running_loop()
    started, sent = loop.time(), 0
    step = max(1, int(order.rate / 10))
    try:
        with _progress(len(messages), order.as_json) as advance:
            while sent < len(messages):
                await asyncio.sleep(max(0.0, started + sent / order.rate - loop.time()))
                sent += len(await publisher.send_all(messages[sent : sent + step]))
                advance(sent)
    except BaseException:
        print(f"bus: {sent:,} of {len(messages):,} were sent; the others are still open", file=sys.stderr)
        raise


def _progress(total: int, quiet: bool) -> Any:
    """A bar on a terminal, a line every few seconds elsewhere; nothing for what is done at once."""
    import contextlib
    import time

    @contextlib.contextmanager
    def bar() -> Iterator[Any]:
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("redriving", total=total)
            yield lambda sent: progress.update(task, completed=sent)

    @contextlib.contextmanager
    def lines() -> Iterator[Any]:
        told = time.monotonic()

        def advance(sent: int) -> None:
            nonlocal told
            if not quiet and time.monotonic() - told > TOLD:
                told = time.monotonic()
                print(f"bus: {sent:,} of {total:,} sent", file=sys.stderr)

        yield advance

    return bar() if sys.stderr.isatty() and not quiet else lines()


def _preview(
    chosen: Sequence[LetterState],
    messages: Sequence[tuple[LetterState, Message]],
    refused: Sequence[tuple[LetterState, str]],
    order: Order,
) -> None:
    from bus.cli import output

    if order.as_json:
        would = [{"id": state.letter.id, "subject": message.subject} for state, message in messages]
        output.document({"would_send": would, "cannot": [{"id": s.letter.id, "why": why} for s, why in refused]})
        return
    rows = [(s.letter.id[:10], s.letter.kind, m.subject, s.state, s.letter.reason) for s, m in messages]
    rows += [(s.letter.id[:10], s.letter.kind, "cannot be sent", s.state, why) for s, why in refused]
    if rows:
        output.table("", ["ID", "KIND", "+WOULD GO TO", "STATE", "+REASON"], rows)
    done = "discarded" if order.discard else "sent"
    print(f"{len(messages):,} of {len(chosen):,} would be {done}; nothing was (--dry-run)")


def _report(
    messages: Sequence[tuple[LetterState, Message]], refused: Sequence[tuple[LetterState, str]], order: Order
) -> None:
    from bus.cli import output

    if order.as_json:
        output.document(
            {
                "sent": [{"id": state.letter.id, "subject": message.subject} for state, message in messages],
                "cannot": [{"id": state.letter.id, "why": why} for state, why in refused],
            }
        )
        return
    for state, why in refused:
        print(f"{state.letter.id[:10]}  cannot be sent: {why}", file=sys.stderr)
    if messages:
        done = "to be discarded" if order.discard else "sent"
        print(f"{len(messages):,} {done}; `bus dlq list --all` shows what becomes of them")
