"""sql_cdc in the conformance suite of sources: tables by themselves, and a query over tables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from adapters.connectors.sql_cdc import SqlCdc
from bus.ports import Source
from bus.testing import SourceApplication, SourceContract
from tests.adapters.connectors.cdc_application import captured
from tests.adapters.connectors.sql_application import KINDS
from tests.adapters.connectors.test_sql_source_contract import Office, _office


class LogOffice(Office):
    """An application whose log is captured."""

    def _reading(self, url: str) -> Source:
        return captured(url, {"baris": {"columns": ["nilai"]}})

    async def install(self) -> None:
        source = self.source()
        assert isinstance(source, SqlCdc)
        await source.install()


class QueryOffice(LogOffice):
    """The same, seen through a query with another table."""

    def _reading(self, url: str) -> Source:
        query = "SELECT b.kunci, b.nilai, k.isi FROM baris b LEFT JOIN keterangan k ON k.kunci = b.kunci"
        belonging = {"belongs_to": {"kunci": "kunci"}}
        return captured(url, {"baris": belonging, "keterangan": belonging}, query=query, key=["b.kunci"])

    async def install(self) -> None:
        await self._own.run("CREATE TABLE keterangan (kunci int PRIMARY KEY, isi text)")
        await super().install()


async def installed(of: type[LogOffice], request: pytest.FixtureRequest, proxy: Any) -> AsyncIterator[LogOffice]:
    office = await _office(request.param, of, request, proxy)
    assert isinstance(office, LogOffice)
    await office.install()
    yield office
    await office.close()


class TestSqlCdc(SourceContract):
    @pytest.fixture
    def large(self) -> int:
        return 20_000

    @pytest_asyncio.fixture(params=KINDS)
    async def application(self, request: pytest.FixtureRequest, proxy: Any) -> AsyncIterator[SourceApplication]:
        async for office in installed(LogOffice, request, proxy):
            yield office


class TestQueriesOfSqlCdc(SourceContract):
    @pytest.fixture
    def large(self) -> int:
        return 40_000  # eight pages, of which it holds two

    @pytest_asyncio.fixture(params=KINDS)
    async def application(self, request: pytest.FixtureRequest, proxy: Any) -> AsyncIterator[SourceApplication]:
        async for office in installed(QueryOffice, request, proxy):
            yield office
