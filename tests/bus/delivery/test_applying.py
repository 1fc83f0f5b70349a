"""Inbox, effect and outbox: one transaction; follow-ups outlive a process between its commit and their publishing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, NoResultFound, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from bus.broker.publish import Message, Stored
from bus.database import engine
from bus.delivery import inbox
from bus.delivery.applying import DirectApplier, TransactionalApplier
from bus.delivery.drafting import Drafting
from bus.delivery.emitting import Emitter
from bus.delivery.follow_ups import FollowUps
from bus.envelope import Event
from bus.errors import BusError, ConfigError, Rejected, Unavailable
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


def duplicate() -> sqlite3.Error:
    """What SQLite says of a second row with the same key."""
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(sqlite3.IntegrityError) as error:
        connection.executescript("CREATE TABLE t (a PRIMARY KEY); INSERT INTO t VALUES ('rahasia'), ('rahasia')")
    return error.value


@pytest.mark.parametrize(
    ("raised", "meant"),
    [
        (IntegrityError("INSERT", {}, duplicate()), Rejected),
        (OperationalError("SELECT", {}, sqlite3.OperationalError("database is locked")), Unavailable),
        (NoResultFound("rahasia"), ConfigError),
    ],
)
async def test_what_a_handlers_own_database_raises_is_understood(raised: Exception, meant: type[BusError]) -> None:
    async def handle(_event: BarisBerubah) -> None:
        raise raised

    drafting, streams = Drafting(KeyTokens(b"uji")), MemoryStreams()
    follow_ups = FollowUps(CONSUMER_APP, "k", frozenset(), CATALOGUE, drafting, ZoneInfo("Asia/Jakarta"))
    applier = DirectApplier(handler_sink(handle, None), follow_ups, Emitter(CONSUMER_APP, streams))

    with pytest.raises(meant) as told:
        await applier.apply([delivery(1)])
    assert "rahasia" not in str(told.value)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_an_event_that_another_transaction_is_just_applying_is_asked_for_again(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """An instance that is thought to be gone, or a commit whose answer is late."""
    made = engine(request.getfixturevalue(kind).url, where="test")
    async with made.begin() as connection:
        await connection.run_sync(inbox.metadata.create_all)

    async def claim() -> set[str]:
        async with made.begin() as connection:
            begun.set()
            return await inbox.claim(connection, "k", ["a", "b"])

    begun = asyncio.Event()
    async with made.begin() as other:
        assert await inbox.claim(other, "k", ["a"]) == {"a"}
        claiming = asyncio.create_task(claim())
        await begun.wait()
        done, _ = await asyncio.wait({claiming}, timeout=0.5)
        assert not done, "it waits for the other"
    if kind == "postgresql":
        assert await claiming == {"b"}
    else:
        with pytest.raises(Unavailable):
            await claiming
        assert await claim() == {"b"}
    await made.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
async def test_what_is_long_past_is_forgotten_while_it_runs(
    kind: str, url: str, request: pytest.FixtureRequest
) -> None:
    """A part at a time; what could come again is remembered, and so is what others have applied."""
    own, where = f"{CONSUMER_APP}/k", url if kind == "sqlite" else request.getfixturevalue(kind).url
    made = engine(where, where="test")
    async with made.begin() as connection:
        await connection.run_sync(inbox.metadata.create_all)
        old = [(own, f"old{n}", 30) for n in range(2 * inbox.PART + 1)]
        rows = [*old, (own, "new", 0), ("other", "old", 30)]
        await connection.execute(
            inbox.INBOX.insert(),
            [
                {"consumer": consumer, "event_id": event_id, "applied_at": datetime.now(UTC) - timedelta(days=days)}
                for consumer, event_id, days in rows
            ],
        )
    applying = applier(where, answer, MemoryStreams())
    await applying.forget()
    async with made.connect() as connection:
        left = (await connection.execute(select(inbox.INBOX.c.consumer, inbox.INBOX.c.event_id))).all()
    assert sorted(map(tuple, left)) == [("other", "old"), (own, "new")]
    await applying.close()
    await made.dispose()
