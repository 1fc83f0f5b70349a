"""The applications that speak HTTP, and an application with a database of each kind, still empty."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import pytest_asyncio

from tests.adapters.connectors.http_server import FHIR, HttpServer
from tests.adapters.connectors.sql_application import KINDS, Application
from tests.adapters.connectors.webhook_caller import SECRET


@pytest_asyncio.fixture(params=KINDS)
async def application(request: pytest.FixtureRequest) -> AsyncIterator[Application]:
    """An application on each kind of database. Modules add its tables by a fixture of this name."""
    made = Application.of(request.param, request)
    yield made
    await made.engine.dispose()


@pytest_asyncio.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[Application]:
    """An application on SQLite, where one kind is enough."""
    made = Application("sqlite", sqlite_url)
    yield made
    await made.engine.dispose()


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A client of HTTP."""
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture
def webhook_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an application and http_webhook have agreed on."""
    monkeypatch.setenv("UJI_SIGNING", SECRET)
    monkeypatch.setenv("UJI_TOKEN", "rahasia")


@pytest.fixture(scope="session")
def http_process() -> Iterator[HttpServer]:
    """This process's application; tests take ``http_server``."""
    with HttpServer().serving() as server:
        yield server


@pytest.fixture
def http_server(http_process: HttpServer) -> HttpServer:
    """The application, empty."""
    http_process.control_now("kosong")
    return http_process


@pytest.fixture(scope="session")
def fhir_process() -> Iterator[HttpServer]:
    """This process's FHIR server; tests take ``fhir_server``."""
    with HttpServer(FHIR).serving() as server:
        yield server


@pytest.fixture
def fhir_server(fhir_process: HttpServer) -> HttpServer:
    """The FHIR server, empty."""
    fhir_process.control_now("kosong")
    return fhir_process
