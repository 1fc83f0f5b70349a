"""``bus dlq list`` and ``bus dlq show``: dead letters, without the values in them unless somebody asks for these."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bus.cli import redriving, running

if TYPE_CHECKING:
    from bus.config import Settings
    from bus.delivery.dead_letters import DeadLetter
    from bus.observability.rows import LetterState

dlq = typer.Typer(help="What could not be mapped or applied.", no_args_is_help=True, rich_markup_mode=None)
dlq.command("redrive")(redriving.redrive)


@dlq.command("list")
def list_(
    context: typer.Context,
    app: redriving.App = None,
    place: redriving.Place = None,
    everything: Annotated[
        bool, typer.Option("--all/--open", help="Also those that are applied, read again, discarded or came back.")
    ] = False,
    limit: Annotated[int, typer.Option(help="How many, the latest; 0: all. (--json: always all.)", min=0)] = 50,
    as_json: running.AsJson = False,
    home: running.Home = None,
) -> None:
    """List dead letters: when, whose, where, why, and what has become of them.

    States: open; redriven (sent again, nothing known yet); applied; read-again (a record, read once more); discarded;
    back (refused again, as another dead letter).

    Examples:

      bus dlq list

      bus dlq list --app dinsos/bansos --all

      bus dlq list --json | jq -r '.[].id'
    """
    running.run(context, _list, running.here(context, home), (app, place, everything), limit, as_json)


@dlq.command("show")
def show(
    context: typer.Context,
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="A dead letter's id, or its unique beginning.")],
    values: Annotated[
        bool, typer.Option("--values", help="Also the columns or the body: PERSONAL DATA goes to the terminal.")
    ] = False,
    as_json: running.AsJson = False,
    home: running.Home = None,
) -> None:
    """Show one dead letter: why it was refused, where it comes from, and what has become of it.

    Examples:

      bus dlq show 1cb6660e

      bus dlq show 1cb6660e --values
    """
    running.run(context, _show, running.here(context, home), letter_id, values, as_json)


def dump(state: LetterState) -> dict[str, Any]:
    """A dead letter for a script, without values."""
    from dataclasses import asdict

    from bus.cli import output

    letter = asdict(state.letter)
    stored_ms = letter.pop("stored_ms")
    sent = state.redrive and {
        "at": output.rfc3339(state.redrive.stored_ms),
        "author": state.redrive.author,
        "reason": state.redrive.reason,
        "discard": bool(state.redrive.discard),
    }
    return letter | {
        "stored": output.rfc3339(stored_ms),
        "state": state.state,
        "redrive": sent,
        "came_back": state.came_back or None,
    }


async def _list(settings: Settings, wanted: tuple[str | None, str | None, bool], limit: int, as_json: bool) -> int:
    from bus.cli import asking, output
    from bus.observability.rows import UNDECIDED

    app, place, everything = wanted
    async with asking.indexed(settings) as index:
        found = redriving.select(index, app, place)
    shown = [each for each in found if everything or each.state in UNDECIDED]
    if as_json:
        output.document([dump(each) for each in shown])
        return 0
    latest = shown[-limit:] if limit else shown
    output.table(
        "",
        ["ID", "AT", "AGE", "APPLICATION", "+PLACE", "+WHERE", "+REASON", "STATE"],
        [
            (
                each.letter.id[:10],
                output.moment(each.letter.stored_ms),
                output.about(each.letter.stored_ms),
                each.letter.app,
                each.letter.place,
                each.letter.where,
                each.letter.reason,
                _state(each),
            )
            for each in latest
        ],
    )
    rest = f", {len(shown) - len(latest):,} older ones with --limit 0" if len(latest) < len(shown) else ""
    counts = Counter(each.state for each in shown)
    states = ", ".join(f"{counts[state]:,} {state}" for state in sorted(counts))
    print(f"{output.counted(len(shown), 'dead letter')}{f' ({states})' if states else ''}{rest}")
    return 0


def _state(state: LetterState) -> str:
    if state.state == "back":
        return f"back as {state.came_back[:10]}"
    if state.redrive and state.state == "redriven":
        return f"redriven by {state.redrive.author}"
    return state.state


async def _show(settings: Settings, letter_id: str, values: bool, as_json: bool) -> int:
    from bus.cli import asking, output

    async with asking.indexed(settings) as index:
        state = redriving.one(index, letter_id)
        stored: DeadLetter | None = None
        if values:
            async with asking.connected(settings) as connection:
                stored = await redriving.stored(connection, state)
        if as_json:
            output.document(dump(state) | (_values(stored) if stored else {}))
        else:
            _print(state, stored)
    return 0


def _print(state: LetterState, stored: DeadLetter | None) -> None:
    from bus.cli import output
    from bus.observability.rows import UNDECIDED

    letter = state.letter
    lines = {
        "dead letter": f"{letter.id} ({letter.kind})",
        "application": letter.app,
        "place": letter.place,
        "where": letter.where,
        "at": f"{output.moment(letter.stored_ms)} ({output.age(letter.stored_ms)} ago)",
        "reason": letter.reason,
        "code": f"{letter.code}, after {letter.attempts} attempt{'s' if letter.attempts > 1 else ''}",
        "event": f"{letter.event_id} {letter.event_type}".strip(),
        "trace": letter.trace,
        "comes from": letter.again,
        "state": _state(state),
    }
    if state.redrive:
        sent = state.redrive
        lines["redriven"] = f"{output.moment(sent.stored_ms)} by {sent.author}: {sent.reason}"
    for name, text in lines.items():
        if text:
            print(f"{name:<12} {text}")
    if stored is not None:
        print(json.dumps(_values(stored), indent=2, ensure_ascii=False, default=str))
    elif state.state in UNDECIDED:
        print(f"\nbus dlq redrive {letter.id[:10]} --reason '…'   sends it again")


def _values(stored: DeadLetter) -> dict[str, Any]:
    """What a dead letter carries: a record's key and columns, or an event's body."""
    if stored.kind == "record":
        return {"key": stored.key, "columns": dict(stored.columns)}
    if not stored.body:
        return {"body": None, "size": stored.size, "hash": stored.hash}
    try:
        return {"body": json.loads(stored.data)}
    except ValueError:
        return {"body": stored.data.decode(errors="replace")}
