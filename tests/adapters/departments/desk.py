"""The complaint desk's own application, as SP4N-LAPOR is to others: it keeps entries, calls out for each of them until
it is answered with 200, and takes what the bus pushes. An ASGI application behind uvicorn, on loopback.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import time
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers.server import HOST

OUT, INTO = "whsec_bWVqYSBwZW5nYWR1YW4ga2VsdWFy", "whsec_bWVqYSBwZW5nYWR1YW4gbWFzdWs="  #: who calls: the desk, the bus


def signature(secret: str, identity: str, moment: str, body: bytes) -> str:
    """As the specification of Standard Webhooks says it, without the connector's code."""
    message = f"{identity}.{moment}.".encode() + body
    digest = hmac.new(b64decode(secret.removeprefix("whsec_")), message, hashlib.sha256).digest()
    return f"v1,{b64encode(digest).decode()}"


class Desk:
    """The application. ``entries`` are by their names; ``applied`` has the idempotency keys of what the bus pushed."""

    def __init__(self, webhook: str) -> None:
        self._webhook = webhook
        self.secret = OUT  #: signs its calls
        self.port = 0
        self.entries: dict[str, dict[str, Any]] = {}
        self.withdrawn: set[str] = set()
        self.applied: list[str] = []
        self.pushed = 0  #: requests of the bus, repeated ones too
        self.unsigned = 0
        self.refused = 0  #: calls that were not answered with 200
        self.fails_every = 0
        self.answers: dict[str, Any] = {}  #: what the bus answered to a call, by its webhook-id
        self._outbox: deque[tuple[str, bytes]] = deque()
        self._numbers = count(1)

    @property
    def url(self) -> str:
        """Where the bus pushes to."""
        return f"http://{HOST}:{self.port}/bus"

    @property
    def idle(self) -> bool:
        """Whether every call was answered with 200."""
        return not self._outbox

    def of(self, origin: str, kind: str) -> list[dict[str, Any]]:
        """The entries of one origin and kind, oldest first."""
        return [each for each in self.entries.values() if (each["asal"], each["kejadian"]) == (origin, kind)]

    # --- what its clerks do

    def enter(self, *entries: Mapping[str, Any]) -> str:
        """Entries are made at the desk, and called out together. Returns the call's name."""
        for entry in entries:
            self._keep(dict(entry))
        return self._tell(*entries)

    def _keep(self, entry: dict[str, Any]) -> None:
        name, kind = str(entry.get("id")), str(entry.get("kejadian"))
        if kind.endswith("-dibatalkan"):
            self.withdrawn.add(name)  # also of an entry that has not come yet
        else:
            self.entries[name] = entry

    def _tell(self, *entries: Mapping[str, Any]) -> str:
        call = f"panggilan_{next(self._numbers)}"
        self._outbox.append((call, json.dumps({"data": entries}).encode()))
        return call

    # --- what the bus does

    async def push(self, request: Request) -> Response:
        """Takes an entry of the bus once, and calls out for it like for all others."""
        body, headers = await request.body(), request.headers
        wanted = signature(INTO, headers.get("webhook-id", ""), headers.get("webhook-timestamp", ""), body)
        if headers.get("webhook-signature") != wanted:
            self.unsigned += 1
            return Response(status_code=401)
        self.pushed += 1
        fails = self.fails_every and self.pushed % self.fails_every == 0
        if fails and self.pushed % 2:
            return Response(status_code=503, headers={"Retry-After": "0"})
        key = headers["idempotency-key"]
        if key not in self.applied:
            entry = json.loads(body)
            self.applied.append(key)
            self._keep(entry)
            self._tell(entry)
        return JSONResponse({}, 500 if fails else 200)  # applied, and the answer says otherwise

    async def call_out(self) -> None:
        """Calls until 200, one call after the other."""
        async with aiohttp.ClientSession() as session:
            while True:
                if not (self._outbox and await self._called(session, *self._outbox[0])):
                    await asyncio.sleep(0.02)

    async def _called(self, session: aiohttp.ClientSession, call: str, body: bytes) -> bool:
        moment = str(int(time.time()))
        proof = {
            "webhook-id": call,
            "webhook-timestamp": moment,
            "webhook-signature": signature(self.secret, call, moment, body),
        }
        with suppress(aiohttp.ClientError):  # nobody listens yet, or no more
            async with session.post(self._webhook, data=body, headers=proof) as answer:
                if answer.status == 200:
                    self.answers[call] = await answer.json()
                    self._outbox.popleft()
                    return True
                self.refused += 1
        return False


@asynccontextmanager
async def serving(webhook: str) -> AsyncIterator[Desk]:
    """The application on a free port; it calls ``webhook``."""
    desk = Desk(webhook)
    app = Starlette(routes=[Route("/bus", desk.push, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=1))
    with socket.create_server((HOST, 0)) as listening:
        desk.port = listening.getsockname()[1]
        tasks = [asyncio.create_task(server.serve(sockets=[listening])), asyncio.create_task(desk.call_out())]
        try:
            yield desk
        finally:
            server.should_exit = True
            tasks[1].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
