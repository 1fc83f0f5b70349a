"""What the demo shows: a live table on a terminal, plain lines elsewhere, and the audit's report at the end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from adapters.demo.audit import Audit, percentile

LINES = 6  #: of what happened last
FRAMES = 9  #: lines of titles and frames
WIDE = 100  #: columns that the table of applications needs, with its frame
PLAIN_WIDTH = 120  #: characters where there is no terminal
PLAIN_EVERY = 5.0  #: seconds between two lines of progress where there is no terminal


@dataclass(frozen=True)
class Row:
    """One application as it stands now. Ages are seconds."""

    name: str
    published: int
    applied: int
    waiting: int
    oldest: float
    dead_letters: int
    running: bool
    restarts: int


@dataclass(frozen=True)
class Story:
    """What a citizen would call a flow, or several: how many rows it means by now, and how many have arrived."""

    name: str
    expected: int
    arrived: int


def stories(audit: Audit) -> list[Story]:
    """An audit summed up, in its order."""
    sums: dict[str, tuple[int, int]] = {}
    for each in audit.accounts:
        expected, arrived = sums.get(each.story, (0, 0))
        sums[each.story] = expected + each.expected, arrived + each.expected - each.missing
    return [Story(name, *counted) for name, counted in sums.items()]


class View(Protocol):
    """Shows what happens."""

    live: bool  #: whether it shows the stories while they go on

    def tell(self, what: str) -> None:
        """Something happens now."""

    def show(self, rows: Sequence[Row], told: Sequence[Story]) -> None:
        """The applications and what citizens feel, as they stand."""

    def close(self) -> None:
        """Nothing more will happen, or not before it is opened again."""

    def reopen(self, found: Audit) -> None:
        """Something will happen again, after an audit."""


class PlainView:
    """One line for what happens, and one of progress now and then: for pipes, logs and CI."""

    live = False

    def __init__(self, console: Console) -> None:
        self._console, self._started = console, time.monotonic()
        self._shown, self._last = self._started, ""

    def tell(self, what: str) -> None:
        """Prints it with the seconds since the demo began."""
        self._console.print(f"{time.monotonic() - self._started:5.1f} s  {what}", highlight=False, soft_wrap=True)

    def show(self, rows: Sequence[Row], told: Sequence[Story]) -> None:
        """Prints sums, if they are others than the last ones, and these are old."""
        if time.monotonic() - self._shown < PLAIN_EVERY:
            return
        waiting = sum(row.waiting for row in rows)
        sums = (
            f"published {sum(row.published for row in rows)}, applied {sum(row.applied for row in rows)}, "
            f"waiting {waiting}{f' (oldest {max(row.oldest for row in rows):.1f} s)' if waiting else ''}, "
            f"dead letters {sum(row.dead_letters for row in rows)}"
        )
        if sums != self._last:
            self._shown, self._last = time.monotonic(), sums
            self.tell(sums)

    def close(self) -> None:
        """Nothing is open."""

    def reopen(self, found: Audit) -> None:
        """Nothing was closed."""


class LiveView:
    """Tables that keep up: the applications, what citizens feel; and what happened last below them."""

    live = True

    def __init__(self, console: Console) -> None:
        self._console, self._started = console, time.monotonic()
        self._told: deque[str] = deque(maxlen=LINES)
        self._rows: Sequence[Row] = ()
        self._stories: Sequence[Story] = ()
        self._verdict: Sequence[Text] = ()
        self._open()

    def tell(self, what: str) -> None:
        """Adds it below the table."""
        self._told.append(f"{time.monotonic() - self._started:5.1f} s  {what}")
        self._live.update(self._picture())

    def show(self, rows: Sequence[Row], told: Sequence[Story]) -> None:
        """Brings the tables up to date."""
        self._rows, self._stories = rows, told
        self._live.update(self._picture())

    def close(self) -> None:
        """Leaves the last picture on the screen."""
        self._live.stop()

    def reopen(self, found: Audit) -> None:
        """Begins a new picture below what was printed meanwhile: what the audit has found stays in sight."""
        self._told.clear()
        self._verdict = [_verdict(found)]
        self._open()

    def _open(self) -> None:
        self._live = Live(self._picture(), console=self._console, refresh_per_second=4)
        self._live.start()

    def _picture(self) -> Group:
        room = self._console.height - len(self._stories) - LINES - FRAMES
        if len(self._rows) > room or self._console.width < WIDE:
            return self._small()
        table = Table(title="Kota Kediri", title_justify="left", expand=False)
        return Group(self._applications(table), self._flows(), *self._earlier(), *self._last(), *self._verdict)

    def _small(self) -> Group:
        """A line for each application; the stories under way alone, where there is no room for all."""
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        below = [*self._last(), *self._verdict]
        room = max(0, self._console.height - len(self._rows) - 1 - len(below))
        behind = [each for each in self._stories if each.arrived < each.expected]
        told = self._stories if len(self._stories) <= room else behind[:room]
        stories = Table.grid(padding=(0, 2, 0, 0))
        stories.add_column(no_wrap=True)
        for each in told:
            stories.add_row(each.name, Text(f"{each.arrived} of {each.expected}", _color(each)))
        earlier = deque(self._earlier(), maxlen=room - len(told))
        return Group(self._applications(table), stories, *earlier, *below)

    def _earlier(self) -> list[Text]:
        return [Text(line, no_wrap=True, overflow="ellipsis") for line in list(self._told)[:-1]]

    def _last(self) -> list[Text]:
        """What happened last, in full: the lines that it takes."""
        return [line for each in list(self._told)[-1:] for line in Text(each).wrap(self._console, self._console.width)]

    def _flows(self) -> Table:
        table = Table(box=box.SIMPLE, expand=False, show_edge=False)
        for name in ("what citizens feel", "expected", "arrived"):
            table.add_column(name, justify="left" if name.startswith("what") else "right")
        for each in self._stories:
            table.add_row(each.name, str(each.expected), Text(str(each.arrived), _color(each)))
        return table

    def _applications(self, table: Table) -> Table:
        """A table with all of them."""
        for name in ("application", "published", "applied", "waiting", "oldest", "dead letters", "adapter"):
            table.add_column(name, justify="left" if name in {"application", "adapter"} else "right", no_wrap=True)
        for row in self._rows:
            restarted = Text(f"restarted {row.restarts}x", "yellow") if row.restarts else Text("running", "green")
            table.add_row(
                row.name,
                str(row.published),
                str(row.applied),
                Text(str(row.waiting), "yellow" if row.waiting else ""),
                f"{row.oldest:.1f} s" if row.waiting else "",
                Text(str(row.dead_letters), "red" if row.dead_letters else ""),
                restarted if row.running else Text("down", "bold red"),
            )
        return table


def _color(story: Story) -> str:
    return "yellow" if story.arrived < story.expected else "green"


def _verdict(found: Audit) -> Text:
    if found.ok:
        return Text("nothing lost, nothing applied twice", "green")
    return Text("the audit found faults", "bold red")


def view(as_json: bool) -> tuple[Console, View]:
    """The console and the view for it: standard error where standard output is for a script."""
    console = Console(stderr=as_json)
    if console.is_terminal:
        return console, LiveView(console)
    console.width = PLAIN_WIDTH
    return console, PlainView(console)


def report(console: Console, audit: Audit, first: float) -> None:
    """Prints the audit. ``first`` is when the first event arrived, seconds after the start."""
    table = Table(title="Audit: both ends compared by SQL", title_justify="left")
    for name in ("flow", "expected", "lost", "twice", "unexpected", "median"):
        table.add_column(name, justify="left" if name == "flow" else "right")
    for story, accounts in groupby(audit.accounts, lambda each: each.story):
        table.add_row(story, style="bold")
        for each in accounts:
            style = "bold red" if each.missing or each.twice or each.unexpected else ""
            median = f"{percentile(each.latencies, 0.5):.0f} ms" if each.latencies else ""
            counted = (each.expected, each.missing, each.twice, each.unexpected)
            table.add_row(f"  {each.name}", *map(str, counted), median, style=style)
    console.print(table)
    console.print(
        f"{audit.applied} applications of events to rows, {audit.duplicates_applied} of them twice; "
        f"{audit.dead_letters} dead letters; first event delivered after {first:.1f} s",
        highlight=False,
    )
    console.print(
        f"from row to row: median {audit.percentile(0.5):.0f} ms, 99 in 100 within {audit.percentile(0.99):.0f} ms "
        "(what waited for the database of Dinsos and for the killed adapter included)",
        highlight=False,
    )
    console.print(_verdict(audit))
