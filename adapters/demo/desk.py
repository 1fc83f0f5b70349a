"""The complaint desk's application: it calls out, signed, for each of its entries, and is called with those of others.

Both ways by Standard Webhooks. A call is repeated under its name until it is answered with 200; what comes again with
the same `Idempotency-Key` is kept once.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from adapters.demo.databases import connect, transaction

PAUSE = 0.1  #: seconds between two looks for something to call out
WITHDRAWAL = "-dibatalkan"
ALARM = "peringatan"


@dataclass(frozen=True)
class Secrets:
    """What proves a call: of the desk, of the bus. Written as ``whsec_…``."""

    own: str
    bus: str


class Desk:
    """The application over one database; ``webhook`` is the address that it calls."""

    def __init__(self, database: Path, secrets: Secrets, webhook: str) -> None:
        self._database, self._secrets, self._webhook = database, secrets, webhook

    def application(self) -> web.Application:
        """Its interface, ``/bus``; it calls out as long as this runs."""
        served = web.Application()
        served.router.add_post("/bus", self._push)
        served.cleanup_ctx.append(self._calling)
        return served

    async def _calling(self, _application: web.Application) -> Any:
        calling = asyncio.create_task(self._call_out())
        yield
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)

    # --- what the bus tells it

    async def _push(self, request: web.Request) -> web.Response:
        body, headers = await request.read(), request.headers
        proof = _signature(self._secrets.bus, headers.get("webhook-id", ""), headers.get("webhook-timestamp", ""), body)
        if not hmac.compare_digest(headers.get("webhook-signature", ""), proof):
            raise web.HTTPUnauthorized
        await asyncio.to_thread(self._keep, json.loads(body), headers["Idempotency-Key"])
        return web.json_response({})

    def _keep(self, entry: Mapping[str, Any], event: str) -> None:
        with transaction(self._database) as own:
            if entry["kejadian"].endswith(WITHDRAWAL):
                added = own.execute("INSERT OR IGNORE INTO dicabut VALUES (?, ?)", (entry["id"], event))
            else:
                row = (entry["id"], entry["kejadian"], *_about(entry), entry["waktu"], event)
                added = own.execute("INSERT OR IGNORE INTO kabar VALUES (?, ?, ?, ?, ?, ?)", row)
            if added.rowcount:  # its other listeners want the bus's entries too
                own.execute("INSERT INTO panggilan (isi) VALUES (?)", (json.dumps({"data": [entry]}),))

    # --- what it tells the bus

    async def _call_out(self) -> None:
        """One call after the other, each until it is answered with 200."""
        async with aiohttp.ClientSession() as session:
            while True:
                call = await asyncio.to_thread(self._next)
                if call is None or not await self._called(session, *call):
                    await asyncio.sleep(PAUSE)

    def _next(self) -> tuple[int, str] | None:
        query = "SELECT nomor, isi FROM panggilan WHERE NOT terjawab ORDER BY nomor LIMIT 1"
        with connect(self._database) as own:
            found: tuple[int, str] | None = own.execute(query).fetchone()
            return found

    async def _called(self, session: aiohttp.ClientSession, number: int, body: str) -> bool:
        name, moment = f"panggilan_{number}", str(int(time.time()))
        proof = _signature(self._secrets.own, name, moment, body.encode())
        headers = {"webhook-id": name, "webhook-timestamp": moment, "webhook-signature": proof}
        with suppress(aiohttp.ClientError):  # nobody listens yet, or for a moment
            async with session.post(self._webhook, data=body.encode(), headers=headers) as answer:
                if answer.status == HTTPStatus.OK:
                    await asyncio.to_thread(self._answered, number)
                    return True
        return False

    def _answered(self, number: int) -> None:
        with transaction(self._database) as own:
            own.execute("UPDATE panggilan SET terjawab = 1 WHERE nomor = ?", (number,))


def _about(entry: Mapping[str, Any]) -> tuple[str, str]:
    """What an entry is about, and what it says: of a complaint its number and the words, of an alarm post and level."""
    if entry["kejadian"] == ALARM:
        alarm = entry["peringatan"]
        return f"{alarm['sensor']} {float(alarm['nilai']):.1f}", alarm["tingkat"]
    return entry["laporan"]["nomor"], entry["langkah"]["uraian"]


def _signature(secret: str, identity: str, moment: str, body: bytes) -> str:
    digest = hmac.new(b64decode(secret.removeprefix("whsec_")), f"{identity}.{moment}.".encode() + body, hashlib.sha256)
    return f"v1,{b64encode(digest.digest()).decode()}"
