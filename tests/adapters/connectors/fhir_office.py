"""The FHIR server as an office has it, with connectors over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.connectors.fhir_push import FhirPush, FhirPushConfig
from adapters.connectors.fhir_rest import FhirRest, FhirRestConfig
from bus.ports import Context, Sink, Source
from bus.subjects import AppName
from tests.adapters.connectors.fhir_application import CLIENT, CLIENT_SECRET
from tests.adapters.connectors.fhir_store import EVENT, KEY
from tests.adapters.connectors.http_office import HttpOffice

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


class SourceOffice(HttpOffice):
    """The server as a source."""

    def source(self) -> Source:
        return rest(self.url, **self._options)

    async def widen(self) -> None:
        await self._server.control("atur", {"more": {"gender": "female"}})

    def stranger(self) -> Source:
        return rest(self.url, client_secret="salah", **self._options)


class SinkOffice(HttpOffice):
    """The server as a target."""

    def sink(self) -> Sink:
        return push(self.url, **self._options)

    def stranger(self) -> Sink:
        return push(self.url, client_secret="salah", **self._options)
