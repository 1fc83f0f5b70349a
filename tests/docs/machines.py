"""Three machines with a nats-server each, configured with the files of ``deploy/nats`` as the operators' guide says."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bus.server import find_binary

NAME = "bus.kediri.example"  #: the guide's name for all of them
AUTHORITY = "city-ca"


class Machines:
    """Three servers on loopback. ``ports`` are where clients connect."""

    def __init__(self, folder: Path, count: int = 3) -> None:
        self.folder = folder
        with ExitStack() as held:  # all at once, so that they differ
            free = [held.enter_context(socket.socket()) for _ in range(2 * count)]
            for each in free:
                each.bind(("127.0.0.1", 0))
            numbers = [each.getsockname()[1] for each in free]
        self.ports, self._routes = numbers[:count], numbers[count:]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def authority(self) -> Path:
        """The certificate of the city's authority."""
        return self.folder / f"{AUTHORITY}.pem"

    def place(self, number: int) -> Path:
        """What is /etc/nats on one of them."""
        return self.folder / f"machine-{number}"

    def configure(self, copied: Path) -> None:
        """Brings the three files to each machine and makes ``node.conf`` its own: name, ports, disk, certificate."""
        _certificate(self.folder)
        for number, port in enumerate(self.ports, 1):
            place = self.place(number)
            place.mkdir()
            for name in ("nats-server.conf", "trust.json", "node.conf"):
                (place / name).write_bytes((copied / name).read_bytes())
            for path in self.folder.glob("*.pem"):
                (place / path.name).write_bytes(path.read_bytes())
            (place / f"bus-{number}.pem").write_bytes((self.folder / "server.pem").read_bytes())
            (place / f"bus-{number}.key").write_bytes((self.folder / "server.key").read_bytes())
            own = (place / "node.conf").read_text(encoding="utf-8").replace("bus-1", f"bus-{number}")
            own = re.sub(r"routes: .*", f"routes: {[f'nats://127.0.0.1:{each}' for each in self._routes]}", own)
            for old, new in (
                ("'", '"'),
                ("0.0.0.0:4222", f"127.0.0.1:{port}"),
                ("0.0.0.0:6222", f"127.0.0.1:{self._routes[number - 1]}"),
                ("/var/lib/nats", f"{place}/disk"),
                ("/etc/nats", str(place)),
            ):
                own = own.replace(old, new)
            (place / "node.conf").write_text(own, encoding="utf-8")

    def start(self, number: int, command: Sequence[str]) -> None:
        """Starts the server of a machine."""
        with (self.place(number) / "log").open("ab") as log:
            self._processes[number] = subprocess.Popen(
                [str(find_binary()), *command[1:]], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def kill(self, number: int) -> None:
        """A machine without power."""
        process = self._processes.pop(number)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """Ends all of them."""
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            process.wait(timeout=20)
        self._processes.clear()

    def log(self) -> str:
        """What they say, for a failure."""
        return "\n".join(path.read_text(errors="replace")[-2_000:] for path in self.folder.glob("machine-*/log"))


def _certificate(folder: Path) -> None:
    """An authority and one certificate for all machines."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    ca, key, request = folder / f"{AUTHORITY}.pem", folder / f"{AUTHORITY}.key", folder / "request"
    extensions = folder / "extensions"
    extensions.write_text(
        f"subjectAltName=DNS:localhost,DNS:{NAME},IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n"
    )
    _openssl("req", "-x509", *curve, "-keyout", key, "-out", ca, "-subj", f"/CN={AUTHORITY}", "-days", "2")
    _openssl("req", *curve, "-keyout", folder / "server.key", "-out", request, "-subj", f"/CN={NAME}")
    signing = ["-CA", ca, "-CAkey", key, "-CAcreateserial", "-days", "2", "-extfile", extensions]
    _openssl("x509", "-req", "-in", request, *signing, "-out", folder / "server.pem")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)
