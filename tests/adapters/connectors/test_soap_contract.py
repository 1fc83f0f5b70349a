"""soap_poll and soap_call against PHP's SoapServer: the conformance suites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from bus.ports import Context
from bus.testing import SinkApplication, SinkContract, SourceApplication, SourceContract
from tests.adapters.connectors.soap_office import LISTS, SinkOffice, SourceOffice, context_in
from tests.servers.php import Php
from tests.servers.proxy import Proxy


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    return context_in(tmp_path, monkeypatch)


class TestSoapPoll(SourceContract):
    @pytest.fixture
    def large(self) -> int:
        return 20_000

    @pytest_asyncio.fixture
    async def application(
        self, php: Php, proxy: Callable[[str], Awaitable[Proxy]], context: Context
    ) -> AsyncIterator[SourceApplication]:
        yield SourceOffice(php, await proxy(php.url), context)


class TestSoapCall(SinkContract):
    @pytest.fixture
    def large(self) -> int:
        return 2_000  # one connection a call, PHP's server keeps none open; with lists it has the whole backlog

    @pytest_asyncio.fixture
    async def application(
        self, php: Php, proxy: Callable[[str], Awaitable[Proxy]], context: Context
    ) -> AsyncIterator[SinkApplication]:
        yield SinkOffice(php, await proxy(php.url), context)


class TestSoapCallWithLists(SinkContract):
    """Many events in a call."""

    @pytest.fixture
    def large(self) -> int:
        return 20_000

    @pytest_asyncio.fixture
    async def application(
        self, php: Php, proxy: Callable[[str], Awaitable[Proxy]], context: Context
    ) -> AsyncIterator[SinkApplication]:
        yield SinkOffice(php, await proxy(php.url), context, **LISTS)
