"""Several instances of one application, and the orderly end of one."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest

from tests.faults.applications import Source, Target, compare, rows
from tests.faults.lines import into_handler, into_table, with_follow_ups
from tests.faults.processes import Process

TAKES_OVER = 30.0  #: seconds; the lease of a killed instance runs out after 10
AT_ONCE = 8.0
ENDS = 10.0  #: seconds that an adapter may take to end

pytestmark = pytest.mark.timeout(200)


async def test_second_reader_stands_by_and_takes_over(tmp_path: Path) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "makam.db")
    slices = [rows(1 + number * 1_500, 1_500, seed=1) for number in range(4)]
    written = [row for part in slices for row in part]
    async with into_table(tmp_path, source.url, target.url) as (city, first, makam):
        await makam.start()
        second = city.adapter("dukcapil/siak", SIAK_URL=source.url, **city.elsewhere("dukcapil/siak"))
        await first.start()
        await city.until(lambda: first.count('"active"') == 1, "the first works")
        await second.start()
        await city.until(lambda: second.said("standing by"), "the second stands by")
        source.write(slices[0])
        await city.until(lambda: target.count() >= 1_500, "the first slice applied")
        assert second.count('"active"') == 0

        source.write(slices[1])
        await city.until(lambda: target.count() > 1_600, "the second slice under way")
        await first.kill()
        await city.until(lambda: second.count('"active"') == 1, "the second takes over", within=TAKES_OVER)
        source.write(slices[2])
        await city.until(lambda: target.count() >= 4_500, "the third slice applied")

        await first.start()
        await city.until(lambda: first.said("standing by"), "the first stands by")
        source.write(slices[3])
        await city.until(lambda: target.count() > 4_600, "the last slice under way")
        assert await second.stop() == 0
        await city.until(lambda: first.count('"active"') == 2, "the first takes over at once", within=AT_ONCE)
        await city.until(lambda: target.count() >= len(written), "everything applied")
        assert not compare(written, target.written())


async def test_frozen_instance_is_fenced_when_it_wakes(tmp_path: Path) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "bansos.db")
    slices = [rows(1 + number * 2_000, 2_000, seed=4, persons=200) for number in range(3)]
    written = [row for part in slices for row in part]
    async with into_handler(tmp_path, source.url, target.url) as (city, siak, bansos):
        first = [siak, bansos]
        second = [
            city.adapter("dukcapil/siak", SIAK_URL=source.url, **city.elsewhere("dukcapil/siak")),
            city.adapter("dinsos/bansos", BANSOS_URL=target.url, **city.elsewhere("dinsos/bansos")),
        ]
        for each in first:
            await each.start()
        await city.until(lambda: all(each.said('"active"') for each in first), "the first two work")
        for each in second:
            await each.start()
        await city.until(lambda: all(each.said("standing by") for each in second), "the others stand by")
        source.write(slices[0])
        await city.until(partial(beyond, target, 300), "the first slice under way")
        for each in first:
            each.freeze()
        source.write(slices[1])
        await city.until(lambda: all(each.said('"active"') for each in second), "taken over", within=TAKES_OVER)
        for each in first:
            each.thaw()
        await city.until(lambda: target.count() >= 4_000, "both slices applied")
        source.write(slices[2])
        await city.until(
            lambda: all(each.said("no longer the active instance") for each in first), "the first are fenced"
        )
        await city.until(lambda: target.count() >= len(written), "everything applied")
        assert not compare(written, target.written())
        assert not await city.dead_letters()


async def test_end_during_work(tmp_path: Path) -> None:
    source, target, kas = Source(tmp_path / "siak.db"), Target(tmp_path / "bansos.db"), Target(tmp_path / "kas.db")
    written = rows(1, 3_000, seed=2)
    source.write(written)
    async with with_follow_ups(tmp_path, source.url, target.url, kas.url) as (city, siak, bansos, payer):
        adapters = [siak, bansos, payer]
        for adapter in adapters:
            await adapter.start()
        for starts, goal in enumerate((500, 1_000, 1_500), 1):
            await city.until(partial(beyond, kas, goal), f"{goal} follow-ups applied")
            for adapter in adapters:
                await city.until(partial(active, adapter, starts), "it works again")
                begun = time.monotonic()
                assert await adapter.stop() == 0, adapter.tail()
                assert time.monotonic() - begun < ENDS, adapter.name
                await adapter.start()
        await city.until(lambda: kas.count() >= len(written), "everything applied")
        assert not compare(written, target.written())
        assert not compare(written, kas.written())


def active(adapter: Process, starts: int) -> bool:
    """Whether it has got to work as often as it was started: before, a signal ends it as any process."""
    return adapter.count('"active"') >= starts


def beyond(target: Target, goal: int) -> bool:
    """Whether more than so many were written."""
    return target.count() > goal


@pytest.mark.parametrize("away", ["target", "server"])
async def test_end_while_a_peer_is_away(tmp_path: Path, away: str) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "bansos.db")
    written = rows(1, 1_000, seed=3)
    if away == "target":
        for each in written[500:]:
            target.order(each.akta, "putus", 10**6)
    source.write(written)
    async with into_handler(tmp_path, source.url, target.url) as (city, siak, bansos):
        adapters = [siak, bansos]
        for adapter in adapters:
            await adapter.start()
        await city.until(lambda: target.count() > 100, "some applied")
        if away == "server":
            await city.server.kill()
            await city.until(lambda: all(each.said("disconnected") for each in adapters), "both notice")
        else:
            await city.until(lambda: adapters[1].said("subscription pauses"), "the target fails")
        for adapter in adapters:
            begun = time.monotonic()
            assert await adapter.stop() == 0, adapter.tail()
            assert time.monotonic() - begun < ENDS, adapter.name

        await city.server.start()
        target.obey()
        for adapter in adapters:
            await adapter.start()
        await city.until(lambda: target.count() >= len(written), "everything applied")
        assert not compare(written, target.written())
