"""``bus where``: the way of one event, or of all events about one person or thing. Answered by the index alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bus.cli import running

if TYPE_CHECKING:
    from bus.config import Settings
    from bus.observability.index import Index
    from bus.observability.journey import Journey
    from bus.observability.rows import IndexedEvent


def where(
    context: typer.Context,
    event_id: Annotated[str | None, typer.Argument(help="An event's id, or its unique beginning.")] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KIND=VALUE", help="Everything about a key; KIND=- reads it from stdin."),
    ] = None,
    as_json: running.AsJson = False,
    home: running.Home = None,
) -> None:
    """Show where an event is, and who has applied it.

    Also who has not yet, and what followed from it.

    With --key it is everything about one person or thing, whoever published it. The value becomes a key token here, and
    is neither logged nor sent; with KIND=- it stands in no shell history either. Exit code 1: nothing was found.

    Examples:

      bus where 4f1c09

      bus where --key nop=357101000100100010

      bus where --key nik=- --json < nik.txt
    """
    running.run(context, _where, running.here(context, home), event_id, key, as_json)


async def _where(settings: Settings, event_id: str | None, key: str | None, as_json: bool) -> int:
    from bus.cli import asking
    from bus.errors import ConfigError

    if (event_id is None) == (key is None):
        raise ConfigError("name an event's id, or --key KIND=VALUE", hint="for example `bus where 4f1c09`")
    token = _token(settings, key) if key is not None else ""
    async with asking.indexed(settings) as index:
        if event_id is not None:
            return _event(index, event_id, as_json)
        return _key(index, token, as_json)


def _event(index: Index, beginning: str, as_json: bool) -> int:
    from bus.cli import output
    from bus.errors import ConfigError
    from bus.observability import journey

    ids = index.ids(beginning.strip().lower()) or index.ids(beginning.strip())
    if len(ids) > 1:
        shown = ", ".join(each[:16] for each in ids[:5])
        raise ConfigError(f"{len(ids)} events or more begin so: {shown} …", hint="write more of the id")
    event = index.event(ids[0]) if ids else None
    if event is None:
        return _nothing("no such event", as_json)
    found = journey.of(index, event)
    if as_json:
        output.document(_object(found))
    else:
        _describe(found)
    return 0


def _key(index: Index, token: str, as_json: bool) -> int:
    from bus.cli import output
    from bus.observability import journey

    found = [journey.of(index, each) for each in index.events_of_key(token)]
    if as_json:
        output.document({"token": token, "events": [_object(each) for each in found]})
        return 0 if found else running.FAULTS
    if not found:
        return _nothing(f"nothing is known about the key (token {token})", as_json)
    output.table(
        f"{output.counted(len(found), 'event')} about the key (token {token})",
        ["STORED", "EVENT TYPE", "PUBLISHER", "ID", "AS", "APPLIED BY", "NOT YET", "DEAD LETTERS"],
        [
            (
                output.moment(each.event.stored_ms),
                each.event.type,
                each.event.source,
                each.event.id[:12],
                "key" if each.event.token == token else "party",
                *(", ".join(_apps(each, standing)) for standing in ("applied", "not yet", "dead-letter")),
            )
            for each in found
        ],
    )
    return 0


def _nothing(text: str, as_json: bool) -> int:
    import sys

    if as_json:
        print("null")
    print(f"bus: {text} (what has just been stored is here a moment later)", file=sys.stderr)
    return running.FAULTS


def _describe(found: Journey) -> None:
    from bus.cli import output

    event = found.event
    print(f"event      {event.id}")
    print(f"type       {event.type}")
    print(f"publisher  {event.source}")
    print(f"stored     {output.moment(event.stored_ms)} ({output.age(event.stored_ms)} ago)")
    print(f"in         {event.stream}, sequence {event.sequence}")
    print(f"recorded   {event.time} at its source")
    print(f"key token  {event.token}")
    print(f"trace      {event.trace or '-'}" + (f" (follow-up number {event.hop})" if event.hop else ""))
    rows = [(s.app, s.consumer, s.standing, _delay(event, s.at)) for s in found.stations]
    if rows:
        output.table("Subscriptions", ["APPLICATION", "SUBSCRIPTION", "STANDING", "AFTER"], rows)
    else:
        print("nobody subscribes to it")
    for each in found.letters:
        state = f"{each.letter.app}, {each.letter.reason}: {each.state}"
        print(f"dead letter {each.letter.id[:10]}  {state}  (`bus dlq show {each.letter.id[:10]}`)")
    if found.follow_ups:
        rows = [(output.moment(e.stored_ms), e.type, e.source, e.id[:12]) for e in found.follow_ups]
        output.table("Followed by", ["STORED", "EVENT TYPE", "PUBLISHER", "ID"], rows)


def _apps(found: Journey, standing: str) -> list[str]:
    """The applications with a subscription that stands so."""
    return sorted({each.app for each in found.stations if each.standing == standing})


def _delay(event: IndexedEvent, at: str) -> str:
    from bus.cli import output

    moment = output.milliseconds(at)
    if moment is None:
        return "-"
    late = (moment - event.stored_ms) / 1000
    return f"{max(late, 0) * 1000:.0f} ms" if late < 1 else output.duration(late)


def _object(found: Journey) -> dict[str, Any]:
    from dataclasses import asdict

    from bus.cli import output

    event = found.event
    names = ("id", "type", "source", "stream", "sequence", "token", "time", "trace", "hop")
    return {
        **{name: getattr(event, name) for name in names},
        "stored": output.rfc3339(event.stored_ms),
        "stations": [asdict(each) for each in found.stations],
        "not_yet": _apps(found, "not yet"),
        "dead_letters": [{"id": each.letter.id, "app": each.letter.app, "state": each.state} for each in found.letters],
        "follow_ups": [{"id": e.id, "type": e.type, "source": e.source} for e in found.follow_ups],
    }


def _token(settings: Settings, key: str) -> str:
    """The token of ``KIND=VALUE``. Raises ConfigError, which never repeats the value."""
    import sys

    from bus.errors import ConfigError
    from bus.events import Catalogue
    from bus.events.registry import KeyTokens
    from bus.security.keys import load_entity_key

    kind, sign, value = key.partition("=")
    if not sign:
        raise ConfigError("--key is not KIND=VALUE", hint="for example --key nop=357101000100100010")
    catalogue = Catalogue.load()
    entities = {each.entity for each in catalogue.values()} | {
        entity for each in catalogue.values() for entity in each.parties.values()
    }
    if kind not in entities:
        raise ConfigError("no event type has this kind of key", hint=f"there is {', '.join(sorted(entities))}")
    given = sys.stdin.readline() if value == "-" else value
    return KeyTokens(load_entity_key(settings.entity_key_path))(kind, _normal(catalogue, kind, given.strip()))


def _normal(catalogue: Any, kind: str, value: str) -> object:
    """The value as the catalogue writes it: without the spaces and dots that people add. Raises ConfigError."""
    from typing import Annotated

    from pydantic import TypeAdapter, ValidationError

    from bus.errors import ConfigError
    from bus.events import reason

    for each in catalogue.values():
        if each.entity == kind:
            field = each.model.model_fields[each.key]
            adapter: TypeAdapter[object] = TypeAdapter(Annotated[(field.annotation, *field.metadata)])  # type: ignore[arg-type]
            try:
                return adapter.validate_python(value)
            except ValidationError as error:
                raise ConfigError(f"not a {kind}: {reason(error)}", where="--key") from None
    return value
