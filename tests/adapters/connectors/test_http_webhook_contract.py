"""http_webhook in the conformance suite of sources: an application that calls again until 2xx."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from bus.testing import SourceApplication
from tests.adapters.connectors.called_application import CalledContract
from tests.adapters.connectors.webhook_caller import Office

pytestmark = pytest.mark.usefixtures("webhook_secrets")


class TestHttpWebhook(CalledContract):
    @pytest_asyncio.fixture
    async def application(self, session: aiohttp.ClientSession) -> AsyncIterator[SourceApplication]:
        office = Office(session)
        yield office
        await office.close()
