"""SIGKILL at any moment: of a producing adapter, a sink, a handler before its follow-up is out, and of nats-server."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import pytest

from tests.faults.applications import Source, Target, compare, rows
from tests.faults.city import PATIENCE
from tests.faults.killing import KILLS, ROWS, SEED, SLICE, kill_often, moments
from tests.faults.lines import into_table, with_follow_ups

DEATHS = "kependudukan-penduduk-meninggal-v1"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def draw() -> random.Random:
    """Draws the moments."""
    return moments()


async def test_killed_producer_loses_and_repeats_nothing(tmp_path: Path, draw: random.Random) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "makam.db")
    async with into_table(tmp_path, source.url, target.url) as (city, siak, makam):
        await siak.start()
        await makam.start()

        async def again() -> None:
            await siak.kill()
            await siak.start()

        written = await kill_often(city, source, draw, lambda: city.stored("OPD_DUKCAPIL"), again)
        await city.until(lambda: target.count() >= ROWS, "everything applied")
        assert not compare(written, target.written())
        assert not await city.dead_letters()
        assert siak.starts == KILLS + 1


async def test_killed_sink_loses_and_repeats_nothing(tmp_path: Path, draw: random.Random) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "makam.db")
    async with into_table(tmp_path, source.url, target.url) as (city, siak, makam):
        await siak.start()
        await makam.start()

        async def again() -> None:
            await makam.kill()
            await makam.start()

        async def progress() -> int:
            return target.count()

        written = await kill_often(city, source, draw, progress, again)
        await city.until(lambda: target.count() >= ROWS, "everything applied")
        await city.until(lambda: city.settled("OPD_DUKCAPIL", "dinkes/makam", DEATHS), "everything settled")
        assert not compare(written, target.written())
        assert not await city.dead_letters()


async def test_handler_killed_before_its_follow_ups_are_out(tmp_path: Path, draw: random.Random) -> None:
    source, target, kas = Source(tmp_path / "siak.db"), Target(tmp_path / "bansos.db"), Target(tmp_path / "kas.db")
    written = rows(1, ROWS, seed=SEED)
    source.write(written)
    async with with_follow_ups(tmp_path, source.url, target.url, kas.url) as (city, siak, bansos, payer):
        await siak.start()
        await payer.start()
        for number in range(KILLS):
            dying = city.adapter(
                "dinsos/bansos",
                program="tests.faults.dying",
                BANSOS_URL=target.url,
                BUS_BATCH="100",
                DIES_AFTER=str(draw.randrange(SLICE)),
                DIES_WHEN=("committed", "published")[number % 2],
            )
            await dying.start()
            assert await asyncio.wait_for(dying.ended(), PATIENCE) == -signal.SIGKILL, dying.tail()
        assert target.count() < ROWS
        await bansos.start()
        await city.until(lambda: kas.count() >= ROWS, "every follow-up applied")
        assert not compare(written, target.written())
        assert not compare(written, kas.written())
        assert target.ask("SELECT count(*) FROM bus_outbox") == [(0,)]
        assert not await city.dead_letters()


async def test_killed_server_loses_and_repeats_nothing(tmp_path: Path, draw: random.Random) -> None:
    source, target, kas = Source(tmp_path / "siak.db"), Target(tmp_path / "bansos.db"), Target(tmp_path / "kas.db")
    async with with_follow_ups(tmp_path, source.url, target.url, kas.url) as (city, siak, bansos, payer):
        await siak.start()
        await bansos.start()
        await payer.start()

        async def again() -> None:
            await city.server.kill()
            await city.server.start()

        async def progress() -> int:
            return target.count()

        written = await kill_often(city, source, draw, progress, again)
        await city.until(lambda: kas.count() >= ROWS, "every follow-up applied")
        assert not compare(written, target.written())
        assert not compare(written, kas.written())
        assert not await city.dead_letters()
        await city.until(lambda: city.totals("dinsos/bansos").applied == ROWS, "the index knows what was applied")
        await city.until(lambda: city.totals("bppkad/kas").applied == ROWS, "and the follow-ups")
