"""Three offices for the tests of trust: contracts, their streams, and clients that say what the server refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from nats.aio.client import Client

from bus import subjects
from bus.contracts import grants
from bus.contracts.model import Contract
from bus.security import credentials
from bus.security.credentials import Role
from bus.subjects import AppName

SIAK = AppName("dukcapil", "siak")
SIMRS = AppName("rsud", "simrs")
BANSOS = AppName("dinsos", "bansos")

DIED = "kependudukan.penduduk.meninggal.v1"
DEATH = "kesehatan.kematian.tercatat.v1"
STOPPED = "sosial.penerima.dihentikan.v1"

_EVERY_STREAM = {
    "storage": "file",
    "discard": "new",
    "allow_atomic": True,
    "allow_batched": True,
    "allow_direct": True,
    "allow_msg_ttl": True,
}


def contract(app: AppName, *, publish: str | None = None, subscribe: tuple[str, ...] = (), **more: Any) -> Contract:
    """A contract with one source, one event and some subscriptions."""
    basis = "UU 24/2013 pasal 44"
    document = {
        "app": app.app,
        "opd": app.opd,
        "title": "Aplikasi uji",
        "owner": "Bidang uji",
        "contact": "uji@kediri.example",
        "stage": "pilot",
        "source": {"mutasi": {"connector": "sql_poll"}},
        "publish": [{"event": publish, "from": "mutasi", "basis": basis}] if publish else [],
        "subscribe": [
            {
                "event": each,
                "purpose": "Pemutakhiran data",
                "basis": basis,
                "fields": ["nik"],
                "handler": "mapping:terima",
            }
            for each in subscribe
        ],
        **more,
    }
    return Contract.model_validate(document)


def city() -> list[Contract]:
    """The hospital reports deaths, the registry records them, the social office stops aid."""
    return [
        contract(SIAK, publish=DIED, subscribe=(DEATH,)),
        contract(SIMRS, publish=DEATH, subscribe=(DIED,)),
        contract(BANSOS, publish=STOPPED, subscribe=(DIED,)),
    ]


class Desk:
    """A bare client with one credential, and what the server refused it."""

    def __init__(self) -> None:
        self.client = Client()
        self._errors: list[str] = []
        self._heard = asyncio.Condition()
        self._count = 0

    async def refuses_publish(self, subject: str, payload: bytes = b"{}", reply: str = "") -> bool:
        """Whether the server refuses this publish."""
        self._errors.clear()
        await self.client.publish(subject, payload, reply=reply)
        await self._settled()
        return self._said("publish", subject)

    async def refuses_subscribe(self, subject: str, queue: str = "") -> bool:
        """Whether the server refuses this subscription."""
        self._errors.clear()
        subscription = await self.client.subscribe(subject, queue=queue)
        await self._settled()
        await subscription.unsubscribe()
        return self._said("subscription", subject)

    async def on_error(self, error: Exception) -> None:
        """What the server says on the side."""
        async with self._heard:
            self._errors.append(str(error))
            self._heard.notify_all()

    async def _settled(self) -> None:
        """Waits until the server has judged all before: it judges in order, and nobody may make this last publish.

        A ping would not do: nats-py sends it ahead of what it has buffered.
        """
        self._count += 1
        sentinel = f"nobody.may.{self._count}"
        await self.client.publish(sentinel, b"")
        async with asyncio.timeout(5), self._heard:
            await self._heard.wait_for(lambda: self._said("publish", sentinel))

    async def api(self, subject: str, body: object = None) -> dict[str, Any]:
        """A request to the JetStream API, its answer as it is."""
        payload = b"" if body is None else json.dumps(body).encode()
        answer = await self.client.request(f"$JS.API.{subject}", payload, timeout=5)
        return json.loads(answer.data)  # type: ignore[no-any-return]

    def _said(self, what: str, subject: str) -> bool:
        wanted = f'permissions violation for {what} to "{subject}"'.lower()
        return any(wanted in error.lower() for error in self._errors)


@asynccontextmanager
async def desk(home: Path, url: str, who: AppName | Role) -> AsyncIterator[Desk]:
    """A connected client with the credential of an application or a role."""
    inbox = credentials.inbox(who) if isinstance(who, Role) else subjects.inbox(who)
    opened = Desk()
    await opened.client.connect(
        url,
        user_credentials=str(credentials.path(home, who)),
        inbox_prefix=inbox.encode(),
        error_cb=opened.on_error,
        allow_reconnect=False,
    )
    try:
        yield opened
    finally:
        await opened.client.close()


async def provision(admin: Desk, contracts: list[Contract]) -> None:
    """Makes the streams and durable consumers that the contracts call for."""
    streams = {each.name.stream: [subjects.stream_subjects(each.opd)] for each in contracts}
    streams |= {"DLQ": ["dlq.>"], "RECEIPTS": ["receipt.>"], "REDRIVE": ["redrive.>"]}
    for name, captured in streams.items():
        answer = await admin.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": captured, **_EVERY_STREAM})
        assert "error" not in answer, answer
    for grant in grants.consumers(contracts):
        config = {"durable_name": grant.durable, "ack_policy": "explicit", "filter_subjects": list(grant.filters)}
        answer = await admin.api(
            f"CONSUMER.CREATE.{grant.stream}.{grant.durable}", {"stream_name": grant.stream, "config": config}
        )
        assert "error" not in answer, answer
