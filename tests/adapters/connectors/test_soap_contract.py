"""soap_poll and soap_call against PHP's SoapServer: the conformance suites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import ClassVar

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


class CallContract(SinkContract):
    """The service as a target, called with ``options``."""

    options: ClassVar[dict[str, str]] = {}

    @pytest_asyncio.fixture
    async def application(
        self, php: Php, proxy: Callable[[str], Awaitable[Proxy]], context: Context
    ) -> AsyncIterator[SinkApplication]:
        yield SinkOffice(php, await proxy(php.url), context, **self.options)


class TestSoapCall(CallContract):
    @pytest.fixture
    def large(self) -> int:
        return 2_000  # one connection a call, PHP's server keeps none open; with lists it has the whole backlog


class TestSoapCallWithLists(CallContract):
    """Many events in a call."""

    options = LISTS

    @pytest.fixture
    def large(self) -> int:
        return 20_000
