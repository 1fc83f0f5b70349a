"""An application that is served by uvicorn, as the conformance suites see it: behind a door that can be shut."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from tests.adapters.connectors.http_application import API_KEY, CLIENT, CLIENT_SECRET, PASSWORD, USER
from tests.adapters.connectors.http_server import HttpServer
from tests.adapters.connectors.parts import in_parts
from tests.servers.proxy import Proxy

Way = Literal["key", "basic", "oauth"]


def proof(way: Way, server: str = "", *, right: bool = True) -> dict[str, Any]:
    """The options with which a connector proves itself to the application, or fails to."""
    match way:
        case "key":
            return {"api_key": API_KEY if right else "salah"}
        case "basic":
            return {"username": USER, "password": PASSWORD if right else "salah"}
        case "oauth":
            client_secret = CLIENT_SECRET if right else "salah"
            return {"token_url": f"{server}/token", "client_id": CLIENT, "client_secret": client_secret}


class HttpOffice:
    """Rows go in and out by the application's ``/kendali``, past the door; connectors go through it, to ``url``."""

    def __init__(self, server: HttpServer, door: Proxy, **options: Any) -> None:
        self._server, self._door, self.url, self._options = server, door, door.url(server.url), options
        self.away, self.back, self.calm, self.suffered = door.refuse, door.accept, door.calm, door.suffered

    async def kill(self) -> bool:
        await asyncio.to_thread(self._server.kill)
        return True

    async def start(self) -> None:
        await asyncio.to_thread(self._server.start)

    async def disturb(self) -> bool:
        await self._door.disturb()
        return True

    # --- as a source

    async def write(self, rows: Iterable[tuple[int, str]]) -> None:
        for part in in_parts(rows):
            await self._server.control("tulis", part)

    async def write_oversized(self, key: int) -> None:
        await self.write([(key, "x" * 1_500_000)])

    async def delete(self, key: int) -> None:
        await self._server.control("hapus", key)

    async def widen(self) -> None:
        await self._server.control("atur", {"more": {"tambahan": "baru"}})

    async def lose_column(self) -> None:
        await self._server.control("atur", {"value": "isi"})

    async def regain_column(self) -> None:
        await self._server.control("atur", {"value": "nilai"})

    async def write_late(
        self, early: tuple[int, str], late: tuple[int, str], between: Callable[[], Awaitable[Any]]
    ) -> None:
        await self.write([late])
        await between()
        await self._server.control("tulis-awal", [early])

    # --- as a target

    async def rows(self) -> Mapping[str, str]:
        rows: Mapping[str, str] = (await self._server.control("lihat"))["rows"]
        return rows

    async def writes(self) -> Sequence[str]:
        writes: Sequence[str] = (await self._server.control("lihat"))["writes"]
        return writes

    async def heard(self) -> Sequence[str]:
        heard: Sequence[str] = (await self._server.control("lihat"))["heard"]
        return heard

    async def refuse(self, value: str | None) -> None:
        await self._server.control("atur", {"refused": value})

    async def extend(self) -> None:
        await self._server.control("atur", {"adds": True})

    async def withdraw(self) -> None:
        await self._server.control("atur", {"gone": 404})

    async def restore(self) -> None:
        await self._server.control("atur", {"gone": 0})
