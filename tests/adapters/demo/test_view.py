"""What the demo shows, on a terminal and without one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from adapters.demo import view
from adapters.demo.audit import Account, Audit
from adapters.demo.view import LiveView, PlainView, Row, report, stories

ROWS = [
    Row("dukcapil/siak", 120, 0, 0, 0.0, 3, running=False, restarts=1),
    Row("dinsos/bansos", 2, 90, 28, 3.4, 0, running=True, restarts=0),
]
ACCOUNTS = (
    Account("a birth reaches aid", "children on the list", 30, 0, 0, 0, (100.0, 200.0, 900.0)),
    Account("bad rows", "births on 0000-00-00", 2, 0, 0, 0),
)
GOOD = Audit(ACCOUNTS, 90, 0, 3, 0, 0, (100.0, 200.0, 900.0))
BAD = Audit((Account("a birth reaches aid", "children on the list", 30, 1, 2, 0),), 89, 2, 3, 1, 0, ())


def terminal() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=True, width=120, height=40, color_system=None), text


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
    assert "down, restarted 1x" in shown
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


def test_on_a_small_screen_stand_the_applications_with_which_something_is_the_matter() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=120, height=17, color_system=None)
    live = LiveView(console)
    live.show([*ROWS, Row("bppkad/pajak", 2, 2, 0, 0.0, 0, running=True, restarts=0)], stories(BAD))
    live.close()

    last = text.getvalue().rpartition("Kota Kediri")[2]
    assert ("dukcapil/siak" in last, "dinsos/bansos" in last, "bppkad/pajak" in last) == (True, True, False)


def test_the_table_comes_back_after_the_audit() -> None:
    console, text = terminal()
    live = LiveView(console)
    live.close()
    report(console, GOOD, 2.5)
    before = len(text.getvalue())

    live.reopen()
    live.show(ROWS, stories(BAD))
    live.close()

    assert "dinsos/bansos" in text.getvalue()[before:]


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
