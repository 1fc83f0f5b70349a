"""http_webhook in the conformance suite of sources: an application that calls again until 2xx."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from bus.testing import SourceApplication, SourceContract
from bus.testing.lines import Line, rounds, until
from tests.adapters.connectors.webhook_caller import Office

pytestmark = pytest.mark.usefixtures("webhook_secrets")


class TestHttpWebhook(SourceContract):
    @pytest.fixture
    def large(self) -> int:
        return 20_000

    @pytest_asyncio.fixture
    async def application(self, session: aiohttp.ClientSession) -> AsyncIterator[SourceApplication]:
        office = Office(session)
        yield office
        await office.close()

    async def test_the_application_is_away_and_comes_back(self, application: SourceApplication, line: Line) -> None:
        # Nobody can tell an application that is silent from one that has nothing to say: there is no problem to see.
        await application.write([(1, "sebelum")])
        async with line.running():
            await until(lambda: line.streams.count >= 1)
            await application.away()
            await application.write([(2, "sesudah")])
            await rounds(line)
            assert line.streams.count == 1
            await application.back()
            await until(lambda: line.streams.count >= 2)

        assert line.emitted() == [("1", "sebelum"), ("2", "sesudah")]
        assert not line.streams.letters
