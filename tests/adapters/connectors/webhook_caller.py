"""An application that calls http_webhook: it keeps each change until the call with it was answered 2xx."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp

from adapters.connectors.http_signature import SigningKey
from adapters.connectors.http_webhook import HttpWebhook, HttpWebhookConfig
from bus.ports import Context, Source
from bus.subjects import AppName
from tests.adapters.connectors.at_once import AtOnce
from tests.adapters.connectors.columns import Columns
from tests.adapters.connectors.outbox import Calls
from tests.servers.proxy import Proxy

CONTEXT = Context(AppName("kominfo", "pengaduan"), "laporan", Path(), ZoneInfo("Asia/Jakarta"))
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CALL = 100  #: rows


def webhook(**options: Any) -> HttpWebhook:
    given = {"listen": "127.0.0.1:0", "signing_secret": "env:UJI_SIGNING", "records": "data", "key": ["kunci"]}
    return HttpWebhook(HttpWebhookConfig.model_validate(given | options), CONTEXT)


def signed(identity: str, body: bytes) -> dict[str, str]:
    return SigningKey(SECRET, "uji").headers(identity, body, time.time())


class Office(AtOnce, Columns, Calls):
    """The application: it keeps each change until one of the bus's addresses has answered 2xx."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        Columns.__init__(self)
        Calls.__init__(self)
        self._session = session
        self._sources: list[HttpWebhook] = []
        self._rows: dict[int, str] = {}
        self._numbers = count(1)
        self._proxies: dict[int, Proxy] = {}  # by the port behind
        self._ways = count(1)

    def source(self) -> Source:
        self._sources.append(webhook(largest=4 * 1024 * 1024))
        return self._sources[-1]

    def stranger(self) -> Source | None:
        """None: it is the application that proves itself, and a call that does not is refused."""
        return None

    async def write(self, rows: Iterable[tuple[int, str]]) -> None:
        changed = []
        for key, value in rows:
            if self._rows.get(key) != value:
                self._rows[key] = value
                changed.append(self.row(key, value))
        self._tell(changed)

    async def delete(self, key: int) -> None:
        self._tell([{**self.row(key, self._rows.pop(key)), "hapus": True}])

    async def write_oversized(self, key: int) -> None:
        await self.write([(key, "x" * 1_500_000)])

    def suffered(self) -> int:
        return sum(proxy.suffered() for proxy in self._proxies.values())

    def _tell(self, changed: list[dict[str, Any]]) -> None:
        """Keeps calls, each as its name, a line, and its body."""
        for start in range(0, len(changed), CALL):
            body = json.dumps({"data": changed[start : start + CALL]})
            self._keep(f"msg_{next(self._numbers)}\n{body}".encode())

    async def _call(self) -> None:
        while self._outbox:
            name, _, body = self._outbox[0].partition(b"\n")
            if self._silent or not await self._delivered(name.decode(), body):
                await asyncio.sleep(0.01)
            else:
                self._outbox.popleft()

    async def _delivered(self, identity: str, body: bytes) -> bool:
        for source in [source for source in self._sources if source.port]:
            try:
                url = f"http://127.0.0.1:{await self._way(source.port)}/"
                answer = await self._session.post(url, data=BytesIO(body), headers=signed(identity, body))
            except aiohttp.ClientError:
                continue
            if answer.status == 200:
                return True
        return False

    async def _way(self, port: int) -> int:
        """The port to call. Where the network is bad every third call loses its answer, when the bus has the call."""
        if not self._disturbed:
            return port
        proxy = self._proxies.get(port) or await Proxy(port).__aenter__()
        self._proxies[port] = proxy
        proxy.delay = 0.02
        if next(self._ways) % 3 == 0:
            asyncio.get_running_loop().call_later(1.5 * proxy.delay, self._cut, proxy)
        return proxy.port

    def _cut(self, proxy: Proxy) -> None:
        self._cutting = asyncio.create_task(proxy.cut())

    async def close(self) -> None:
        for proxy in self._proxies.values():
            await proxy.refuse()
        await super().close()
