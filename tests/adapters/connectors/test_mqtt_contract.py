"""mqtt in the conformance suite of sources, over mosquitto and over nats-server's own listener."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from bus.testing import SourceApplication, SourceContract
from tests.adapters.connectors.mqtt_sensors import Sensors
from tests.servers.mqtt import MqttServer
from tests.servers.proxy import Proxy


class TestMqtt(SourceContract):
    """mosquitto by MQTT 5, nats-server by 3.1.1."""

    @pytest_asyncio.fixture(params=["mosquitto", "nats_mqtt"])
    async def application(
        self, request: pytest.FixtureRequest, proxy: Callable[[str], Awaitable[Proxy]]
    ) -> AsyncIterator[SourceApplication]:
        server: MqttServer = request.getfixturevalue(request.param)
        sensors = Sensors(server, await proxy(server.url))
        await sensors.begin()
        yield sensors

    @pytest.fixture
    def large(self) -> int:
        return 20_000
