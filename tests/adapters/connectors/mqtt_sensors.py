"""Sensors whose messages mqtt reads, and mqtt as the tests configure it. mosquitto_pub publishes."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.connectors.mqtt import Mqtt, MqttConfig
from bus.ports import Context, Source
from bus.subjects import AppName
from tests.adapters.connectors.at_once import AtOnce
from tests.adapters.connectors.columns import Columns
from tests.adapters.connectors.parts import in_parts
from tests.servers.mqtt import MqttServer, NatsMqtt
from tests.servers.proxy import Proxy
from tests.servers.server import PASSWORD, USER

CONTEXT = Context(AppName("bpbd", "sensor"), "sungai", Path(), ZoneInfo("Asia/Jakarta"))
NUMBERS = itertools.count(1)  # brokers keep sessions and retained messages: no two tests share a topic


def mqtt(server: MqttServer, topic: str, url: str = "", **options: Any) -> Mqtt:
    given = {"url": url or server.url, "topic": topic, "username": USER, "password": PASSWORD}
    given |= {"client_id": f"uji-{topic.partition('/')[0]}", "timeout": 5, **options}
    if isinstance(server, NatsMqtt):
        given["protocol"] = "3.1.1"
    return Mqtt(MqttConfig.model_validate(given), CONTEXT)


class Sensors(AtOnce, Columns):
    """What publishes: rows as messages of one topic, seen by a source through a door that can be shut."""

    def __init__(self, server: MqttServer, door: Proxy, **options: Any) -> None:
        super().__init__()
        self._server, self._door, self._options = server, door, options
        self._root = f"uji{next(NUMBERS)}"
        self.away, self.back, self.calm, self.suffered = door.refuse, door.accept, door.calm, door.suffered

    async def begin(self) -> None:
        """The source's first run, from which on the broker keeps messages for it."""
        source = self.source()
        await source.open(None)
        await source.close()

    def source(self, **options: Any) -> Source:
        given = {"key": ["kunci"], **self._options, **options}
        return mqtt(self._server, f"{self._root}/{{bagian}}", self._door.url(self._server.url), **given)

    async def write(self, rows: Iterable[tuple[int, str]]) -> None:
        for part in in_parts(rows):
            payloads = [json.dumps(self.row(*row)) for row in part]
            await self._server.publish(f"{self._root}/a", payloads)

    async def delete(self, key: int) -> None:
        await self._server.publish(f"{self._root}/a", [""], retain=True)

    def stranger(self) -> Source | None:
        return self.source(password="salah", client_id=f"asing-{self._root}")

    async def kill(self) -> bool:
        # mosquitto in order: a kill would take what it has acknowledged.
        await asyncio.to_thread(self._server.kill if isinstance(self._server, NatsMqtt) else self._server.stop)
        return True

    async def start(self) -> None:
        await asyncio.to_thread(self._server.start)

    async def disturb(self) -> bool:
        await self._door.disturb()
        return True

    async def write_oversized(self, key: int) -> None:
        await self.write([(key, "x" * 1_500_000)])
