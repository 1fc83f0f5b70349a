"""What all commands promise: help, exit codes, one line for an error, a quick start, output that a script can read."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bus.cli import output, running
from bus.cli.main import app
from bus.errors import ConfigError, Unavailable
from bus.security import credentials, trust

COMMANDS = (
    ("demo",),
    ("up",),
    ("run",),
    ("check",),
    ("new", "adapter"),
    ("status",),
    ("tail",),
    ("where",),
    ("dlq", "list"),
    ("dlq", "show"),
    ("dlq", "redrive"),
    ("streams", "plan"),
    ("streams", "apply"),
    ("app", "credentials"),
    ("app", "revoke"),
    ("doctor",),
)


def bus(*arguments: str, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BUS_HOME": str(home), **more}
    return subprocess.run(
        [sys.executable, "-m", "bus", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    if command != ("demo",):
        assert f"bus {' '.join(command)}" in result.stdout.partition("Example")[2]


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = ("nats", "faststream", "pydantic", "sqlalchemy", "opentelemetry", "rich", "uvloop", "structlog")
    code = (
        "import sys\nfrom bus.cli.main import main\nsys.argv = ['bus', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n"
        f"    print(end.code, [name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
    assert "Exit codes:" in done.stdout


def test_an_error_is_one_line_and_a_traceback_only_with_debug(tmp_path: Path) -> None:
    quiet = bus("status", home=tmp_path)
    assert (quiet.returncode, quiet.stdout) == (3, "")
    assert quiet.stderr == f"bus: {tmp_path}: no bus runs here (start `bus up` or `bus demo`, or set BUS_NATS_URL)\n"
    loud = bus("--debug", "status", home=tmp_path)
    assert loud.returncode != 0
    assert "Traceback" in loud.stderr


def test_a_wrong_setting_and_a_wrong_option_are_for_a_person(tmp_path: Path) -> None:
    setting = bus("status", home=tmp_path, BUS_BATCH="0")
    assert setting.returncode == 2
    assert setting.stderr.startswith("bus: settings: BUS_BATCH")
    option = bus("status", "--nonsense", home=tmp_path)
    assert option.returncode == 2
    assert "No such option" in option.stderr
    assert "Traceback" not in option.stderr


def test_a_server_that_does_not_answer_is_exit_code_3(tmp_path: Path) -> None:
    credential = tmp_path / "none.creds"
    missing = bus("status", home=tmp_path, BUS_NATS_URL="nats://127.0.0.1:1", BUS_CREDENTIAL=str(credential))
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    assert "no such credential" in missing.stderr


def context() -> typer.Context:
    made = typer.Context(typer.main.get_command(app))
    made.obj = {"debug": False}
    return made


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), running.PERSON),
        (Unavailable("x"), running.UNAVAILABLE),
        (KeyboardInterrupt(), running.INTERRUPTED),
        (ZeroDivisionError("3571010101550001"), running.PERSON),
    ],
)
def test_exit_codes(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    async def failing() -> int:
        raise error

    with pytest.raises(typer.Exit) as ending:
        running.run(context(), failing)
    assert ending.value.exit_code == code
    assert "3571010101550001" not in capsys.readouterr().err


def test_an_unexpected_error_names_its_place_not_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    async def failing() -> int:
        return int("3571010101550001x")

    with pytest.raises(typer.Exit):
        running.run(context(), failing)
    assert "unexpected ValueError at test_commands.py:" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
async def test_ctrl_c_interrupts_any_command(tmp_path: Path) -> None:
    """A server that greets and then says nothing more: the command waits, and ends at once when it is told to."""
    greeted = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    trust.establish(tmp_path)
    credentials.issue(tmp_path, [])
    credential = credentials.path(tmp_path, credentials.Role.OPS)
    port = server.sockets[0].getsockname()[1]
    environment = {
        "BUS_HOME": str(tmp_path),
        "BUS_NATS_URL": f"nats://127.0.0.1:{port}",
        "BUS_CREDENTIAL": str(credential),
    }
    async with server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bus", "status"),
            env={**os.environ, **environment},
            stderr=asyncio.subprocess.PIPE,
        )
        await asyncio.wait_for(greeted.wait(), 30)
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == running.INTERRUPTED, errors
    assert b"Traceback" not in errors


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m bus doctor --home {tmp_path} | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("ok    python")
    assert "Error" not in done.stderr


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7_500, "2 h 5 min"),
        (349_200, "4 d 1 h"),
        (-3, "0 s"),
    ],
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (8 * 1024**3, "8.0 GiB"), (2**60, "1048576.0 TiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert output.size(count) == text


def test_times_are_those_of_the_clock_on_the_wall_and_utc_for_scripts() -> None:
    assert output.milliseconds("2026-01-31T08:00:00+07:00") == 1_769_821_200_000
    assert output.rfc3339(1_769_821_200_000) == "2026-01-31T01:00:00.000+00:00"
    assert output.rfc3339(None) is None
    assert output.moment(None) == "-"
    assert output.moment(1_769_821_200_000).startswith("2026-01-31 ")
    assert output.age(1_000, now=61.0) == "1 min"


@pytest.mark.parametrize(("seconds", "text"), [(59, "59 s"), (200, "3 min"), (7_500, "2 h"), (349_200, "4 d")])
def test_about_how_long_ago(seconds: int, text: str) -> None:
    assert output.about(0, now=float(seconds)) == text
    assert output.about(None) == "-"


@pytest.mark.parametrize(("count", "text"), [(0, "0 events"), (1, "1 event"), (2_000, "2,000 events")])
def test_counts(count: int, text: str) -> None:
    assert output.counted(count, "event") == text


def test_on_a_terminal_long_texts_go_below_their_row_and_ids_stay_whole(
    on_80_columns: None, capsys: pytest.CaptureFixture[str]
) -> None:
    name, text = "satpolpp/penertiban-ketertiban-umum-dan-perlindungan-masyarakat", "why it is so " * 10
    output.table("Title", ["APPLICATION", "#COUNT", "+WHERE", "+WHY"], [(name, 1_234, "here", text), (name, 1, "", "")])
    title, head, long, *rows = map(str.rstrip, capsys.readouterr().out.splitlines())
    assert (title, head.split(), long) == ("Title", ["APPLICATION", "COUNT"], "    WHERE · WHY")
    assert [line.split() for line in rows if name in line] == [[name, "1,234"], [name, "1"]]
    assert rows[1].startswith("    here · why it is so ")
    assert all(len(line) <= 80 for line in rows)


def test_on_a_terminal_a_table_that_fits_is_one(on_80_columns: None, capsys: pytest.CaptureFixture[str]) -> None:
    output.table("", ["ID", "+WHY", "STATE"], [("1cb6660e12", "why it is so " * 8, "open")])
    head, _, first, second, *_ = capsys.readouterr().out.splitlines()
    assert head.split() == ["ID", "WHY", "STATE"]
    assert first.split()[:2] == ["1cb6660e12", "why"]
    assert second.split()[0] in {"why", "it", "is", "so"}


def test_without_a_terminal_a_row_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.table("", ["NAME", "#COUNT"], [("x" * 200 + " [bold]", 1_234_567), (None, "")])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "x" * 200 + " [bold]" in lines[1]
    assert "1,234,567" in lines[1]
