"""A private OpenSSH server for SFTP: its user logs in with a key."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import ClassVar

from tests.servers.server import HOST, Server

SETTINGS = {
    "ListenAddress": HOST,
    "PidFile": "none",
    "StrictModes": "no",  # its keys lie in a folder below /tmp
    "UsePAM": "yes",  # without it an account that has no password counts as locked
    "UseDNS": "no",
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "MaxStartups": "100",
    "PrintMotd": "no",
    "Subsystem": "sftp internal-sftp",
}


def installed() -> Path | None:
    """The folder of the server's program; None where it is not installed."""
    found = which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    return Path(found).parent if found else None


@dataclass(frozen=True)
class SftpFolder:
    """A folder on a test server, which tests also see as ``path`` of this machine."""

    server: OpenSSH
    path: Path

    @property
    def url(self) -> str:
        """``sftp://user@127.0.0.1:port/…``."""
        return f"sftp://{self.server.user}@{HOST}:{self.server.port}{self.path}"

    @property
    def host_key(self) -> str:
        """The server's public key, as its owner hands it out: type and base64."""
        return " ".join((self.server.folder / "host.pub").read_text(encoding="ascii").split()[:2])

    @property
    def user_key(self) -> Path:
        """The private key with which the user logs in."""
        return self.server.folder / "user"

    @property
    def proofs(self) -> str:
        """Both as a contract's options."""
        return f'host_key = "{self.host_key}"\nuser_key = "file:{self.user_key}"'

    def own(self, path: Path) -> Path:
        """Hands what a test has made over to the server's user, as if it had been uploaded."""
        if os.geteuid() == 0:
            shutil.chown(path, self.server.user)
        return path


class OpenSSH(Server):
    """OpenSSH with one user, who may log in with a key and do SFTP."""

    scheme: ClassVar[str] = "sftp"
    account: ClassVar[str] = "nobody"
    gentle: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, programs: Path) -> None:
        super().__init__(programs)
        self.user = pwd.getpwuid(os.geteuid() if self._uid is None else self._uid).pw_name
        self._numbers = itertools.count(1)

    def initialise(self) -> None:
        for name in ("host", "user"):
            self.make_key(name)

    def make_key(self, name: str) -> None:
        """Makes a pair of keys, ``name`` and ``name``.pub, anew; the server has its own, ``host``, from a start on."""
        for path in (self.folder / name, self.folder / f"{name}.pub"):
            path.unlink(missing_ok=True)
        self.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self.folder / name)])

    def command(self) -> list[str]:
        settings = SETTINGS | {
            "Port": str(self.port),
            "HostKey": str(self.folder / "host"),
            "AuthorizedKeysFile": str(self.folder / "user.pub"),
        }
        config = self.folder / "config"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()), encoding="ascii")
        config.chmod(0o644)
        return [str(self.programs / "sshd"), "-D", "-e", "-f", str(config)]

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
        return False

    def create(self) -> SftpFolder:
        """A new, empty folder that the server's user owns."""
        path = self.folder / f"test-{next(self._numbers)}"
        path.mkdir()
        folder = SftpFolder(self, path)
        folder.own(path)
        return folder

    def clear(self) -> None:
        """Removes all folders that were made."""
        for path in self.folder.glob("test-*"):
            shutil.rmtree(path)

    def stop(self) -> None:
        self._end_with_sessions(self.gentle)

    def kill(self) -> None:
        self._end_with_sessions(signal.SIGKILL)

    def cut(self) -> None:
        """Kills the sessions alone: clients lose their connections, and may come again."""
        if self._process is not None:
            for session in list(_descendants(self._process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(session, signal.SIGKILL)

    def _end_with_sessions(self, ending: signal.Signals) -> None:
        """A listening sshd leaves its sessions behind when it goes."""
        sessions = list(_descendants(self._process.pid)) if self._process is not None else []
        self._end(ending)
        for session in sessions:
            with suppress(ProcessLookupError):
                os.kill(session, signal.SIGKILL)


def _descendants(pid: int) -> Iterator[int]:
    """The processes below one, children before their own."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            yield int(child)
            yield from _descendants(int(child))
