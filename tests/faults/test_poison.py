"""Rows and events that cannot be taken: only these become dead letters, and they come back when they are repaired."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults import contracts
from tests.faults.applications import Row, Source, Target, compare, nik, singles
from tests.faults.city import City

ROWS = 2_000
EVERY = 100  #: one row in so many is poison: two in each batch

pytestmark = pytest.mark.timeout(200)

# No table of SQLite gives up a CHECK: a trigger refuses instead.
REFUSES = """
CREATE TRIGGER tolak_{when} BEFORE {when} ON kematian WHEN new.akta LIKE '%77' BEGIN
    SELECT RAISE(ABORT, 'ditolak');
END;
"""


async def test_poison_rows_of_a_source(tmp_path: Path) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "makam.db")
    written = singles(1, ROWS)
    poison = {each.number for each in written if each.number % EVERY == 50}
    source.write(Row(each.number, "3571" if each.number in poison else each.nik) for each in written)
    async with City(tmp_path) as city:
        city.office(contracts.PRODUCER)
        city.office(contracts.sink("dinkes", "makam", "MAKAM_URL"))
        await city.start()
        await city.adapter("dukcapil/siak", SIAK_URL=source.url).start()
        await city.adapter("dinkes/makam", MAKAM_URL=target.url).start()

        await city.until(lambda: target.count() >= ROWS - len(poison), "the good rows applied")
        letters = await city.dead_letters()
        assert len(letters) == len(poison)
        assert {(each.kind, each.app, each.place) for each in letters} == {("record", "dukcapil/siak", "source-log")}
        assert {each.columns["akta"] for each in letters} == {f"{number:06d}" for number in poison}

        source.run("UPDATE log_penduduk SET nik = ? WHERE id = ?", *((nik(number), number) for number in poison))
        for letter in letters:
            await city.redrive(letter)
        await city.until(lambda: target.count() >= ROWS, "the repaired rows applied")
        assert not compare(written, target.written())
        assert len(await city.dead_letters()) == len(poison)


async def test_poison_events_at_a_sink_are_redriven_to_it_alone(tmp_path: Path) -> None:
    source = Source(tmp_path / "siak.db")
    target, other = Target(tmp_path / "makam.db"), Target(tmp_path / "pos.db")
    target.run(REFUSES.format(when="INSERT") + REFUSES.format(when="UPDATE"))
    written = singles(1, ROWS)
    poison = [each.akta for each in written if each.akta.endswith("77")]
    source.write(written)
    async with City(tmp_path) as city:
        city.office(contracts.PRODUCER)
        city.office(contracts.sink("dinkes", "makam", "MAKAM_URL"))
        city.office(contracts.sink("satpol", "pos", "POS_URL"))
        await city.start()
        await city.adapter("dukcapil/siak", SIAK_URL=source.url).start()
        await city.adapter("dinkes/makam", MAKAM_URL=target.url).start()
        await city.adapter("satpol/pos", POS_URL=other.url).start()

        await city.until(lambda: target.count() >= ROWS - len(poison), "the good events applied")
        await city.until(lambda: other.count() >= ROWS, "all applied by the other subscriber")

        async def dead() -> bool:
            return len(await city.dead_letters()) >= len(poison)

        await city.until(dead, "the poison in the dead letters")
        letters = await city.dead_letters()
        assert {(each.kind, each.app) for each in letters} == {("event", "dinkes/makam")}
        assert len(letters) == len(poison)
        assert not {row[2] for row in target.written()} & set(poison)

        target.run("DROP TRIGGER tolak_INSERT; DROP TRIGGER tolak_UPDATE")
        for letter in letters:
            await city.redrive(letter)
        await city.until(lambda: target.count() >= ROWS, "the redriven events applied")
        assert not compare(written, target.written())
        assert not compare(written, other.written())
        assert len(await city.dead_letters()) == len(poison)


async def test_an_event_that_kills_its_process(tmp_path: Path) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "bansos.db")
    written = singles(1, 300)
    source.write(written)
    killer = written[123]
    target.order(killer.akta, "mati")
    async with City(tmp_path) as city:
        city.office(contracts.PRODUCER)
        city.office(contracts.handler(database="BANSOS_URL"), contracts.OBEDIENT)
        await city.start()
        await city.adapter("dukcapil/siak", SIAK_URL=source.url).start()
        bansos = city.adapter("dinsos/bansos", BANSOS_URL=target.url)
        await bansos.start()

        async def supervise() -> None:
            while True:
                await bansos.ended()
                await bansos.start()

        supervisor = asyncio.create_task(supervise())
        try:
            await city.until(lambda: target.count() >= len(written) - 1, "all others applied")
        finally:
            supervisor.cancel()
        (letter,) = await city.dead_letters()
        assert letter.event_id not in {row[0] for row in target.written()}
        assert bansos.starts == 1 + 1 + 3  # a death in company, then three alone
        assert bansos.running

        target.obey()
        await city.redrive(letter)
        await city.until(lambda: target.count() >= len(written), "the repaired one applied")
        assert not compare(written, target.written())


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
async def test_poison_holds_its_key_until_a_person_decides(tmp_path: Path, restart: bool) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "bansos.db")
    repaired, discarded = nik(1), nik(2)
    written = [Row(number, (repaired, discarded, nik(3), nik(number))[number % 4]) for number in range(1, 401)]
    of = {key: [each.akta for each in written if each.nik == key] for key in (repaired, discarded)}
    target.order(of[repaired][3], "tolak")
    target.order(of[discarded][5], "tolak")
    source.write(written)
    async with City(tmp_path) as city:
        city.office(contracts.PRODUCER)
        city.office(contracts.handler(database="BANSOS_URL", on_poison="hold"), contracts.OBEDIENT)
        await city.start()
        await city.adapter("dukcapil/siak", SIAK_URL=source.url).start()
        bansos = city.adapter("dinsos/bansos", BANSOS_URL=target.url)
        await bansos.start()

        await city.until(lambda: target.count() >= 200 + 3 + 5, "the other keys go on")
        assert target.aktas(repaired) == of[repaired][:3]
        assert target.aktas(discarded) == of[discarded][:5]
        letters = {each.key_token: each for each in await city.dead_letters()}
        assert len(letters) == 2

        if restart:
            assert await bansos.stop() == 0
        target.obey()
        target.order(of[discarded][5], "tolak")  # beyond repair
        to_repair, to_discard = sorted(letters.values(), key=lambda each: each.sequence)
        await city.redrive(to_repair)
        await city.redrive(to_discard, discard=True)
        if restart:
            await bansos.start()
        await city.until(lambda: target.count() >= len(written) - 1, "both keys released")
        assert target.aktas(repaired) == of[repaired]
        assert target.aktas(discarded) == of[discarded][:5] + of[discarded][6:]
        assert not compare([each for each in written if each.akta != of[discarded][5]], target.written())


async def test_more_held_keys_than_there_is_room_for(tmp_path: Path) -> None:
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "bansos.db")
    written = singles(1, 450)
    source.write(written)
    for each in written[:250]:
        target.order(each.akta, "tolak")
    async with City(tmp_path) as city:
        city.office(contracts.PRODUCER)
        city.office(contracts.handler(database="BANSOS_URL", on_poison="hold"), contracts.OBEDIENT)
        await city.start()
        await city.adapter("dukcapil/siak", SIAK_URL=source.url).start()
        bansos = city.adapter("dinsos/bansos", BANSOS_URL=target.url, BUS_BATCH="50")
        await bansos.start()

        await city.until(lambda: bansos.said("fetches no more"), "no more is fetched")
        letters = await city.dead_letters()
        assert len(letters) == 200
        target.obey()
        for letter in letters:
            await city.redrive(letter)
        await city.until(lambda: target.count() >= len(written), "all applied")
        assert not compare(written, target.written())
