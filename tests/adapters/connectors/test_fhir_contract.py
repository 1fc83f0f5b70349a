"""fhir_rest and fhir_push against a FHIR R4 server: the conformance suites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
import pytest_asyncio

from bus.testing import SinkApplication, SinkContract, SourceApplication, SourceContract
from bus.testing.sinks import Target, numbered
from tests.adapters.connectors.fhir_application import KEY
from tests.adapters.connectors.fhir_office import SinkOffice, SourceOffice
from tests.adapters.connectors.http_server import HttpServer
from tests.servers.proxy import Proxy


@pytest.fixture
async def door(fhir_server: HttpServer, proxy: Callable[[str], Awaitable[Proxy]]) -> Proxy:
    return await proxy(fhir_server.url)


class TestFhirRest(SourceContract):
    @pytest.fixture
    def large(self) -> int:
        return 20_000

    @pytest_asyncio.fixture
    async def application(self, fhir_server: HttpServer, door: Proxy) -> SourceApplication:
        return SourceOffice(fhir_server, door, size=500)


class TestFhirCreate(SinkContract):
    """Facts: a resource each, named by their event."""

    @pytest.fixture
    def large(self) -> int:
        return 3_000  # a request each, and a server that validates each resource

    @pytest_asyncio.fixture
    async def application(self, fhir_server: HttpServer, door: Proxy) -> SinkApplication:
        return SinkOffice(fhir_server, door)


class TestFhirUpdate(SinkContract):
    """States: a resource per key."""

    @pytest.fixture
    def large(self) -> int:
        return 1_000  # two requests each

    @pytest_asyncio.fixture
    async def application(self, fhir_server: HttpServer, door: Proxy) -> SinkApplication:
        return SinkOffice(fhir_server, door, mode="update", identifier=f"{KEY}|{{kunci}}")

    async def test_every_event_is_applied_once(self, application: SinkApplication, target: Target) -> None:
        """The suite sends events again with another key and content, which cannot be of an id that is made from them:
        a server that knows of no events could not tell. Here they come again as they were.
        """
        messages = numbered([(f"k{number}", f"isi {number}") for number in range(1200)])

        await target.deliver(messages)
        await target.deliver(numbered([(f"k{number}", f"isi {number}") for number in range(5)]))

        assert await application.rows() == {f"k{number}": f"isi {number}" for number in range(1200)}
        assert Counter(await application.writes()) == Counter(each.id for each in messages)
