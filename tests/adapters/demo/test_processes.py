"""Adapter processes: started again when they die, stopped in order, and gone when the demo is gone."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.demo import processes
from adapters.demo.processes import Adapter

# A stand-in for `bus run`: writes its process id, then what its contract's name says.
PROGRAM = """
import os, pathlib, signal, sys, time
path = pathlib.Path(sys.argv[1])
with path.with_suffix(".pids").open("a") as pids:
    pids.write(f"{os.getpid()}\\n")
path.with_suffix(".env").write_text("\\n".join(sorted(os.environ)))
if path.stem == "broken":
    sys.exit(2)
if path.stem == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
path.with_suffix(".ready").touch()
time.sleep(600)
"""
# A demo of one adapter, to be killed.
PARENT = """
import asyncio, pathlib, sys
from adapters.demo import processes
processes.COMMAND = (sys.executable, sys.argv[1])
adapter = processes.Adapter("a/b", [pathlib.Path(sys.argv[2])], {}, pathlib.Path(sys.argv[2] + ".log"))
async def main():
    await adapter.start()
    await asyncio.sleep(600)
asyncio.run(main())
"""

Starting = Callable[[str], Adapter]


@pytest.fixture
def adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starting:
    """Makes an adapter of that name that runs the stand-in."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, str(program)))
    monkeypatch.setattr(processes, "RESTART_PAUSE", 0.01)
    monkeypatch.setattr(processes, "STOP_TIMEOUT", 0.5)
    return lambda name: Adapter("opd/app", [tmp_path / name], {"BUS_HOME": "here"}, tmp_path / f"{name}.log")


def pids(adapter: Adapter) -> list[int]:
    path = adapter.contracts[0].with_suffix(".pids")
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def until(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait, condition)


async def test_a_killed_adapter_is_started_again(adapter: Starting) -> None:
    told: list[str] = []
    working = adapter("fine")
    await working.start()
    supervising = asyncio.create_task(working.supervise(told.append))
    await until(lambda: len(pids(working)) == 1)

    working.kill()
    await until(lambda: len(pids(working)) == 2)

    assert (working.running, working.restarts, working.failures) == (True, 1, 0)
    assert told == ["opd/app is started again"]
    await working.stop()
    await supervising
    assert not working.running
    assert not any(alive(pid) for pid in pids(working))


async def test_an_adapter_that_ends_by_itself_again_and_again_is_given_up(adapter: Starting) -> None:
    told: list[str] = []
    broken = adapter("broken")
    await broken.start()

    await broken.supervise(told.append)

    assert len(pids(broken)) == processes.MAX_FAILURES + 1
    assert told[-1] == f"opd/app ends again and again (code 2); see {broken.log}"
    await broken.stop()


async def test_an_adapter_that_does_not_stop_is_killed(adapter: Starting) -> None:
    deaf = adapter("deaf")
    await deaf.start()
    supervising = asyncio.create_task(deaf.supervise(print))
    await until(deaf.contracts[0].with_suffix(".ready").exists)

    await deaf.stop()
    await supervising

    assert not alive(pids(deaf)[0])


async def test_no_setting_of_the_caller_reaches_an_adapter(adapter: Starting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUS_NATS_URL", "nats://elsewhere")
    working = adapter("fine")
    await working.start()
    await until(working.contracts[0].with_suffix(".ready").exists)

    names = working.contracts[0].with_suffix(".env").read_text().split()

    assert [name for name in names if name.startswith("BUS_")] == ["BUS_HOME"]
    await working.stop()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child that its parent died")
def test_adapters_die_with_a_demo_that_is_killed(adapter: Starting) -> None:
    orphan = adapter("orphan")
    program = str(orphan.contracts[0].with_name("program.py"))
    parent = subprocess.Popen([sys.executable, "-c", PARENT, program, str(orphan.contracts[0])], env={**os.environ})
    try:
        wait(lambda: len(pids(orphan)) == 1)
        parent.kill()
        parent.wait()
        wait(lambda: not alive(pids(orphan)[0]))
    finally:
        parent.kill()
        parent.wait()


def wait(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.02)
