"""What the demo shows, on a terminal and without one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from adapters.demo import view
from adapters.demo.audit import Account, Audit
from adapters.demo.view import LiveView, PlainView, Row, Story, report, stories

ROWS = [
    Row("dukcapil/siak", 120, 0, 0, 0.0, 3, running=True, restarts=1),
    Row("dinsos/bansos", 2, 90, 28, 3.4, 0, running=True, restarts=0),
]
ACCOUNTS = (
    Account("a birth reaches aid", "children on the list", 30, 0, 0, 0, (100.0, 200.0, 900.0)),
    Account("bad rows", "births on 0000-00-00", 2, 0, 0, 0),
)
GOOD = Audit(ACCOUNTS, 90, 0, 3, 0, 0, (100.0, 200.0, 900.0))
BAD = Audit((Account("a birth reaches aid", "children on the list", 30, 1, 2, 0),), 89, 2, 3, 1, 0, ())


def terminal(width: int = 120, height: int = 40) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=True, width=width, height=height, color_system=None), text


def plain() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=120), text


def test_the_table_shows_events_lag_with_age_and_dead_letters() -> None:
    console, text = terminal()
    live = LiveView(console)
    live.tell("10.00 the database of Dinsos takes no writes")
    live.show(ROWS, stories(BAD))
    live.close()

    shown = text.getvalue()
    assert "restarted 1x" in shown
    assert [word.strip() for word in shown.rpartition("dinsos/bansos")[2].split("│")[1:7]] == [
        "2",
        "90",
        "28",
        "3.4 s",
        "0",
        "running",
    ]
    assert "10.00 the database of Dinsos takes no writes" in shown
    assert shown.rpartition("a birth reaches aid")[2].split()[:2] == ["30", "29"], "expected and arrived"


def picture(live: LiveView, console: Console) -> list[str]:
    """The lines that stand on the screen now."""
    return [line.rstrip() for line in "".join(each.text for each in console.render(live._picture())).splitlines()]


def test_on_a_small_screen_each_application_has_a_line_and_the_verdict_stays() -> None:
    console, _ = terminal(80, 24)
    names = [f"satpolpp/penertiban{number:02}" for number in range(11)]
    told = [Story(f"a flow of the city, number {number}, that citizens feel", 1_200, 1_200) for number in range(9)]
    live = LiveView(console)
    live.reopen(GOOD)
    live.show([Row(name, 1_200, 1_200, 0, 0.0, 3, running=True, restarts=1) for name in names], told)
    live.tell("something that has no room any more")
    live.tell("the bus stays up for `bus status`, `bus tail`, `bus dlq list` in a second terminal; Ctrl-C ends it")
    live.close()

    shown = picture(live, console)
    assert len(shown) == 24
    assert max(map(len, shown)) <= 80
    assert [line.split()[0] for line in shown[1:12]] == names
    assert all(line.endswith("restarted 1x") for line in shown[1:12])
    assert all(line.endswith("1200 of 1200") for line in shown[12:21])
    assert " ".join(shown[21:23]).endswith("in a second terminal; Ctrl-C ends it")
    assert shown[23] == "nothing lost, nothing applied twice"


def test_on_a_tiny_screen_stand_the_stories_that_are_under_way() -> None:
    console, _ = terminal(80, 6)
    live = LiveView(console)
    live.tell("the counters open")
    live.show(ROWS, [Story("done", 5, 5), Story("under way", 5, 3), Story("done too", 2, 2)])
    live.close()

    shown = picture(live, console)
    assert [line.split()[0] for line in shown[1:3]] == ["dukcapil/siak", "dinsos/bansos"]
    assert shown[3].split() == ["under", "way", "3", "of", "5"]
    assert shown[4].endswith("the counters open")


def test_what_happened_last_is_never_cut() -> None:
    console, _ = terminal(120, 40)
    live = LiveView(console)
    live.show(ROWS, stories(GOOD))
    live.tell("earlier " * 20 + "end")
    live.tell("later " * 30 + "end")
    live.close()

    shown = "\n".join(picture(live, console))
    assert shown.count("end") == 1
    assert shown.endswith("end")


def test_the_table_comes_back_after_the_audit() -> None:
    console, text = terminal()
    live = LiveView(console)
    live.close()
    report(console, GOOD, 2.5)
    before = len(text.getvalue())

    live.reopen(GOOD)
    live.show(ROWS, stories(BAD))
    live.close()

    shown = text.getvalue()[before:]
    assert "dinsos/bansos" in shown
    assert "nothing lost, nothing applied twice" in shown


def test_without_a_terminal_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "PLAIN_EVERY", 0.0)
    console, text = plain()
    lines = PlainView(console)
    lines.tell("something happens")
    lines.show(ROWS, stories(BAD))
    lines.show(ROWS, stories(BAD))
    lines.close()

    happened, sums = text.getvalue().splitlines()
    assert happened.endswith(" s  something happens")
    assert sums.endswith(" s  published 122, applied 90, waiting 28 (oldest 3.4 s), dead letters 3"), (
        "once: nothing changed"
    )


def test_a_report_without_faults() -> None:
    console, text = plain()
    report(console, GOOD, 2.5)

    shown = text.getvalue()
    assert "200 ms" in shown
    assert shown.index("a birth reaches aid") < shown.index("children on the list") < shown.index("bad rows")
    assert "median 200 ms, 99 in 100 within 900 ms" in shown
    assert "first event delivered after 2.5 s" in shown
    assert shown.rstrip().endswith("nothing lost, nothing applied twice")


def test_a_report_with_faults() -> None:
    console, text = plain()
    report(console, BAD, 2.5)

    shown = text.getvalue()
    assert "2 of them twice" in shown
    assert shown.rstrip().endswith("the audit found faults")
