"""Answers that never arrive: the message is stored, and whoever sent it cannot know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.applications import Source, Target, compare, rows
from tests.faults.lines import into_handler, into_table, with_follow_ups
from tests.faults.listening import Fate, ListeningProxy

ROWS = 3_000

pytestmark = pytest.mark.timeout(200)


def once_in(count: int, wanted: Callable[[bytes], bool], fate: Fate) -> Callable[[bytes], Fate]:
    """This fate for every so many of the wanted messages, the second first; three times in all."""
    seen = 0

    def judge(payload: bytes) -> Fate:
        nonlocal seen
        if not wanted(payload):
            return Fate.PASS
        seen += 1
        return fate if seen % count == 2 and seen < 3 * count else Fate.PASS

    return judge


def of_a_batch(payload: bytes) -> bool:
    """Whether this acknowledges an atomic batch."""
    return b'"stream":"OPD_' in payload and b'"batch":' in payload


def of_dinsos(payload: bytes) -> bool:
    """Whether this acknowledges what dinsos stores: follow-ups, and now and then a renewal of its lease."""
    return b'"stream":"OPD_DINSOS"' in payload


def of_a_delivery(payload: bytes) -> bool:
    """Whether this delivers an event."""
    return b"ce-type" in payload


@pytest.mark.parametrize("fate", [Fate.SWALLOW, Fate.CUT], ids=["timed out", "cut off"])
async def test_batches_stored_without_an_answer(tmp_path: Path, fate: Fate) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "makam.db")
    written = rows(1, ROWS, seed=1)
    source.write(written)
    async with into_table(tmp_path, source.url, target.url) as (city, _, makam):
        async with ListeningProxy(city.url, once_in(4, of_a_batch, fate)) as proxy:
            siak = city.adapter("dukcapil/siak", SIAK_URL=source.url, BUS_NATS_URL=proxy.url)
            await siak.start()
            await makam.start()
            await city.until(lambda: target.count() >= ROWS, "everything applied")
            await city.until(lambda: siak.count("source goes on") >= 3, "three interruptions")
            await city.until(lambda: city.totals("dukcapil/siak").published >= ROWS, "the index has them all")
        assert not compare(written, target.written())
        assert city.totals("dukcapil/siak").published == ROWS


@pytest.mark.parametrize("fate", [Fate.SWALLOW, Fate.CUT], ids=["timed out", "cut off"])
async def test_follow_ups_stored_without_an_answer(tmp_path: Path, fate: Fate) -> None:
    source, target, kas = Source(tmp_path / "siak.db"), Target(tmp_path / "bansos.db"), Target(tmp_path / "kas.db")
    written = rows(1, ROWS, seed=2)
    source.write(written)
    async with with_follow_ups(tmp_path, source.url, target.url, kas.url) as (city, siak, _, payer):
        async with ListeningProxy(city.url, once_in(5, of_dinsos, fate)) as proxy:
            await siak.start()
            bansos = city.adapter("dinsos/bansos", BANSOS_URL=target.url, BUS_NATS_URL=proxy.url)
            await bansos.start()
            await payer.start()
            await city.until(lambda: kas.count() >= ROWS, "every follow-up applied")
            assert bansos.said("subscription pauses")
        assert not compare(written, target.written())
        assert not compare(written, kas.written())


async def test_deliveries_into_a_lost_connection_keep_their_order(tmp_path: Path) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "bansos.db")
    written = rows(1, ROWS, seed=3, persons=50)
    source.write(written)
    async with into_handler(tmp_path, source.url, target.url) as (city, siak, _):
        async with ListeningProxy(city.url, once_in(700, of_a_delivery, Fate.CUT)) as proxy:
            await siak.start()
            bansos = city.adapter("dinsos/bansos", BANSOS_URL=target.url, BUS_NATS_URL=proxy.url)
            await bansos.start()
            await city.until(lambda: target.count() >= ROWS, "everything applied")
            assert bansos.count("reconnected") == 3
        assert not compare(written, target.written())
