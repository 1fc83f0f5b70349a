"""uvicorn in a process of its own, with an application of the tests in it."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.servers.server import HOST

APPLICATION = "tests.adapters.connectors.http_application:app"
FHIR = "tests.adapters.connectors.fhir_application:app"


class HttpServer:
    """The running application, and what a test does to it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}"

    async def control(self, what: str, given: Any = None) -> dict[str, Any]:
        """Does something to the application, past everything that stands between it and the bus; returns what it
        has seen.
        """
        return await asyncio.to_thread(self.control_now, what, given)

    def control_now(self, what: str, given: Any = None) -> dict[str, Any]:
        """The same, where nothing else must run meanwhile."""
        body = json.dumps(given).encode()
        request = urllib.request.Request(f"{self.url}/kendali/{what}", data=body, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            seen: dict[str, Any] = json.load(answer)
        return seen


@contextmanager
def serving(application: str = APPLICATION) -> Iterator[HttpServer]:
    """An application on a free port of loopback."""
    with socket.create_server((HOST, 0), backlog=512) as listening:
        # uvicorn does not know a socket that it is given for one of TCP: a small answer would wait 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        command = [sys.executable, "-m", "uvicorn", application, "--log-level", "error", "--no-access-log"]
        command += ["--timeout-graceful-shutdown", "1"]
        process = subprocess.Popen(
            [*command, "--fd", str(listening.fileno())], pass_fds=(listening.fileno(),), stdin=subprocess.DEVNULL
        )
        port = listening.getsockname()[1]
        try:
            # Connections wait in the backlog until it has started.
            yield HttpServer(port)
        finally:
            process.terminate()
            process.wait(timeout=30)
