"""``bus status``: how the applications stand, and to one application's owner what became of its data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bus.cli import running

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bus.cli.standing import City, Standing, Waiting
    from bus.config import Settings


SHOWN = 20  #: rejected rows that an owner is shown
SOURCE = "source-"  #: the place of a source begins so


def status(
    context: typer.Context,
    application: Annotated[str | None, typer.Argument(metavar="[OPD/APP]", help="Default: all of them.")] = None,
    as_json: running.AsJson = False,
    home: running.Home = None,
) -> None:
    """Show how the applications stand.

    Of one, what was read, published, applied and rejected.

    LAG is the age of the oldest event that an application has not applied yet, DEAD counts its dead letters.

    Examples:

      bus status

      bus status dukcapil/siak

      bus status --json | jq '.[] | select(.pending > 1000)'
    """
    running.run(context, _status, running.here(context, home), application, as_json)


async def _status(settings: Settings, application: str | None, as_json: bool) -> int:
    from bus.cli import asking, standing
    from bus.errors import ConfigError
    from bus.subjects import AppName

    wanted = str(AppName.parse(application)) if application else None
    async with asking.connected(settings) as connection, asking.indexed(settings, connection) as index:
        city = await standing.look(connection, index)
        if wanted is None:
            _all(city, as_json)
            return 0
        if wanted not in city.apps:
            raise ConfigError(
                "this bus knows no such application",
                where=wanted,
                hint=f"it knows {', '.join(city.apps) or 'none yet'}: those that have published or subscribe; "
                "for a new one start `bus up` again",
            )
        _one(city, city.of(wanted), as_json)
    return 0


def _all(city: City, as_json: bool) -> None:
    from bus.cli import output

    found = [city.of(app) for app in city.apps]
    if as_json:
        output.document([each.dump() for each in found])
        return
    output.table(
        "",
        ["APPLICATION", "#PUBLISHED", "LAST", "#APPLIED", "#DEAD", "#WAITING", "LAG", "#PID"],
        [
            (
                each.app,
                each.totals.published,
                output.about(each.totals.last_published_ms),
                each.totals.applied,
                each.totals.dead_letters,
                each.pending,
                output.about(each.oldest_ms),
                str(each.instance.pid) if each.instance else None,
            )
            for each in found
        ],
    )
    output.hanging((each.app, problem) for each in found for problem in each.problems)


def _one(city: City, found: Standing, as_json: bool) -> None:
    from bus.cli import output, standing

    published = city.index.last_of_types(found.app)
    applied = city.index.applied_by(found.app)
    receivers = standing.receivers(city, found.app)
    rejected = standing.rejected(city.index, found.app)
    if as_json:
        output.document(
            found.dump()
            | {
                "types": [{"type": name, "events": count, "last_ms": last} for name, count, last in published],
                "applied_by": [{"app": app, "outcome": outcome, "events": count} for app, outcome, count in applied],
                "receivers": [each.dump() for each in receivers],
                "rejected": [
                    {"id": each.letter.id, "place": each.letter.place, "where": each.letter.where}
                    | {"reason": each.letter.reason, "at_ms": each.letter.stored_ms, "state": each.state}
                    for each in rejected[:SHOWN]
                ],
            }
        )
        return
    _headline(found)
    _sources(found)
    _places(found)
    if published:
        rows = [(name, count, output.moment(last), output.age(last)) for name, count, last in published]
        output.table("Published", ["EVENT TYPE", "#EVENTS", "LAST", "AGO"], rows)
    _appliers(applied, receivers)
    if rejected:
        output.table(
            f"Rejected (the latest of {len(rejected):,}; `bus dlq show ID`)",
            ["AT", "+PLACE", "+WHERE", "+REASON", "ID", "STATE"],
            [
                (output.moment(it.stored_ms), it.place, it.where, it.reason, it.id[:10], each.state)
                for each in rejected[:SHOWN]
                for it in [each.letter]
            ],
        )


def _headline(found: Standing) -> None:
    from bus.cli import output

    who = found.instance
    says = f"active: process {who.pid}, heard {output.age(who.said_ms)} ago" if who else "no instance is running"
    print(f"{found.app}  {says}")
    if who:
        output.hanging(("  problem", problem) for problem in found.problems)


def _sources(found: Standing) -> None:
    """How far each source was read, what waits to be read, and its latest error."""
    from bus.cli import output, standing

    rows = [
        (
            place,
            says["position"],
            _to_read(says),
            output.age(output.milliseconds(says["oldest"])),
            output.age(output.milliseconds(says["last_problem_at"])),
            standing.without(found.app, place, says["last_problem"]),
        )
        for place, says in sorted((found.instance.places if found.instance else {}).items())
        if place.startswith(SOURCE)
    ]
    if rows:
        output.table("Sources", ["PLACE", "+READ UP TO", "#TO READ", "LAG", "LAST ERROR", "+WHAT"], rows)


def _to_read(says: Mapping[str, Any]) -> str | int | None:
    """How many records wait in a source: more may have come where an error has kept it from being read since."""
    waiting, unread = says["waiting"], says["problem"] and says["last_problem_at"] > says["last_read"]
    if unread and not waiting:
        return None
    return f"{waiting:,}+" if unread or says["or_more"] else waiting


def _places(found: Standing) -> None:
    """What the running instance says of its sources and subscriptions, and what waits for each."""
    from bus.cli import output

    places: dict[str, Any] = dict(found.instance.places) if found.instance else {}
    waiting: dict[str, list[Waiting]] = {}
    for each in found.waiting:
        waiting.setdefault(each.place, []).append(each)
    rows = []
    for place in sorted({*places, *waiting}):
        says, mine = places.get(place, {}), waiting.get(place, [])
        oldest = min((each.oldest_ms for each in mine if each.oldest_ms is not None), default=None)
        rows.append(
            (
                place,
                output.moment(output.milliseconds(says.get("last_read", ""))),
                output.moment(output.milliseconds(says.get("last_done", ""))),
                says.get("done", "-"),
                says.get("rejected", "-"),
                says.get("held", "-"),
                sum(each.events for each in mine) if mine else "-",
                output.age(oldest),
            )
        )
    if rows:
        columns = ["PLACE", "+LAST READ", "+LAST DONE", "#DONE", "#REJECTED", "#HELD", "#WAITING", "+LAG"]
        output.table("Sources and subscriptions (counts since the start)", columns, rows)


def _appliers(applied: list[tuple[str, str, int]], receivers: Any) -> None:
    from bus.cli import output

    counts: dict[str, dict[str, int]] = {}
    for app, outcome, count in applied:
        counts.setdefault(app, {})[outcome] = count
    late: dict[str, list[Any]] = {}
    for each in receivers:
        late.setdefault(each.app, []).append(each)
    rows = [
        (
            app,
            counts.get(app, {}).get("applied", 0),
            counts.get(app, {}).get("dead-letter", 0),
            sum(each.events for each in late.get(app, ())),
            output.age(min((each.oldest_ms for each in late.get(app, ()) if each.oldest_ms), default=None)),
        )
        for app in sorted({*counts, *late})
    ]
    if rows:
        columns = ["APPLICATION", "#APPLIED", "#DEAD LETTERS", "#NOT YET", "OLDEST"]
        output.table("Who has applied it, and who not yet", columns, rows)
