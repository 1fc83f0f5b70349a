"""sql_cdc in the conformance suite of sources."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from adapters.connectors.sql_cdc import SqlCdc
from bus.ports import Source
from bus.testing import SourceApplication, SourceContract
from tests.adapters.connectors.cdc_application import captured
from tests.adapters.connectors.test_sql_source_contract import Office, _office

KINDS = ("postgresql", "mariadb")


class LogOffice(Office):
    """An application whose log is captured."""

    def source(self) -> Source:
        return captured(self._behind.url, {"baris": {"columns": ["nilai"]}})

    async def install(self) -> None:
        source = self.source()
        assert isinstance(source, SqlCdc)
        await source.install()


class TestSqlCdc(SourceContract):
    @pytest.fixture
    def large(self) -> int:
        return 20_000

    @pytest_asyncio.fixture(params=KINDS)
    async def application(self, request: pytest.FixtureRequest, proxy: Any) -> AsyncIterator[SourceApplication]:
        office = await _office(request.param, LogOffice, request, proxy)
        assert isinstance(office, LogOffice)
        await office.install()
        yield office
        await office.close()
