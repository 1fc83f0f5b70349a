"""A server of a test run: starts, stops, dies and starts again, always on the same port."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.servers import guard

HOST = "127.0.0.1"
USER = PASSWORD = "bus"
START_TIMEOUT = 60.0  #: seconds; a busy machine needs some
START_ATTEMPTS = 50
STOP_TIMEOUT = 30.0
POLL = 0.02

Row = tuple[str, ...]


class ServerError(Exception):
    """A test server does not do what it should; the end of its log says why."""


@dataclass(frozen=True)
class Database:
    """One database on a test server. ``sql`` uses the server's own client, nothing of the bus and its drivers."""

    server: DatabaseServer
    name: str

    @property
    def url(self) -> str:
        """``postgresql://…`` or ``mariadb://…``, without a driver's name."""
        return self.server.url(self.name)

    def sql(self, text: str) -> list[Row]:
        """Runs statements and returns the rows of the results, values as text, NULL as ``NULL``. Raises ServerError."""
        return self.server.sql(text, self.name)

    def load(self, path: Path) -> None:
        """Runs a file of statements. Raises ServerError."""
        self.server.sql(path.read_text(encoding="utf-8"), self.name)


class Server(ABC):
    """What all kinds of server share; a kind says how its folder is made, started and asked.

    ``start`` after ``stop`` or ``kill`` finds the same data on the same port. Raises ServerError.
    """

    scheme: ClassVar[str]
    account: ClassVar[str]  #: the system user it runs as when the tests run as root; "": root
    gentle: ClassVar[signal.Signals]  #: stops it in order, without waiting for its clients

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix=f"bus-{self.scheme}-"))
        command = [sys.executable, "-S", "-E", guard.__file__, str(self.folder)]
        self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        self._uid: int | None
        self._gid: int | None
        self._uid, self._gid = _identity(self.account)
        if self._uid is not None:
            shutil.chown(self.folder, self._uid, self._gid)

    @abstractmethod
    def initialise(self) -> None:
        """Makes the data folder."""

    @abstractmethod
    def command(self) -> list[str]:
        """The server's command line, for ``self.port``."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server answers by now."""

    @property
    def running(self) -> bool:
        """Whether the server's process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts it, and returns when it answers. Does nothing where it runs."""
        if self.running:
            return
        fresh = self.port == 0
        if fresh:
            self.initialise()
        deadline = time.monotonic() + START_TIMEOUT
        for _ in range(START_ATTEMPTS):
            if fresh:
                self.port = free_port()  # another process may take it first: then the next attempt takes another
            self._spawn()
            while self.running:
                if self.answers():
                    return
                if time.monotonic() > deadline:
                    self.kill()
                    break
                time.sleep(POLL)
            time.sleep(POLL)  # after a kill, the children of the last one may hold its memory for a moment
        raise ServerError(f"{self.scheme} does not start:\n{self.log_end()}")

    def stop(self) -> None:
        """Ends it in order; clients lose their connections. Does nothing where it does not run."""
        self._end(self.gentle)

    def kill(self) -> None:
        """Ends it with SIGKILL, like a crash."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stops it for good and removes its folder."""
        self.stop()
        assert self._guard.stdin
        self._guard.stdin.close()
        self._guard.wait(STOP_TIMEOUT)

    def run(self, command: Sequence[str], *, text: str = "", environment: Mapping[str, str] | None = None) -> str:
        """Runs one of the server's programs as its user; returns what it prints. Raises ServerError."""
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env={**self._environment(), **(environment or {})},
            user=self._uid,
            group=self._gid,
            extra_groups=None if self._uid is None else [],
        )
        if done.returncode:
            raise ServerError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def log_end(self) -> str:
        """The last lines of the server's log."""
        log = self.folder / "log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else "(no log)"

    def _spawn(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self._environment(),
                start_new_session=True,
                user=self._uid,
                group=self._gid,
                extra_groups=None if self._uid is None else [],
            )
        (self.folder / guard.PID_FILE).write_text(str(self._process.pid), encoding="ascii")

    def _end(self, ending: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(ending)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise ServerError(f"{self.scheme} did not stop within {STOP_TIMEOUT:.0f} s:\n{self.log_end()}") from None
        finally:
            self._process = None
            (self.folder / guard.PID_FILE).unlink()

    def _environment(self) -> dict[str, str]:
        """A place of its own for temporary files: MariaDB servers that share one delete each other's."""
        return {"PATH": f"{self.programs}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TMPDIR": str(self.folder)}


class DatabaseServer(Server):
    """A server of databases, each test with its own."""

    def __init__(self, programs: Path) -> None:
        super().__init__(programs)
        self._numbers = itertools.count(1)
        self._databases: list[Database] = []

    @abstractmethod
    def ping(self) -> list[str]:
        """A command that ends with 0 where the server answers on the socket in its own folder."""

    @abstractmethod
    def sql(self, text: str, database: str = "") -> list[Row]:
        """Runs statements with the server's own client; ``database`` "" is the server's own."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Drops a database, whoever is still connected to it."""

    def answers(self) -> bool:
        return subprocess.run(self.ping(), capture_output=True, check=False, cwd=self.folder).returncode == 0

    def url(self, database: str) -> str:
        """The URL of a database."""
        return f"{self.scheme}://{USER}:{PASSWORD}@{HOST}:{self.port}/{database}"

    def create(self) -> Database:
        """A new, empty database; it is dropped when the test ends."""
        database = Database(self, f"test_{next(self._numbers)}")
        self.sql(f"CREATE DATABASE {database.name}")
        self._databases.append(database)
        return database

    def clear(self) -> None:
        """Drops all databases that were made; starts the server for it where a test left it stopped."""
        self.start()
        while self._databases:
            self.drop(self._databases.pop().name)


def _identity(account: str) -> tuple[int, int] | tuple[None, None]:
    """Root hands a server to its own user, since PostgreSQL refuses to run as root; anyone else keeps it."""
    if not account or os.geteuid() != 0:
        return None, None
    try:
        entry = pwd.getpwnam(account)
    except KeyError:
        entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def speaks_http(port: int) -> bool:
    """Whether whatever listens on a port of loopback answers a request of HTTP."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return connection.recv(4) == b"HTTP"
    return False


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
