"""The FHIR server as an office has it: behind a door that can be shut, with connectors over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.connectors.fhir_push import FhirPush, FhirPushConfig
from adapters.connectors.fhir_rest import FhirRest, FhirRestConfig
from bus.ports import Context, Sink, Source
from bus.subjects import AppName
from tests.adapters.connectors.fhir_application import CLIENT, CLIENT_SECRET, EVENT, KEY
from tests.adapters.connectors.http_server import HttpServer
from tests.servers.proxy import Proxy

CONTEXT = Context(AppName("dinkes", "satusehat"), "kirim", Path(), ZoneInfo("Asia/Jakarta"))
COLUMNS = {"kunci": f"identifier.where(system='{KEY}').value", "nilai": "name[0].text"}
PATIENT = {
    "resourceType": "Patient",
    "identifier": [{"system": KEY, "value": "{kunci}"}, {"system": EVENT, "value": "{$id}"}],
    "name": [{"text": "{nilai}"}],
}


def _proof(url: str) -> dict[str, Any]:
    return {
        "url": f"{url}/fhir",
        "token_url": f"{url}/oauth2/v1/accesstoken?grant_type=client_credentials",
        "client_id": CLIENT,
        "client_secret": CLIENT_SECRET,
        "client_auth": "body",
        "allow_local": True,
    }


def rest(server: str, **options: Any) -> FhirRest:
    given = _proof(server) | {"resources": {"Patient": COLUMNS}, "poll": 0.01, **options}
    return FhirRest(FhirRestConfig.model_validate(given), CONTEXT)


def push(server: str, **options: Any) -> FhirPush:
    given = _proof(server) | {"identifier": f"{EVENT}|{{$id}}", "resource": PATIENT, **options}
    return FhirPush(FhirPushConfig.model_validate(given), CONTEXT)


@asynccontextmanager
async def opened(connector: Any) -> AsyncIterator[Any]:
    """A connector, open."""
    await connector.open(*([None] if isinstance(connector, FhirRest) else []))
    try:
        yield connector
    finally:
        await connector.close()


class FhirOffice:
    """The server of a test, both ways."""

    def __init__(self, server: HttpServer, door: Proxy, **options: Any) -> None:
        self._server, self._url, self._options = server, door.url(server.url), options
        self.away, self.back = door.refuse, door.accept
        self._door = door

    def source(self) -> Source:
        return rest(self._url, **self._options)

    def sink(self) -> Sink:
        return push(self._url, **self._options)

    async def write(self, rows: Iterable[tuple[int, str]]) -> None:
        await self._server.control("tulis", list(rows))

    async def delete(self, key: int) -> None:
        await self._server.control("hapus", key)

    async def write_late(
        self, early: tuple[int, str], late: tuple[int, str], between: Callable[[], Awaitable[Any]]
    ) -> None:
        await self.write([late])
        await between()
        await self._server.control("tulis-awal", [early])

    async def write_oversized(self, key: int) -> None:
        await self.write([(key, "x" * 1_500_000)])

    async def rows(self) -> Mapping[str, str]:
        rows: Mapping[str, str] = (await self._server.control("lihat"))["rows"]
        return rows

    async def writes(self) -> Sequence[str]:
        writes: Sequence[str] = (await self._server.control("lihat"))["writes"]
        return writes

    async def refuse(self, value: str | None) -> None:
        await self._server.control("atur", {"refused": value})

    async def disturb(self) -> bool:
        await self._door.disturb()
        return True

    async def calm(self) -> None:
        await self._door.calm()


class SourceOffice(FhirOffice):
    """The server as a source."""

    def stranger(self) -> Source:
        return rest(self._url, client_secret="salah", **self._options)


class SinkOffice(FhirOffice):
    """The server as a target."""

    def stranger(self) -> Sink:
        return push(self._url, client_secret="salah", **self._options)
