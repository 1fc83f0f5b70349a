"""What the city has beside databases and folders: applications with an interface of their own, on ports of loopback.

They run in the demo's process, each over a database of its own that the audit looks into.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from secrets import token_urlsafe

from aiohttp import web

from adapters.demo.applications import EPUSKESMAS
from adapters.demo.puskesmas import Puskesmas

HOST = "127.0.0.1"


class Services:
    """The applications that are called over a network. Ports are free ones: two demos can run at once."""

    def __init__(self, home: Path) -> None:
        self._runners: list[web.AppRunner] = []
        key = token_urlsafe()
        puskesmas = Puskesmas(EPUSKESMAS.database(home), key)
        self._served = [(puskesmas.application(), socket.create_server((HOST, 0)))]
        #: what adapters are told of them
        self.made: Mapping[str, str] = {"puskesmas": _address(self._served[0][1]), "puskesmas_key": key}

    async def start(self) -> None:
        """Serves; what was asked for before waited."""
        for application, listening in self._served:
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
            self._runners.append(runner)
            await runner.setup()
            await web.SockSite(runner, listening).start()

    async def stop(self) -> None:
        """Ends them all."""
        for runner in self._runners:
            await runner.cleanup()
        for _, listening in self._served:
            listening.close()


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()
    return f"{host}:{port}"
