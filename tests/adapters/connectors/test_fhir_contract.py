"""fhir_rest and fhir_push against a FHIR R4 server: the conformance suites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import pytest
import pytest_asyncio

from bus.testing import SinkApplication, SinkContract, SourceApplication, SourceContract
from bus.testing.targets import Target, numbered
from tests.adapters.connectors.fhir_application import UNTOUCHED
from tests.adapters.connectors.fhir_office import SinkOffice, SourceOffice
from tests.adapters.connectors.fhir_store import KEY
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
        return 20_000

    @pytest_asyncio.fixture
    async def application(self, fhir_server: HttpServer, door: Proxy) -> SinkApplication:
        return SinkOffice(fhir_server, door)


class StateContract(SinkContract):
    """As far as it applies: the suite sends events again with another key and content, which cannot be of an id that is
    made from them. A server that knows of no events could not tell; here they come again as they were.
    """

    @pytest.fixture
    def large(self) -> int:
        return 1_000  # two requests each, and a server that validates each resource

    async def test_an_event_that_comes_again_is_not_applied_again(
        self, application: SinkApplication, target: Target
    ) -> None:
        pairs = [(f"k{number}", f"isi {number}") for number in range(20)]

        await target.deliver(numbered(pairs))
        await target.deliver(numbered(pairs[:5]))

        assert await application.rows() == dict(pairs)
        assert Counter(await application.writes()) == Counter(each.id for each in numbered(pairs))


class TestFhirUpdate(StateContract):
    """States: a resource per key."""

    @pytest_asyncio.fixture
    async def application(self, fhir_server: HttpServer, door: Proxy) -> SinkApplication:
        return SinkOffice(fhir_server, door, mode="update", identifier=f"{KEY}|{{kunci}}")


class TestFhirCreateInBundles(SinkContract):
    """Facts, several in a request."""

    @pytest.fixture
    def large(self) -> int:
        return 3_000  # the whole backlog goes one by one

    @pytest_asyncio.fixture
    async def application(self, fhir_server: HttpServer, door: Proxy) -> SinkApplication:
        return SinkOffice(fhir_server, door, bundle=True)


class TestFhirUpdateInBundles(StateContract):
    """States, several in a request."""

    @pytest_asyncio.fixture
    async def application(self, fhir_server: HttpServer, door: Proxy) -> SinkApplication:
        return SinkOffice(fhir_server, door, mode="update", identifier=f"{KEY}|{{kunci}}", bundle=True)


class PatchOffice(SinkOffice):
    """Its resources are there before: what a patch finds."""

    async def rows(self) -> Mapping[str, str]:
        return {key: value for key, value in (await super().rows()).items() if value != UNTOUCHED}


class TestFhirPatch(StateContract):
    """Changes of resources that are there."""

    @pytest_asyncio.fixture
    async def application(self, fhir_server: HttpServer, door: Proxy) -> SinkApplication:
        await fhir_server.control("atur", {"makes": True})
        return PatchOffice(fhir_server, door, mode="patch", identifier=f"{KEY}|{{kunci}}")
