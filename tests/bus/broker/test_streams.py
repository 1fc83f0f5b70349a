"""Streams and consumers: declared, compared, applied on demand, never more than that."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import AsyncMock

import pytest

from bus.broker import streams
from bus.broker.connection import Connection
from bus.broker.consume import Incoming, Subscription
from bus.broker.publish import Publisher
from bus.broker.reading import read_stream
from bus.config import Settings
from bus.contracts.grants import ConsumerGrant
from bus.errors import ConfigError
from bus.subjects import AppName
from tests.bus.broker.conftest import OPD, STREAM, event

GRANT = ConsumerGrant(
    AppName("uji", "penerima"),
    "uji-baris-berubah-v1",
    STREAM,
    "uji_penerima_uji-baris-berubah-v1",
    ("opd.uji.aplikasi.uji.baris.berubah.v1.*",),
    None,
    "all",
)


async def test_what_is_applied_differs_no_more(connection: Connection, settings: Settings) -> None:
    first = await streams.apply(connection, settings, [OPD], [GRANT])

    assert [str(change) for change in first] == [f"create consumer {STREAM}/{GRANT.durable}"]
    assert await streams.plan(connection, settings, [OPD], [GRANT]) == []


async def test_a_changed_setting_is_planned_and_then_applied(connection: Connection, settings: Settings) -> None:
    changed = settings.model_copy(update={"max_age_days": 7.0})

    planned = await streams.plan(connection, changed, [OPD], [])

    assert {change.name: list(change.fields) for change in planned}[STREAM] == ["max_age"]
    assert (await connection.api(f"STREAM.INFO.{STREAM}"))["config"]["max_age"] == 30 * 86_400 * 10**9
    await streams.apply(connection, changed, [OPD], [])
    assert (await connection.api(f"STREAM.INFO.{STREAM}"))["config"]["max_age"] == 7 * 86_400 * 10**9


async def test_a_consumer_s_filter_follows_its_contract(connection: Connection, settings: Settings) -> None:
    await streams.apply(connection, settings, [OPD], [GRANT])
    wider = replace(GRANT, filters=(*GRANT.filters, "opd.uji.lain.uji.baris.berubah.v1.*"))

    changes = await streams.apply(connection, settings, [OPD], [wider])

    assert [change.action for change in changes] == ["update"]
    info = await connection.api(f"CONSUMER.INFO.{STREAM}.{GRANT.durable}")
    assert sorted(info["config"]["filter_subjects"]) == sorted(wider.filters)


async def test_a_consumer_that_no_contract_calls_for_goes_on_demand(connection: Connection, settings: Settings) -> None:
    await streams.apply(connection, settings, [OPD], [GRANT])

    assert [str(change) for change in await streams.plan(connection, settings, [OPD], [])] == [
        f"delete consumer {STREAM}/{GRANT.durable}"
    ]
    assert await streams.apply(connection, settings, [OPD], []) == []
    assert len(await streams.apply(connection, settings, [OPD], [], prune=True)) == 1
    assert await streams.plan(connection, settings, [OPD], []) == []


async def test_no_rollup_can_wipe_a_stream(connection: Connection) -> None:
    config = (await connection.api(f"STREAM.INFO.{STREAM}"))["config"]

    assert config["allow_rollup_hdrs"] is False
    assert config["discard"] == "new"


async def test_a_consumer_that_nobody_made_is_a_clear_error(connection: Connection) -> None:
    handle = AsyncMock()
    subscription = Subscription(connection, STREAM, "tidak_ada", handle, batch=10)

    with pytest.raises(ConfigError, match=r"does not exist.*bus streams apply"):
        await subscription.start()
    await subscription.stop(grace=1)
    handle.assert_not_awaited()


async def test_a_reader_leaves_no_trace_and_ends_with_the_stream(connection: Connection, publisher: Publisher) -> None:
    await publisher.send_all([event(number, key=f"k{number}") for number in range(1500)])

    read = [message async for batch in read_stream(connection, STREAM, follow=False) for message in batch]
    tail = [message async for batch in read_stream(connection, STREAM, after=1490, follow=False) for message in batch]

    assert [message.sequence for message in read] == list(range(1, 1501))
    assert [message.sequence for message in tail] == list(range(1491, 1501))


async def test_a_reader_of_headers_gets_no_bodies(connection: Connection, publisher: Publisher) -> None:
    await publisher.send_all([event(1, body=b'{"nik":"3571010101800001"}')])

    [message] = [
        message async for batch in read_stream(connection, STREAM, headers_only=True, follow=False) for message in batch
    ]

    assert isinstance(message, Incoming)
    assert (message.body, message.headers["ce-id"]) == (b"", "id-1")
