"""The indexer on a real server: what it reads, what it takes for what it is not, and where it goes on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from bus import subjects
from bus.broker.connection import Connection
from bus.broker.publish import Message, Publisher
from bus.broker.streams import opd_streams
from bus.envelope import Event
from bus.observability.index import Index
from bus.observability.indexer import Indexer, live_consumers
from bus.subjects import AppName
from tests.bus.observability.conftest import BANSOS, DIED, PLACE, SIAK, STREAMS


def died(number: int, token: str = "tokentokentoken2", **more: object) -> Message:
    event_id = f"{number:032x}"
    fields = {"traceparent": f"00-{event_id}-{event_id[:16]}-01", "parties": ("partypartyparty2",), **more}
    event = Event(event_id, SIAK.ce_source, DIED.ce_type, token, "2026-11-24T08:00:00+07:00", b"{}", **fields)  # type: ignore[arg-type]
    return Message.of(subjects.event(SIAK, DIED, token), b"{}", event_id, event.headers())


def receipt(app: AppName, ids: list[str], *, said: str = "") -> Message:
    body = {"app": said or str(app), "consumer": PLACE, "outcome": "applied", "at": "2026-11-24", "ids": ids}
    return Message.of(subjects.receipt(app, PLACE), json.dumps(body).encode(), f"{app}{said}{ids}")


async def test_it_catches_up_and_goes_on_where_it_was(admin: Connection, tmp_path: Path) -> None:
    publisher = Publisher(admin)
    await publisher.send_all([died(1), died(2, hop=1)])
    await publisher.send(receipt(BANSOS, [f"{1:032x}"]))
    with Index(tmp_path / "own.db") as index:
        assert await Indexer(admin, index, STREAMS).catch_up()
        found = index.event(f"{1:032x}")
        assert found is not None
        assert (found.stream, found.sequence, found.source, found.trace) == (
            "OPD_DUKCAPIL",
            1,
            "dukcapil/siak",
            f"{1:032x}",
        )
        assert [each.sequence for each in index.events_of_key("partypartyparty2")] == [1, 2]
        assert [each.app for each in index.receipts(f"{1:032x}")] == ["dinsos/bansos"]
        await publisher.send(died(3))
        assert await Indexer(admin, index, STREAMS).catch_up()
        assert index.last_of_types("dukcapil/siak")[0][:2] == (str(DIED), 3)


async def test_what_is_malformed_or_in_anothers_name_is_left_out(admin: Connection, tmp_path: Path) -> None:
    ids = [f"{1:032x}"]
    lies = [
        receipt(BANSOS, ids, said="dukcapil/siak"),
        Message.of(subjects.receipt(BANSOS, PLACE), b"[]", "a"),
        Message.of(subjects.receipt(BANSOS, PLACE), b"\xff", "b"),
        Message.of(subjects.dead_letter(BANSOS, "event", PLACE, "aa"), b"{}", "c"),
        Message.of("dlq.x", b"{}", "d"),
        Message.of(subjects.redrive(BANSOS, PLACE), b"{}", "e"),
        Message.of(f"opd.dukcapil.siak.{DIED}.tokentokentoken2", b"{}", "f", {"ce-hop": "many", "traceparent": "x"}),
    ]
    for message in (*lies, died(1)):
        await Publisher(admin).send(message)
    with Index(tmp_path / "own.db") as index:
        assert await Indexer(admin, index, STREAMS).catch_up()
        assert index.receipts(ids[0]) == []
        assert index.letters() == []
        assert index.last_of_types("dukcapil/siak")[0][1] == 2  # an event without headers is shown for what it is


async def test_it_follows_and_knows_the_consumers(admin: Connection, tmp_path: Path) -> None:
    with Index(tmp_path / "own.db") as index:
        running = asyncio.create_task(Indexer(admin, index, STREAMS).run())
        try:
            await Publisher(admin).send(died(7))
            async with asyncio.timeout(20):
                while index.event(f"{7:032x}") is None or not index.consumers("OPD_DUKCAPIL"):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        (consumer,) = index.consumers("OPD_DUKCAPIL")
        assert (str(consumer.app), consumer.place, consumer.start) == ("dinsos/bansos", PLACE, "new")
        assert consumer.filters == (f"opd.dukcapil.siak.{DIED}.*",)
        (live,) = await live_consumers(admin, "OPD_DUKCAPIL")
        assert live.pending == 1
        assert live.begins_ms == live.created_ms > 0
    assert await opd_streams(admin) == STREAMS


async def test_a_stream_that_is_made_anew_is_read_anew(admin: Connection, tmp_path: Path) -> None:
    publisher = Publisher(admin)
    await publisher.send_all([died(1), died(2)])
    with Index(tmp_path / "own.db") as index:
        await Indexer(admin, index, STREAMS).catch_up()
        configuration = (await admin.api("STREAM.INFO.OPD_DUKCAPIL"))["config"]
        await admin.api("STREAM.DELETE.OPD_DUKCAPIL")
        await admin.api("STREAM.CREATE.OPD_DUKCAPIL", configuration)
        await publisher.send_all([died(3), died(4), died(5)])
        await Indexer(admin, index, STREAMS).catch_up()
        assert [each.id for each in index.events_of_key("tokentokentoken2")] == [f"{n:032x}" for n in (3, 4, 5)]


async def test_a_second_writer_leaves_the_index_alone(admin: Connection, tmp_path: Path) -> None:
    with Index(tmp_path / "own.db") as first, Index(tmp_path / "own.db") as second:
        assert await Indexer(admin, first, STREAMS).catch_up()
        assert not await Indexer(admin, second, STREAMS).catch_up()
