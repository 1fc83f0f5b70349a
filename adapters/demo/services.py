"""What the city has beside databases and folders: applications with an interface of their own, on ports of loopback.

They run in the demo's process, each over a database of its own that the audit looks into.
"""

from __future__ import annotations

import socket
from base64 import b64encode
from pathlib import Path
from secrets import token_bytes, token_urlsafe

from aiohttp import web

from adapters.demo.applications import EPUSKESMAS, PENGADUAN
from adapters.demo.desk import Desk, Secrets
from adapters.demo.puskesmas import Puskesmas
from adapters.demo.river import Broker

HOST = "127.0.0.1"


class Services:
    """The applications that are called over a network. Ports are free ones: two demos can run at once."""

    def __init__(self, home: Path) -> None:
        self._runners: list[web.AppRunner] = []
        self._served: list[tuple[web.Application, socket.socket]] = []
        key, secrets, webhook = token_urlsafe(), Secrets(_secret(), _secret()), _free()
        puskesmas = Puskesmas(EPUSKESMAS.database(home), key)
        desk = Desk(PENGADUAN.database(home), secrets, f"http://{webhook}/laporan")
        self.broker = _free()  #: where the rivers' posts send to
        self._broker = Broker(home, self.broker)
        #: what adapters are told of them
        self.made = {
            "puskesmas": self._serve(puskesmas.application()),
            "puskesmas_key": key,
            "desk": self._serve(desk.application()),
            "desk_secret": secrets.own,
            "bus_secret": secrets.bus,
            "webhook": webhook,
            "broker": self.broker,
        }

    def _serve(self, application: web.Application) -> str:
        """An address for an application; it is answered once they start."""
        listening = socket.create_server((HOST, 0))
        self._served.append((application, listening))
        return _address(listening)

    async def start(self) -> None:
        """Serves; what was asked for before waited. Raises Unavailable."""
        await self._broker.start()
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
        await self._broker.stop()


def _secret() -> str:
    """A key of Standard Webhooks."""
    return f"whsec_{b64encode(token_bytes(24)).decode()}"


def _free() -> str:
    """An address where nobody listens, for an adapter that will."""
    with socket.create_server((HOST, 0)) as listening:
        return _address(listening)


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()
    return f"{host}:{port}"
