"""The whole demo, as a person starts it: real processes, a real server, and an audit that can fail."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.demo.applications import BANSOS, GROUPS, PAJAK, Application
from adapters.demo.audit import audit
from adapters.demo.databases import connect

LETTERS = {
    ("dukcapil/siak", "source-kelahiran"): 1,
    ("dukcapil/siak", "source-kedatangan"): 1,
    ("dukcapil/siak", "source-penduduk"): 1,
    ("rsud/simrs", "source-kelahiran"): 1,
    ("kominfo/pengaduan", "source-laporan"): 1,
    ("bpbd/sensor", "source-sensor"): 1,
    ("bppkad/pajak", "source-bank"): 2,
}


@contextmanager
def demo(home: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`bus demo` with a home of its own; it is ended, at the latest, when the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "bus", "demo", *options],
        env={**os.environ, "BUS_HOME": str(home)},
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def processes_of(home: Path) -> list[int]:
    """The processes whose environment names a home below this one."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            environment = (path / "environ").read_bytes()
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if str(home).encode() in environment and state != "Z":
            found.append(int(path.name))
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str, str]:
    """A demo that has ended: its home, exit code, output and errors."""
    home = tmp_path_factory.mktemp("demo")
    with demo(home, "--once", "--json") as process:
        output, errors = process.communicate(timeout=110)
    return home, process.returncode, output, errors


@pytest.mark.xdist_group("demo_day")
@pytest.mark.timeout(180)
def test_a_day_in_which_nothing_is_lost_and_nothing_applied_twice(finished: tuple[Path, int, str, str]) -> None:
    home, code, output, errors = finished
    figures = json.loads(output.splitlines()[-1])

    assert code == 0, errors
    assert (figures["lost"], figures["duplicates_applied"], figures["unexpected"]) == (0, 0, 0)
    assert figures["dead_letters"] == sum(LETTERS.values())
    for name, counted in figures["flows"].items():
        assert counted["expected"] > 0, name
        assert (counted["lost"], counted["duplicates_applied"], counted["unexpected"]) == (0, 0, 0), name
    assert figures["emitted"] > 2_900
    assert figures["delivered"] > 2_400, "some events go to two applications"
    assert figures["applied"] > 2_300
    assert figures["follow_ups"] > 20
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]
    assert figures["seconds"] > 0
    for told in ("SIGKILL", "takes no writes", "is back", "withdrawn", "started again", "bad rows"):
        assert told in errors
    assert processes_of(home) == []


@pytest.mark.xdist_group("demo_day")
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("database", "statement", "lost", "twice"),
    [
        (PAJAK, "DELETE FROM calon_objek_pajak WHERE rowid = 1", 1, 0),
        (BANSOS, "UPDATE bus_kelahiran SET event_id = event_id WHERE rowid = 1", 0, 1),
    ],
    ids=["one target row deleted", "one event applied again"],
)
def test_the_audit_of_that_day_sees(
    finished: tuple[Path, int, str, str], tmp_path: Path, database: Application, statement: str, lost: int, twice: int
) -> None:
    shutil.copytree(finished[0] / "demo" / "1" / "applications", tmp_path / "applications")
    with connect(database.database(tmp_path)) as connection:
        assert connection.execute(statement).rowcount == 1

    found = audit(tmp_path / "applications", LETTERS)

    assert (found.ok, found.lost, found.duplicates_applied, found.unexpected) == (False, lost, twice, 0)


@pytest.mark.xdist_group("demo_day")
@pytest.mark.timeout(180)
def test_no_personal_data_in_the_logs(finished: tuple[Path, int, str, str]) -> None:
    home = finished[0] / "demo" / "1"
    with connect(home / "applications" / "siak.db") as connection:
        people = connection.execute("SELECT CAST(nik AS TEXT), nama FROM tweb_penduduk").fetchall()
    planted = people[0][0]
    logs = {path: path.read_text(encoding="utf-8") for path in [*home.glob("logs/*.log"), home / "bus.log"]}

    def found(texts: list[str]) -> list[str]:
        return [value for pair in people for value in pair if any(value in text for text in texts)]

    assert len(logs) == len(GROUPS) + 1
    assert planted in found([*logs.values(), f"planted {planted}"]), "what is there is found"
    assert found([*logs.values(), *finished[2:]]) == []


@pytest.mark.timeout(180)
def test_ctrl_c_in_the_middle_of_the_day_ends_everything(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "the counters open" in line:
                break
        assert len(processes_of(tmp_path)) > len(GROUPS)

        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)

        assert process.returncode == 130
        assert "Traceback" not in errors
        assert processes_of(tmp_path) == []


@pytest.mark.timeout(180)
def test_two_demos_at_once_have_homes_of_their_own_and_leave_no_orphans_when_killed(tmp_path: Path) -> None:
    with demo(tmp_path) as first, demo(tmp_path) as second:
        for process in (first, second):
            assert process.stdout is not None
            assert next(line for line in process.stdout if "the adapters start" in line)
        assert (tmp_path / "demo" / "1" / "applications" / "siak.db").exists()
        assert (tmp_path / "demo" / "2" / "applications" / "siak.db").exists()

    ends = time.monotonic() + 30
    while processes_of(tmp_path):
        assert time.monotonic() < ends, "a killed demo leaves nothing running"
        time.sleep(0.1)
