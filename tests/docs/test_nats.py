"""A city's own servers: the configuration that is shown, started for real, as the operators' guide says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bus import config, platform, server
from bus.errors import Unavailable
from tests.docs.blocks import ROOT, block
from tests.docs.machines import NAME, Machines
from tests.docs.sandbox import Sandbox

GUIDE = "deploy/README.md"
LOKET = block("README.md", "app ").text
ROW = "no_transaksi;nop;tahun;jumlah;tanggal\nBJ-{0};357101000100501230;2026;185.000;15/03/2026\n"

PATIENCE = 90.0  #: seconds; a leader is missed for a while when a server dies

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def test_its_limits_are_those_of_the_embedded_server() -> None:
    text = (ROOT / "deploy/nats/nats-server.conf").read_text(encoding="utf-8")
    values = dict(re.findall(r"^ *(\w+): (\S+)", text, re.MULTILINE))
    sizes = {"MB": 1024**2, "KB": 1024}
    assert int(values["max_payload"][:-2]) * sizes[values["max_payload"][-2:]] == server.MAX_PAYLOAD
    assert int(values["max_control_line"][:-2]) * sizes[values["max_control_line"][-2:]] == server.MAX_CONTROL_LINE
    own = server.EmbeddedServer(Path("home"))._config({})
    assert values["sync_interval"] == own["jetstream"]["sync_interval"]
    assert values["type"] == own["resolver"]["type"]
    assert values["allow_delete"] == str(own["resolver"]["allow_delete"]).lower()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """Three machines, ended when the test is."""
    made = Machines(tmp_path / "machines")
    made.folder.mkdir()
    yield made
    made.stop()


@needs_openssl
@pytest.mark.timeout(300)
def test_a_cluster_is_set_up_as_the_guide_says(
    tmp_path: Path, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trust, three servers with TLS, streams; a department's machine with two files; one server dies; a revocation."""
    monkeypatch.setenv("SSL_CERT_FILE", str(machines.authority))
    office, administrator = Sandbox(tmp_path / "office"), Sandbox(tmp_path / "administrator")
    set_up(administrator, machines)

    # The department's own machine: the guide's two files, and nothing else of the administrator's.
    home = administrator.place("/var/lib/bus")
    office.within = tmp_path / "office/clone"
    contract = office.within / "adapters/departments/bppkad/loket"
    shutil.copytree(administrator.within / "adapters/departments/bppkad/loket", contract)
    for name in ("creds/bppkad.loket.creds", "keys/entity.key"):
        shutil.copy(home / name, office.within)
    office.run(block(GUIDE, "install -d -m 700 -o bus").text.replace("pajak", "loket"))
    configure(office, machines)
    assert sorted(path.name for path in office.place("/var/lib/bus").rglob("*") if path.is_file()) == sorted(
        ["bppkad.loket.creds", "entity.key"]
    )
    (contract / "masuk").mkdir()
    (contract / "masuk/1.csv").write_text(ROW.format(1))
    with adapter(office, contract) as log:
        until(lambda: published(administrator, machines) == 1, "the first row is published", log, machines)
        assert json.loads(administrator.run("bus status bppkad/loket --json 2>/dev/null"))
        machines.kill(1)
        (contract / "masuk/2.csv").write_text(ROW.format(2))
        until(lambda: published(administrator, machines) == 2, "one goes on while a server is away", log, machines)
        administrator.run("bus app revoke bppkad/loket")
        until(lambda: "the server refuses the credential" in log.read_text(), "it is refused", log, machines)
    administrator.run("bus app credentials bppkad/loket")
    shutil.copy(home / "creds/bppkad.loket.creds", office.place("/var/lib/bus/creds"))
    (contract / "masuk/3.csv").write_text(ROW.format(3))
    with adapter(office, contract) as log:
        until(lambda: published(administrator, machines) == 3, "a new credential is taken", log, machines)


def set_up(administrator: Sandbox, machines: Machines) -> None:
    """What the guide's administrator does."""
    administrator.within = administrator.folder / "clone"
    departments = administrator.within / "adapters/departments"
    shutil.copytree(ROOT / "adapters/departments", departments, ignore=shutil.ignore_patterns("__pycache__"))
    (departments / "bppkad/loket").mkdir()
    (departments / "bppkad/loket/adapter.toml").write_text(LOKET, encoding="utf-8")
    shutil.copytree(ROOT / "deploy", administrator.within / "deploy")
    administrator.environment["BUS_HOME"] = str(administrator.place("/var/lib/bus"))
    administrator.place("/etc").mkdir()
    administrator.place("/var/lib").mkdir(parents=True)
    administrator.run(block(GUIDE, "bus app credentials"))
    machines.configure(administrator.place("/etc/nats"))
    test, start = block(GUIDE, "nats-server -t").text.splitlines()
    for number in (1, 2, 3):
        at = str(machines.place(number))
        assert "is valid" in administrator.run(test.replace("/etc/nats", at))
        machines.start(number, shlex.split(start.replace("/etc/nats", at)))
    configure(administrator, machines)
    until(lambda: tells(administrator, "bus streams apply"), "JetStream is up", None, machines)
    assert "as the contracts say" in administrator.run(block(GUIDE, "bus streams plan     #"))
    assert "the running server knows" in administrator.run(block(GUIDE, "bus check"))


def configure(sandbox: Sandbox, machines: Machines) -> None:
    """Writes the guide's bus.toml."""
    text = sandbox.moved(block(GUIDE, "home     =").text)
    assert f"tls://{NAME}:4222" in text
    text = text.replace(f"tls://{NAME}:4222", url_of(machines))
    (sandbox.within / "bus.toml").write_text(text, encoding="utf-8")
    sandbox.environment.pop("BUS_HOME", None)


@contextmanager
def adapter(office: Sandbox, contract: Path) -> Iterator[Path]:
    """`bus run` on the department's machine; yields its log."""
    log = office.folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("bus")), "run", str(contract)],
            cwd=office.within,
            env={**os.environ, **office.environment, "BUS_LOG_FORMAT": "json"},
            stdout=output,
            stderr=output,
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(timeout=30)


def published(administrator: Sandbox, machines: Machines) -> int:
    """How many events of the department the servers hold; -1 where they do not answer yet."""
    settings = config.load(home=administrator.place("/var/lib/bus"), nats_url=url_of(machines))

    async def ask() -> int:
        async with platform.administrator(settings, url_of(machines)) as connection:
            request = {"subjects_filter": "opd.bppkad.loket.pajak.>"}
            reply = await connection.api("STREAM.INFO.OPD_BPPKAD", request)
            return sum((reply["state"].get("subjects") or {}).values())

    try:
        return asyncio.run(ask())
    except Unavailable:
        return -1


def url_of(machines: Machines) -> str:
    """Stands for the guide's name of all servers, which leads to one that is up: the first one is killed."""
    return f"tls://localhost:{machines.ports[1]}"


def tells(administrator: Sandbox, command: str) -> bool:
    """Whether a command succeeds."""
    try:
        administrator.run(command)
    except AssertionError:
        return False
    return True


def until(condition: Callable[[], bool], what: str, log: Path | None, machines: Machines) -> None:
    """Waits for a condition; fails with what was waited for and the logs."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        said = log.read_text(errors="replace")[-2_000:] if log else ""
        assert time.monotonic() < ends, f"{what}: not within {PATIENCE:g} s\n{said}\n{machines.log()}"
        time.sleep(0.2)
