"""Peers that are away for a while, full or slow: everything waits, nothing is lost, nothing is dead-lettered."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.faults import contracts
from tests.faults.applications import Row, Source, Target, compare, nik, rows, singles
from tests.faults.city import City
from tests.faults.lines import into_handler, into_table
from tests.servers.server import Database

DEATHS = "kependudukan-penduduk-meninggal-v1"
AWAY = 30.0  #: seconds

pytestmark = pytest.mark.timeout(250)

POSTGRESQL = """
CREATE TABLE kematian (nik text PRIMARY KEY, akta text, event_id text);
CREATE TABLE catatan (nomor bigserial PRIMARY KEY, event_id text, nik text, akta text, at timestamptz DEFAULT now());
CREATE FUNCTION catat() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO catatan (event_id, nik, akta) VALUES (new.event_id, new.nik, new.akta);
    RETURN new;
END $$;
CREATE TRIGGER catat AFTER INSERT OR UPDATE ON kematian FOR EACH ROW EXECUTE FUNCTION catat();
"""


async def test_database_of_a_sink_away_for_half_a_minute(tmp_path: Path, postgresql: Database) -> None:
    source = Source(tmp_path / "siak.db")
    first, second = rows(1, 2_000, seed=1), rows(2_001, 2_000, seed=1)
    postgresql.sql(POSTGRESQL)

    def count() -> int:
        return int(postgresql.sql("SELECT count(*) FROM catatan")[0][0])

    async with into_table(tmp_path, source.url, postgresql.url) as (city, siak, makam):
        await siak.start()
        await makam.start()
        source.write(first)
        await city.until(lambda: count() > 200, "some applied")

        postgresql.server.stop()
        back = time.monotonic() + AWAY
        source.write(second)
        await city.until(lambda: makam.said("subscription pauses"), "the sink says that it waits", within=AWAY)
        await asyncio.sleep(max(0.0, back - time.monotonic()))  # the fault itself is a length of time
        assert not await city.dead_letters()
        assert makam.running
        postgresql.server.start()

        await city.until(lambda: count() >= 4_000, "everything applied")
        written = postgresql.sql("SELECT event_id, nik, akta FROM catatan ORDER BY nomor")
        assert not compare([*first, *second], [(row[0], row[1], row[2]) for row in written])
        assert not await city.dead_letters()


async def test_transient_errors_of_one_key_hold_that_key_alone(tmp_path: Path) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "bansos.db")
    failing = nik(5_000)
    written = [Row(number, failing if number % 10 == 0 else nik(number)) for number in range(1, 1_001)]
    of_failing = [each.akta for each in written if each.nik == failing]
    target.order(of_failing[2], "putus", 10**6)
    source.write(written)
    async with into_handler(tmp_path, source.url, target.url) as (city, siak, bansos):
        await siak.start()
        await bansos.start()

        await city.until(lambda: target.count() >= 900 + 2, "the other keys applied")
        assert target.aktas(failing) == of_failing[:2]
        later = Row(1_001, nik(1_001))
        source.write([later])
        await city.until(lambda: target.aktas(later.nik) == [later.akta], "one that comes later applied")
        assert target.aktas(failing) == of_failing[:2]
        target.obey()
        await city.until(lambda: target.count() >= len(written) + 1, "the failing key applied")
        assert not compare([*written, later], target.written())
        assert not await city.dead_letters()


@pytest.mark.parametrize("slow", ["lambat", "sibuk"], ids=["waiting", "blocking"])
async def test_handler_slower_than_ack_wait(tmp_path: Path, slow: str) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "bansos.db")
    written = rows(1, 400, seed=2, persons=100)
    target.order(written[3].akta, slow, 4)
    target.order(written[300].akta, slow, 4)
    source.write(written)
    async with into_handler(tmp_path, source.url, target.url) as (city, siak, bansos):
        await city.configure_consumer("OPD_DUKCAPIL", "dinsos/bansos", DEATHS, ack_wait=10**9)
        await siak.start()
        await bansos.start()
        await city.until(lambda: target.count() >= len(written), "everything applied")
        await city.until(lambda: city.settled("OPD_DUKCAPIL", "dinsos/bansos", DEATHS), "everything settled")
        assert not compare(written, target.written())
        assert not await city.dead_letters()


async def test_handler_without_a_database_slower_than_ack_wait(tmp_path: Path) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "bansos.db")
    written = rows(1, 200, seed=3, persons=40)
    source.write(written)
    async with City(tmp_path) as city:
        city.office(contracts.PRODUCER)
        city.office(contracts.handler(), contracts.WITHOUT_DATABASE)
        await city.start()
        await city.configure_consumer("OPD_DUKCAPIL", "dinsos/bansos", DEATHS, ack_wait=10**9)
        await city.adapter("dukcapil/siak", SIAK_URL=source.url).start()
        await city.adapter("dinsos/bansos", BANSOS_PATH=str(target.path), LAMBAT="2").start()
        await city.until(lambda: target.count() >= len(written), "everything applied")
        await city.until(lambda: city.settled("OPD_DUKCAPIL", "dinsos/bansos", DEATHS), "everything settled")
        assert not compare(written, target.written())


async def test_full_stream_pauses_its_source(tmp_path: Path) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "makam.db")
    written = rows(1, 4_000, seed=4)
    source.write(written)
    async with into_table(tmp_path, source.url, target.url, max_bytes=1_000_000) as (city, siak, makam):
        await siak.start()
        await makam.start()
        await city.until(lambda: siak.said("source pauses"), "the source pauses")
        assert siak.said("the stream is full: new events wait where they come from (raise max_bytes")
        assert 0 < await city.stored("OPD_DUKCAPIL") < len(written)

        await city.configure_stream("OPD_DUKCAPIL", max_bytes=100_000_000)
        await city.until(lambda: siak.said("source goes on"), "the source goes on")
        await city.until(lambda: target.count() >= len(written), "everything applied")
        assert not compare(written, target.written())
        assert siak.running


@pytest.mark.parametrize("stream", ["RECEIPTS", "DLQ"])
async def test_full_stream_of_the_bus_loses_nothing(tmp_path: Path, stream: str) -> None:
    """Dead letters wait for room; receipts make room for themselves, and nobody waits."""
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "bansos.db")
    written = singles(1, 2_000)
    bad_rows = {each.akta for each in written if each.number % 100 == 50}
    bad_events = {each.akta for each in written if each.number % 100 == 77}
    for akta in bad_events:
        target.order(akta, "tolak")
    source.write(Row(each.number, "3571" if each.akta in bad_rows else each.nik) for each in written)
    async with into_handler(tmp_path, source.url, target.url) as (city, siak, bansos):
        await city.configure_stream(stream, max_bytes=10_000)
        await siak.start()
        await bansos.start()
        if stream == "DLQ":
            await city.until(lambda: siak.said("the stream is full"), "a writer waits")
            await city.configure_stream(stream, max_bytes=100_000_000)
        good = [each for each in written if each.akta not in bad_rows | bad_events]
        await city.until(lambda: target.count() >= len(good), "everything applied")
        await city.until(lambda: city.settled("OPD_DUKCAPIL", "dinsos/bansos", DEATHS), "everything settled")
        assert not compare(good, target.written())
        assert len(await city.dead_letters()) == len(bad_rows) + len(bad_events)
        assert stream == "DLQ" or not bansos.said("the stream is full")


async def test_restarted_server(tmp_path: Path) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "makam.db")
    async with into_table(tmp_path, source.url, target.url) as (city, siak, makam):
        await siak.start()
        await makam.start()
        source.write(singles(1, 1_000))
        await city.until(lambda: target.count() > 0, "some applied")

        await city.server.stop()
        source.write(singles(1_001, 1_000))
        await city.until(lambda: siak.said("disconnected") and makam.said("disconnected"), "both notice")
        await city.server.start()
        await city.until(lambda: target.count() >= 2_000, "everything applied")
        assert not compare(singles(1, 2_000), target.written())
        assert (siak.starts, makam.starts, siak.running, makam.running) == (1, 1, True, True)
        await city.until(lambda: city.totals("dinkes/makam").applied == 2_000, "the index knows it too")
