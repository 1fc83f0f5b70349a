"""http_webhook, call by call."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from adapters.connectors import http_webhook
from adapters.connectors.http_signature import SigningKey
from adapters.connectors.http_webhook import HttpWebhook
from bus.errors import ConfigError, Unavailable
from bus.ports import Batch, Rejection, SourceState
from tests.adapters.connectors.webhook_caller import SECRET, signed, webhook

pytestmark = pytest.mark.usefixtures("webhook_secrets")


class Desk:
    """An open source, and calls to it."""

    def __init__(self, source: HttpWebhook, session: aiohttp.ClientSession) -> None:
        self.source, self._session = source, session

    async def call(self, body: Any, identity: str = "msg_1", **headers: str) -> tuple[int, Any, str]:
        """Status, JSON and Retry-After of the answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        every = headers or signed(identity, raw)
        async with self._session.post(f"http://127.0.0.1:{self.source.port}/", data=raw, headers=every) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers.get("Retry-After", "")

    async def read(self) -> Batch:
        """The next batch."""
        async with asyncio.timeout(10):
            while (batch := await self.source.read()) is None:
                pass
        return batch


@asynccontextmanager
async def desk(session: aiohttp.ClientSession, **options: Any) -> AsyncIterator[Desk]:
    source = webhook(**options)
    await source.open(None)
    try:
        yield Desk(source, session)
    finally:
        await source.close()


async def test_a_call_is_answered_when_it_is_stored(session: aiohttp.ClientSession) -> None:
    async with desk(session) as at:
        calling = asyncio.create_task(at.call({"data": [{"kunci": 1}, {"kunci": 2}]}))
        batch = await at.read()
        assert not calling.done()
        assert [(record.key, record.version) for record in batch.records] == [("1", "msg_1/0"), ("2", "msg_1/1")]
        await at.source.commit(batch, [Rejection(batch.records[1], "kolom nilai: harus diisi")])
        answer = {"diterima": 1, "ditolak": [{"urutan": 2, "alasan": "kolom nilai: harus diisi"}]}
        assert await calling == (200, answer, "")
        assert await at.call({"data": [{"kunci": 1}, {"kunci": 2}]}) == (200, answer, "")
        assert await at.source.read() is None


async def test_a_call_that_comes_again_is_the_same_events(session: aiohttp.ClientSession) -> None:
    async with desk(session) as at, desk(session) as restarted:
        calls = [asyncio.create_task(at.call({"data": {"kunci": 1}})) for _ in range(3)]
        batch = await at.read()
        await at.source.commit(batch, [])
        assert {(await call)[0] for call in calls} == {200}
        assert len(batch.records) == 1
        again = asyncio.create_task(restarted.call({"data": {"kunci": 1}}))
        second = await restarted.read()
        assert second.records == batch.records
        await restarted.source.commit(second, [])
        assert (await again)[0] == 200


async def test_answers_are_remembered_within_limits(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_webhook, "SEEN", 3)
    async with desk(session) as at:
        for number in (1, 2):  # each with a rejection that is remembered, too
            calling = asyncio.create_task(at.call({"data": {"kunci": number}}, f"msg_{number}"))
            batch = await at.read()
            await at.source.commit(batch, [Rejection(batch.records[0], "rusak")])
            answer = {"diterima": 0, "ditolak": [{"urutan": 1, "alasan": "rusak"}]}
            assert await calling == (200, answer, "")
        assert await at.call({"data": {"kunci": 2}}, "msg_2") == (200, answer, "")
        forgotten = asyncio.create_task(at.call({"data": {"kunci": 1}}, "msg_1"))
        await at.source.commit(await at.read(), [])
        assert (await forgotten)[0] == 200


async def test_a_call_that_waits_too_long_comes_again(session: aiohttp.ClientSession) -> None:
    async with desk(session, wait=0.05) as at:
        assert await at.call({"data": {"kunci": 1}}) == (503, {"pesan": "belum tersimpan"}, "5")
        batch = await at.read()
        await at.source.commit(batch, [])
        assert (await at.call({"data": {"kunci": 1}}))[0] == 200


async def test_a_full_queue_takes_no_more(session: aiohttp.ClientSession) -> None:
    async with desk(session, queue=3, wait=5) as at:
        first = asyncio.create_task(at.call({"data": [{"kunci": 1}, {"kunci": 2}]}))
        batch = await at.read()
        status, _, wait = await at.call({"data": [{"kunci": 3}, {"kunci": 4}]}, "msg_2")
        assert (status, wait) == (503, "5")
        assert (await at.call({"data": [{"kunci": number} for number in range(4)]}, "msg_3"))[0] == 422
        await at.source.commit(batch, [])
        assert (await first)[0] == 200
        last = asyncio.create_task(at.call({"data": [{"kunci": 3}, {"kunci": 4}]}, "msg_2"))
        await at.source.commit(await at.read(), [])
        assert (await last)[0] == 200


async def test_what_waits_is_told(session: aiohttp.ClientSession) -> None:
    async with desk(session) as at:
        assert await at.source.state() == SourceState("0 calls since it listens", 0)
        before = datetime.now(UTC)
        calling = [asyncio.create_task(at.call({"data": [{"kunci": 1}, {"kunci": 2}]}))]
        batch = await at.read()
        between = datetime.now(UTC)
        calling.append(asyncio.create_task(at.call({"data": {"kunci": 3}}, "msg_2")))
        last = await at.read()
        state = await at.source.state()
        assert state.waiting == 3
        assert state.oldest
        assert before <= state.oldest <= between
        await at.source.commit(batch, [])
        assert (await calling[0])[0] == 200
        assert not calling[1].done()
        state = await at.source.state()
        assert (state.waiting, bool(state.oldest and state.oldest > between)) == (1, True)
        await at.source.commit(last, [])
        assert (await calling[1])[0] == 200
        assert await at.source.state() == SourceState("2 calls since it listens", 0)


async def test_calls_that_wait_at_the_end_come_again(session: aiohttp.ClientSession) -> None:
    async with desk(session) as at:
        calling = asyncio.create_task(at.call({"data": {"kunci": 1}}))
        await at.read()
        await at.source.close()
        assert (await calling)[0] == 503


async def test_a_call_that_is_not_proven_is_refused(session: aiohttp.ClientSession) -> None:
    body = b'{"data": {"kunci": 1}}'
    async with desk(session) as at:
        assert (await at.call(body, **{"webhook-id": "msg_1"}))[0] == 401
        assert (await at.call(b"{}", **signed("msg_1", body)))[0] == 401
        old = SigningKey(SECRET, "uji").headers("msg_1", body, time.time() - 400)
        assert (await at.call(body, **old))[0] == 401
        assert await at.source.read() is None


async def test_a_bearer_token_proves_a_call_too(session: aiohttp.ClientSession) -> None:
    options = {"signing_secret": None, "bearer_token": "env:UJI_TOKEN", "id_header": "X-Kiriman"}
    proof = {"Authorization": "Bearer rahasia"}
    async with desk(session, **options) as at:
        assert (await at.call({"data": {}}, Authorization="Bearer lain"))[0] == 401
        assert (await at.call({"data": {}}, Accept="*/*"))[0] == 401
        # A, B, A without a name are three changes; with a name each call is one.
        bodies = [("A", {}), ("B", {}), ("A", {}), ("C", {"X-Kiriman": "7"}), ("C", {"X-Kiriman": "7"})]
        versions = []
        for value, named in bodies:
            calling = asyncio.create_task(at.call({"data": {"kunci": 1, "nilai": value}}, **proof, **named))
            while not calling.done():
                if batch := await at.source.read():
                    versions += [(record.data["nilai"], record.version) for record in batch.records]
                    await at.source.commit(batch, [])
            assert (await calling)[0] == 200
        assert versions == [("A", None), ("B", None), ("A", None), ("C", "7/0")]


async def test_records_without_a_key_are_each_their_own(session: aiohttp.ClientSession) -> None:
    async with desk(session, key=[], records="") as at:
        calling = asyncio.create_task(at.call([{"tinggi": 1}, {"tinggi": 1}, "teks"]))
        batch = await at.read()
        assert [record.key for record in batch.records] == ["msg_1/0", "msg_1/1", "msg_1/2"]
        assert [record.fault for record in batch.records] == ["", "", "bukan objek JSON"]
        await at.source.commit(batch, [])
        assert (await calling)[0] == 200


async def test_a_record_that_lacks_what_it_must_have_is_rejected(session: aiohttp.ClientSession) -> None:
    async with desk(session, required=["asal", "oleh.opd"]) as at:
        items = [
            {"kunci": 1, "asal": "meja", "oleh": {"opd": "a"}},
            {"kunci": 2, "asal": "", "oleh": [1]},
            {"asal": "x"},
        ]
        calling = asyncio.create_task(at.call({"data": items}))
        batch = await at.read()
        faults = ["", "kolom asal, oleh.opd: belum diisi", "kolom kunci kosong: kunci"]
        assert [record.fault for record in batch.records] == faults
        await at.source.commit(batch, [])
        assert (await calling)[0] == 200


async def test_what_the_bus_wrote_is_left_out(session: aiohttp.ClientSession) -> None:
    async with desk(session, skip={"oleh.sumber": "bus", "hapus": False}) as at:
        ours = {"kunci": 1, "oleh": {"sumber": "bus"}, "hapus": False}
        items = [ours, {"kunci": 2}, ours | {"oleh": {"sumber": "lain"}}, "teks", ours | {"hapus": True}]
        calling = asyncio.create_task(at.call({"data": items}))
        batch = await at.read()
        assert [record.version for record in batch.records] == ["msg_1/1", "msg_1/2", "msg_1/3", "msg_1/4"]
        await at.source.commit(batch, [Rejection(batch.records[2], "bukan objek JSON")])
        answer = {"diterima": 4, "ditolak": [{"urutan": 4, "alasan": "bukan objek JSON"}]}
        assert await calling == (200, answer, "")
        nothing = asyncio.create_task(at.call({"data": [ours]}, "msg_2"))
        batch = await at.read()
        assert batch.records == []
        await at.source.commit(batch, [])
        assert await nothing == (200, {"diterima": 1, "ditolak": []}, "")


async def test_a_change_that_is_told_in_another_call_is_the_same(session: aiohttp.ClientSession) -> None:
    async with desk(session, version=["apa", "versi"]) as at:
        versions = []
        for number, item in enumerate(({"versi": 1}, {"versi": 1}, {"versi": "2"}, {"versi": None})):
            body = {"data": {"kunci": 1, "apa": "x"} | item}
            calling = asyncio.create_task(at.call(body, f"msg_{number}"))
            batch = await at.read()
            versions += [(record.version, record.fault) for record in batch.records]
            await at.source.commit(batch, [])
            assert (await calling)[0] == 200
        assert versions[:3] == [('["x", "1"]', ""), ('["x", "1"]', ""), ('["x", "2"]', "")]
        assert versions[3][1] == "kolom versi: belum diisi"


@pytest.mark.parametrize("body", [b"{", b'{"lain": []}', b'{"data": 3}', b"[" * 100_000])
async def test_a_call_that_holds_no_records_is_refused(session: aiohttp.ClientSession, body: bytes) -> None:
    async with desk(session) as at:
        assert (await at.call(body))[0] == 400


async def test_what_is_no_call(session: aiohttp.ClientSession) -> None:
    async with desk(session, path="/terima", largest=2000) as at:
        address = f"http://127.0.0.1:{at.source.port}"
        assert (await session.post(f"{address}/lain", data=b"")).status == 404
        assert (await session.get(f"{address}/terima")).status == 405
        assert (await session.post(f"{address}/terima", data=b"x" * 3000)).status == 413


async def test_a_call_that_stays_half_sent_ends(session: aiohttp.ClientSession) -> None:
    async with desk(session, wait=0.1) as at:
        reader, writer = await asyncio.open_connection("127.0.0.1", at.source.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_a_port_that_is_taken_may_come_free(session: aiohttp.ClientSession) -> None:
    async with desk(session) as at:
        other = webhook(listen=f"127.0.0.1:{at.source.port}")
        with pytest.raises(Unavailable, match="EADDRINUSE"):
            await other.open(None)
        await at.source.close()
        await other.open(None)
        await other.close()


@pytest.mark.parametrize("listen", ["8080", "127.0.0.1:http", "192.0.2.1:0", ":80"])
async def test_where_it_cannot_listen(listen: str) -> None:
    with pytest.raises(ConfigError, match="listen"):
        await webhook(listen=listen).open(None)


@pytest.mark.parametrize("options", [{"signing_secret": None}, {"bearer_token": "env:UJI_TOKEN"}, {"path": "terima"}])
def test_options_that_do_not_fit(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        webhook(**options)
