"""Pictures of a terminal: runs the demo in one, and draws what stands on its screen.

    uv run python -m tests.docs.terminal    renews the pictures of the README; needs tmux

A picture is SVG made by rich: text, no fonts or images from elsewhere.
"""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PICTURES = Path(__file__).parents[2] / "deploy" / "pictures"
DAY, AUDIT = PICTURES / "demo-day.svg", PICTURES / "demo-audit.svg"

COLUMNS, LINES = 112, 72
ASPECT = 0.602  #: width of a character by its height: DejaVu's, and nearly everybody's
EVERY = 0.5  #: seconds between two looks at the screen
PATIENCE = 180.0  #: seconds for a demo
ENDED = "demo ended with"

_FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, 'Liberation Mono', Consolas, monospace"
_CELL = 20 * ASPECT  #: rich's size of a character, by its shape
_LEADING = re.compile(
    r'x="(?P<x>[0-9.]+)" y="(?P<y>[0-9.]+)" textLength="(?P<length>[0-9.]+)"(?P<rest>[^>]*)>(?P<blanks>(?:&#160;)*)'
)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_WAITING = re.compile(r"│ +(\d+) │ +[0-9.]+ s │")


def main() -> int:
    """Renews both pictures; exit code 1 where the demo did not end well."""
    screens = list(_screens([str(Path(sys.executable).with_name("bus")), "demo", "--once"]))
    end = screens[-1]
    if f"{ENDED} 0" not in end:
        print(f"the demo failed; its last screen:\n{_COLOURS.sub('', end)}", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    DAY.write_text(picture(max((each for each in screens if "restarted" in each), key=_waiting)), encoding="utf-8")
    AUDIT.write_text(picture(end[_audit(end) : end.rindex(ENDED)]), encoding="utf-8")
    print(f"renewed {DAY.name} and {AUDIT.name}: look at them")
    return 0


def picture(screen: str) -> str:
    """An SVG of a screen with its colours."""
    text = Text.from_ansi(screen.rstrip())
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(text, soft_wrap=True)
    drawn = console.export_svg(title="bus demo", theme=MONOKAI, code_format=_format(), font_aspect_ratio=ASPECT)
    drawn = _LEADING.sub(_moved, drawn)
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def _moved(text: re.Match[str]) -> str:
    """A text that begins where its first visible character stands: some viewers drop blanks at the beginning.

    A browser without these fonts makes glyphs wider or narrower, so that lines still meet.
    """
    blanks = text["blanks"].count("&") * _CELL
    x, length = float(text["x"]) + blanks, float(text["length"]) - blanks
    return f'x="{x:g}" y="{text["y"]}" lengthAdjust="spacingAndGlyphs" textLength="{length:g}"{text["rest"]}>'


def _format() -> str:
    """Rich's own, without the fonts that it fetches from elsewhere."""
    own = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return re.sub(r"font-family: [^;]*;", f"font-family: {_FONTS};", own)


def _waiting(screen: str) -> int:
    """How many events wait, on a screen of the live view."""
    return sum(int(number) for number in _WAITING.findall(_COLOURS.sub("", screen)))


def _audit(screen: str) -> int:
    """Where the audit's report begins, with the colours of its heading."""
    found = re.search(r"^.*Audit:", screen, re.MULTILINE)
    if found is None:
        raise ValueError("no audit on this screen")
    return found.start()


def _screens(command: list[str]) -> Iterator[str]:
    """Runs a command in a terminal of its own, and yields what its screen shows until it has ended."""
    with tempfile.TemporaryDirectory(prefix="bus-picture-") as folder:
        socket = f"{folder}/tmux"
        line = f"BUS_HOME={shlex.quote(folder)}/home {shlex.join(command)}; echo {ENDED} $?; exec cat"
        size = ["-x", str(COLUMNS), "-y", str(LINES)]
        _tmux(socket, "-f", "/dev/null", "new-session", "-d", *size, f"TERM=screen-256color; {line}")
        try:
            ends = time.monotonic() + PATIENCE
            while time.monotonic() < ends:
                screen = _tmux(socket, "capture-pane", "-e", "-p", "-t", "0")
                yield screen
                if ENDED in screen:
                    return
                time.sleep(EVERY)
        finally:
            _tmux(socket, "kill-server")


def _tmux(socket: str, *arguments: str) -> str:
    command = ["tmux", "-S", socket, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
