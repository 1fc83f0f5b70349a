"""Inbox, effect and outbox: one transaction; follow-ups outlive a process between its commit and their publishing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bus.broker.publish import Message, Stored
from bus.database import engine
from bus.delivery.applying import TransactionalApplier
from bus.delivery.drafting import Drafting
from bus.delivery.emitting import Emitter
from bus.delivery.follow_ups import FollowUps
from bus.envelope import Event
from bus.errors import Rejected
from bus.events.registry import KeyTokens
from bus.ports import Delivery
from bus.subjects import AppName
from bus.testing import Crash, MemoryStreams, handler_sink
from bus.testing.events import APP, CATALOGUE, NAME, BarisBerubah

CONSUMER_APP = AppName("uji", "penerima")


class DyingStreams(MemoryStreams):
    """The process dies when it publishes."""

    async def send_all(self, messages: Sequence[Message], *, tracestate: str = "") -> list[Stored]:
        raise Crash


async def answer(event: BarisBerubah, transaction: AsyncConnection) -> list[BarisBerubah]:
    """A handler with an effect and a follow-up."""
    await transaction.execute(text("INSERT INTO efek VALUES (:kunci)"), {"kunci": event.kunci})
    return [BarisBerubah(kunci=f"jawab-{event.kunci}", nilai="ya")]


async def refuse(event: BarisBerubah, transaction: AsyncConnection) -> None:
    """A handler that fails after its effect."""
    await transaction.execute(text("INSERT INTO efek VALUES (:kunci)"), {"kunci": event.kunci})
    raise LookupError(event.nilai)


def delivery(number: int) -> Delivery:
    event = Event(f"{number:032x}", APP.ce_source, NAME.ce_type, "k", "2026-01-31T08:00:00+07:00", b"{}")
    return Delivery(event, BarisBerubah(kunci=str(number), nilai="rahasia"), frozenset({"kunci", "nilai"}), "S", number)


def applier(url: str, handler: Any, streams: MemoryStreams) -> TransactionalApplier:
    drafting = Drafting(KeyTokens(b"uji"))
    follow_ups = FollowUps(CONSUMER_APP, "k", frozenset({NAME}), CATALOGUE, drafting, ZoneInfo("Asia/Jakarta"))
    sink = handler_sink(handler, url)
    return TransactionalApplier(
        sink, follow_ups, Emitter(CONSUMER_APP, streams), CONSUMER_APP, "k", keep=timedelta(days=1)
    )


@pytest.fixture
async def url(sqlite_url: str) -> str:
    """A database with a table for effects."""
    made = engine(sqlite_url, where="test")
    async with made.begin() as connection:
        await connection.execute(text("CREATE TABLE efek (kunci TEXT)"))
    await made.dispose()
    return sqlite_url


async def effects(url: str) -> list[str]:
    made = engine(url, where="test")
    async with made.connect() as connection:
        found = list((await connection.execute(text("SELECT kunci FROM efek"))).scalars())
    await made.dispose()
    return found


async def test_follow_ups_of_a_dead_process_are_published_at_the_next_start(url: str) -> None:
    dying = applier(url, answer, DyingStreams())
    await dying.open()
    with pytest.raises(Crash):
        await dying.apply([delivery(1), delivery(2)])
    await dying.close()

    streams = MemoryStreams()
    living = applier(url, answer, streams)
    await living.open()  # no event need come for it
    await living.apply([delivery(1), delivery(2)])
    await living.close()

    assert await effects(url) == ["1", "2"]
    assert [message.headers["ce-hop"] for message in streams.events] == ["1", "1"]


async def test_an_event_twice_in_one_batch_has_one_effect(url: str) -> None:
    streams = MemoryStreams()
    once = applier(url, answer, streams)
    await once.open()
    await once.apply([delivery(1), delivery(1)])
    await once.close()

    assert await effects(url) == ["1"]
    assert streams.count == 1


async def test_a_failed_handler_leaves_no_trace_and_no_values(url: str) -> None:
    failing = applier(url, refuse, MemoryStreams())
    await failing.open()
    with pytest.raises(Rejected, match="LookupError") as refused:
        await failing.apply([delivery(1)])
    await failing.close()

    assert await effects(url) == []
    assert "rahasia" not in str(refused.value)
