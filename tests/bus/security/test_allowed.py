"""What an application needs, it can do with its own credential; and what operations may, and may not."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from bus.security.credentials import Role
from tests.bus.security.conftest import Hall
from tests.bus.security.offices import SIAK, SIMRS, Desk, desk

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENT = "opd.dukcapil.siak.kependudukan.penduduk.meninggal.v1"
CURSOR = "opd.dukcapil.siak.cursor.mutasi"
STREAM = "OPD_DUKCAPIL"
DURABLE = "rsud_simrs_kependudukan-penduduk-meninggal-v1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def siak(hall: Hall) -> AsyncIterator[Desk]:
    async with desk(hall.home, hall.server.url, SIAK) as connected:
        yield connected


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simrs(hall: Hall) -> AsyncIterator[Desk]:
    async with desk(hall.home, hall.server.url, SIMRS) as connected:
        yield connected


async def ask(desk: Desk, subject: str, payload: bytes = b"", headers: dict[str, str] | None = None) -> Any:
    return json.loads((await desk.client.request(subject, payload, timeout=5, headers=headers)).data)


async def pull(desk: Desk, count: int) -> list[Msg]:
    """Pulls exactly so many messages."""
    inbox = desk.client.new_inbox()
    subscription = await desk.client.subscribe(inbox)
    request = json.dumps({"batch": count, "expires": 5_000_000_000}).encode()
    await desk.client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{DURABLE}", request, reply=inbox)
    try:
        return [await subscription.next_msg(timeout=5) for _ in range(count)]
    finally:
        await subscription.unsubscribe()


async def info(desk: Desk) -> Any:
    return await ask(desk, f"$JS.API.CONSUMER.INFO.{STREAM}.{DURABLE}")


async def drained(desk: Desk) -> None:
    """Takes and acknowledges whatever the consumer has."""
    while pending := (state := await info(desk))["num_pending"] + state["num_ack_pending"]:
        await ask(desk, f"$JS.API.CONSUMER.RESET.{STREAM}.{DURABLE}")
        for message in await pull(desk, pending):
            await message.ack_sync()


async def test_an_event_is_stored_and_acknowledged(siak: Desk) -> None:
    headers = {"Nats-Msg-Id": uuid.uuid4().hex, "ce-id": "1"}
    first = await ask(siak, f"{EVENT}.abc", b"{}", headers)
    assert first["stream"] == STREAM
    assert (await ask(siak, f"{EVENT}.abc", b"{}", headers))["duplicate"] is True


async def test_an_atomic_batch_is_stored_with_its_fenced_cursor(siak: Desk) -> None:
    start = await ask(siak, CURSOR, b'{"baris":0}')

    async def send(expected: int) -> Any:
        batch, inbox = uuid.uuid4().hex, siak.client.new_inbox()
        subscription = await siak.client.subscribe(inbox)
        for number in (1, 2, 3):
            headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
            if number < 3:
                await siak.client.publish(f"{EVENT}.k{number}", b"{}", headers=headers)
            else:
                headers |= {"Nats-Batch-Commit": "1", "Nats-Expected-Last-Subject-Sequence": str(expected)}
                await siak.client.publish(CURSOR, b'{"baris":2}', reply=inbox, headers=headers)
        answer = await subscription.next_msg(timeout=5)
        await subscription.unsubscribe()
        return json.loads(answer.data)

    stored = await send(start["seq"])
    assert (stored["count"], stored["seq"]) == (3, start["seq"] + 3)
    refused = await send(start["seq"])  # another reader that has not seen this cursor
    assert refused["error"]["err_code"] in (10071, 10164)
    cursor = await siak.client.request(f"$JS.API.DIRECT.GET.{STREAM}.{CURSOR}", b"", timeout=5)
    assert cursor.data == b'{"baris":2}'
    assert cursor.headers is not None
    assert cursor.headers["Nats-Sequence"] == str(stored["seq"])
    assert "Nats-Request-Info" not in cursor.headers


async def test_a_fast_ingest_batch_is_acknowledged(siak: Desk) -> None:
    count, flow = 300, 50
    prefix = f"{siak.client.new_inbox()}.{uuid.uuid4().hex}"
    answers: list[Any] = []
    done = asyncio.Event()

    async def on_answer(message: Msg) -> None:
        answers.append(json.loads(message.data))
        if "stream" in answers[-1] or "error" in answers[-1]:
            done.set()

    subscription = await siak.client.subscribe(f"{prefix}.>", cb=on_answer)
    for number in range(1, count + 1):
        operation = 0 if number == 1 else 2 if number == count else 1
        reply = f"{prefix}.{flow}.fail.{number}.{operation}.$FI"
        await siak.client.publish(f"{EVENT}.cepat{number}", b"{}", reply=reply)
    await asyncio.wait_for(done.wait(), 10)
    await subscription.unsubscribe()
    assert "error" not in answers[-1]
    assert answers[-1]["count"] == count
    assert len(answers) > 1  # flow control arrives as well


async def test_dead_letters_receipts_and_telemetry_may_be_sent(siak: Desk) -> None:
    assert (await ask(siak, "dlq.dukcapil.siak.record.mutasi.1", b"{}"))["stream"] == "DLQ"
    assert (await ask(siak, "receipt.dukcapil.siak.kesehatan", b"{}"))["stream"] == "RECEIPTS"
    assert not await siak.refuses_publish("telemetry.dukcapil.siak.spans")


async def test_a_consumer_is_pulled_and_acknowledged(siak: Desk, simrs: Desk) -> None:
    await drained(simrs)
    await ask(siak, f"{EVENT}.tarik", b'{"nik":"x"}', {"ce-id": "tarik"})
    (message,) = await pull(simrs, 1)
    assert (message.subject, message.headers) == (f"{EVENT}.tarik", {"ce-id": "tarik"})
    assert (await info(simrs))["num_ack_pending"] == 1
    await message.ack_sync()
    assert (await info(simrs))["num_ack_pending"] == 0


async def test_a_plain_acknowledgement_arrives_too(siak: Desk, simrs: Desk) -> None:
    await drained(simrs)
    await ask(siak, f"{EVENT}.satu", b"{}")
    await ask(siak, f"{EVENT}.dua", b"{}")
    first, second = await pull(simrs, 2)
    await first.in_progress()
    await first.ack()
    await second.ack_sync()  # in order behind the plain one
    assert (await info(simrs))["num_ack_pending"] == 0


async def test_acknowledgements_of_the_second_form_are_permitted(simrs: Desk) -> None:
    assert not await simrs.refuses_publish(f"$JS.ACK._.AbCdEfGh.{STREAM}.{DURABLE}.1.1.1.1.0.x", b"+ACK")


async def test_a_reset_delivers_again_from_the_ack_floor(siak: Desk, simrs: Desk) -> None:
    await drained(simrs)
    for key in ("a", "b"):
        await ask(siak, f"{EVENT}.{key}", b"{}")
    before = await pull(simrs, 2)
    await ask(simrs, f"$JS.API.CONSUMER.RESET.{STREAM}.{DURABLE}")
    again = await pull(simrs, 2)
    assert [each.subject for each in again] == [each.subject for each in before]
    for each in again:
        await each.ack_sync()


async def test_a_redrive_reaches_its_consumer_alone(hall: Hall, simrs: Desk) -> None:
    async with desk(hall.home, hall.server.url, Role.OPS) as ops:
        subject = "redrive.rsud.simrs.kependudukan-penduduk-meninggal-v1"
        assert (await ask(ops, subject, b"{}"))["stream"] == "REDRIVE"
    inbox = simrs.client.new_inbox()
    subscription = await simrs.client.subscribe(inbox)
    await simrs.client.publish(f"$JS.API.CONSUMER.MSG.NEXT.REDRIVE.{DURABLE}", b'{"batch":1}', reply=inbox)
    message = await subscription.next_msg(timeout=5)
    await subscription.unsubscribe()
    assert message.subject == subject
    await message.ack_sync()


async def test_operations_read_everything(hall: Hall, siak: Desk) -> None:
    sent = await ask(siak, f"{EVENT}.lihat", b"{}")
    async with desk(hall.home, hall.server.url, Role.OPS) as ops:
        assert STREAM in (await ops.api("STREAM.NAMES"))["streams"]
        assert (await ops.api(f"STREAM.INFO.{STREAM}"))["state"]["messages"] > 0
        assert (await ops.api(f"CONSUMER.INFO.{STREAM}.{DURABLE}"))["name"] == DURABLE
        body = json.dumps({"seq": sent["seq"]}).encode()
        assert (await ops.client.request(f"$JS.API.DIRECT.GET.{STREAM}", body, timeout=5)).data == b"{}"
        inbox = ops.client.new_inbox()
        subscription = await ops.client.subscribe(inbox)
        config = {
            "deliver_subject": inbox,
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": sent["seq"],
            "headers_only": True,
        }
        created = await ops.api(f"CONSUMER.CREATE.{STREAM}", {"stream_name": STREAM, "config": config})
        assert "error" not in created
        message = await subscription.next_msg(timeout=5)
        assert message.subject == f"{EVENT}.lihat"


@pytest.mark.parametrize(
    "subject",
    [
        f"{EVENT}.abc",
        CURSOR,
        "dlq.dukcapil.siak.event.x.1",
        "receipt.dukcapil.siak.x",
        f"$JS.API.STREAM.DELETE.{STREAM}",
        f"$JS.API.STREAM.PURGE.{STREAM}",
        f"$JS.API.STREAM.UPDATE.{STREAM}",
        f"$JS.API.STREAM.MSG.DELETE.{STREAM}",
        f"$JS.API.CONSUMER.DELETE.{STREAM}.{DURABLE}",
        f"$JS.API.CONSUMER.RESET.{STREAM}.{DURABLE}",
        f"$JS.API.CONSUMER.PAUSE.{STREAM}.{DURABLE}",
        f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{DURABLE}",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.{DURABLE}",
        f"$JS.API.CONSUMER.CREATE.{STREAM}.{DURABLE}",
        f"$JS.ACK.{STREAM}.{DURABLE}.1.1.1.1.0",
        "$SYS.REQ.CLAIMS.UPDATE",
    ],
)
async def test_operations_change_nothing(hall: Hall, subject: str) -> None:
    async with desk(hall.home, hall.server.url, Role.OPS) as ops:
        assert await ops.refuses_publish(subject)


@pytest.mark.parametrize("subject", [">", "opd.>", "dlq.>", "_INBOX.>", "_INBOX.rsud_simrs.>", "$JS.>"])
async def test_operations_hear_nothing_but_answers(hall: Hall, subject: str) -> None:
    async with desk(hall.home, hall.server.url, Role.OPS) as ops:
        assert await ops.refuses_subscribe(subject)
