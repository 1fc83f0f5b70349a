"""The complaint desk in the city: complaints reach their department, answers and alarms the desk, each of them once.

Over a real bus, real databases and a real broker.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bus import subjects
from bus.broker.reading import read_stream
from tests.adapters.departments import samples
from tests.adapters.departments.city import SMALL, running
from tests.adapters.departments.desk import Desk
from tests.adapters.departments.test_pengaduan import PENGADUAN, entries
from tests.faults.city import City
from tests.servers.mqtt import Mosquitto
from tests.servers.server import PASSWORD, USER, Database

PENERTIBAN, SENSOR = samples.folder("satpolpp/penertiban"), samples.folder("bpbd/sensor")
POST = "tma-kresek-01"  #: the broker stays, with what it retains and keeps: this test has a post of its own
OWN = "opd.kominfo.pengaduan.pengaduan.>"  #: the subjects of the desk's events
KILLS = 2
CALLS, ENTRIES, STEPS = 30, 10, 60  #: of each round: calls of the desk, entries in each; another department's steps
STEP = "INSERT INTO tindak_lanjut VALUES ('LPR-2026-000123', {}, 'Petugas memeriksa lokasi.', 'DIPROSES', '2026-03-16')"


@pytest.fixture
def duty_room(postgresql: Database, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The database of the department that watches the river; its posts send to the broker."""
    postgresql.load(SENSOR / "samples" / "application.sql")
    monkeypatch.setenv("BPBD_URL", postgresql.url)
    monkeypatch.setenv("SENSOR_URL", mosquitto.url)
    monkeypatch.setenv("SENSOR_USER", USER)
    monkeypatch.setenv("SENSOR_PASSWORD", PASSWORD)
    return postgresql


async def told(city: City) -> int:
    """How many events the desk has published."""
    return await city.held("OPD_KOMINFO", OWN)


async def test_a_complaint_reaches_its_department_and_the_answer_comes_back(
    meja: Desk, officers: Database, tmp_path: Path
) -> None:
    meja.fails_every = 2  # 503, or it is applied and the answer says 500
    both = (PENGADUAN, PENERTIBAN)
    async with running(tmp_path, both, here=both) as city:
        meja.enter(*entries()[:2])
        await city.until(lambda: bool(officers.sql("SELECT 1 FROM laporan")), "the complaint is at its department")
        officers.sql(STEP.format(1))
        await city.until(lambda: bool(meja.of("bus", "ditindaklanjuti")), "the desk knows of the follow-up")
        officers.sql("INSERT INTO penyelesaian VALUES ('LPR-2026-000123', 'Sudah turun.', 'TUNTAS', '2026-03-18')")
        await city.until(lambda: bool(meja.of("bus", "selesai")), "the answer is at the desk")
        officers.sql("DELETE FROM penyelesaian")
        await city.until(lambda: bool(meja.withdrawn), "the desk knows that the answer is withdrawn")
        await city.until(lambda: meja.idle, "the desk has called out for all that came")

        assert officers.sql("SELECT nomor, judul FROM laporan") == [("LPR-2026-000123", "Reklame menutup trotoar")]
        assert await told(city) == 2, "what came from the bus has become no event again"
        assert not await city.dead_letters()

    (answer,) = meja.of("bus", "selesai")
    assert answer["laporan"] == {"nomor": "LPR-2026-000123"}
    assert answer["langkah"] == {"opd": "satpolpp", "uraian": "Sudah turun.", "hasil": "TUNTAS"}
    assert meja.withdrawn == {answer["id"]}
    assert len(meja.applied) == len(set(meja.applied)) == 3
    assert meja.pushed > 3
    assert not meja.unsigned


async def test_an_alarm_of_the_river_reaches_the_duty_room_and_the_desk(
    meja: Desk, duty_room: Database, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async def measured(value: float, minute: int, *, retain: bool = False) -> None:
        reading = {"nilai": value, "waktu": f"2026-03-15T17:{minute}:00+07:00"}
        await mosquitto.publish(f"sensor/sungai/{POST}", [json.dumps(reading)], retain=retain)

    def told_of() -> list[dict[str, Any]]:
        return [each for each in meja.of("bus", "peringatan") if each["peringatan"]["sensor"] == POST]

    def desk_knows(*levels: str) -> bool:
        return [each["peringatan"]["tingkat"] for each in told_of()] == list(levels)

    both = (PENGADUAN, SENSOR)
    await measured(130.5, 40, retain=True)  # there when the adapter comes for the first time
    async with running(tmp_path, both, here=both) as city:
        await city.until(lambda: desk_knows("SIAGA"), "the desk knows of the alarm")
        for minute, value in enumerate((131, 129.5, 70, 69), 41):
            await measured(value, minute)
        await city.until(lambda: desk_knows("SIAGA", "NORMAL"), "the desk knows that it is over")
        latest = f"SELECT tingkat, nilai FROM siaga_sekarang WHERE sensor = '{POST}'"
        await city.until(lambda: duty_room.sql(latest) == [("NORMAL", "70.000")], "the duty room knows it too")
        alarm = f"SELECT event_id, sensor, 'Sensor diuji' FROM bus_peringatan WHERE sensor = '{POST}' AND nilai = 70"
        duty_room.sql(f"INSERT INTO peringatan_batal {alarm}")
        await city.until(lambda: bool(meja.withdrawn), "the desk knows that one was false")
        assert duty_room.sql(latest) == [("SIAGA", "130.500")]
        await city.until(lambda: meja.idle, "the desk has called out for all that came")
        assert await told(city) == 0
        assert not await city.dead_letters()
        await mosquitto.publish(f"sensor/sungai/{POST}", [""], retain=True)  # clears it

    first, last = told_of()
    assert meja.withdrawn == {last["id"]}
    assert first["waktu"] == "2026-03-15T17:40:00+07:00"
    assert first["peringatan"] == {
        "sensor": POST,
        "jenis": "BANJIR",
        "tingkat": "SIAGA",
        "nilai": 130.5,
        "satuan": "cm",
        "lokasi": "Kali Kresek, Tempurejo",
        "kode_wilayah": "35.71.03.1011",
    }


async def test_an_adapter_that_is_killed_again_and_again_loses_and_repeats_nothing(
    meja: Desk, officers: Database, tmp_path: Path
) -> None:
    pattern = entries()[1]

    def done(calls: int, steps: int) -> bool:
        return len(meja.answers) >= calls and len(meja.applied) >= steps

    async with running(tmp_path, (PENGADUAN, PENERTIBAN), here=[PENERTIBAN]) as city:
        adapter = city.adapter("kominfo/pengaduan")
        for ended in range(KILLS + 1):
            await adapter.start()
            for call in range(ended * CALLS, (ended + 1) * CALLS):
                meja.enter(*[pattern | {"id": f"LPR-2026-000124/{call}/{number}"} for number in range(ENTRIES)])
            officers.sql(";".join(STEP.format(number) for number in range(ended * STEPS, (ended + 1) * STEPS)))
            if ended < KILLS:
                half = partial(done, ended * CALLS + CALLS // 2, ended * STEPS + STEPS // 2)
                await city.until(half, f"half of round {ended} is done")
                await adapter.kill()
        calls, steps = (KILLS + 1) * CALLS, (KILLS + 1) * STEPS
        await city.until(partial(done, calls, steps), "everything is done")
        assert await told(city) == calls * ENTRIES
        assert len(meja.applied) == len(set(meja.applied)) == steps
        assert not await city.dead_letters()
        assert await adapter.stop() == 0


@pytest.mark.parametrize("fault", ["full", "away"])
async def test_a_call_is_answered_with_success_only_when_what_it_told_lies_in_the_stream(
    meja: Desk, tmp_path: Path, fault: str
) -> None:
    pattern = entries()[0]
    contract = (PENGADUAN / "adapter.toml").read_text(encoding="utf-8")

    def called(first: int, last: int) -> set[str]:
        """Calls of some complaints each; their names."""
        numbers = [[f"LPR-2026-{call * 3 + place:06}" for place in range(3)] for call in range(first, last)]
        return {
            meja.enter(*[pattern | {"id": each, "laporan": {**pattern["laporan"], "nomor": each}} for each in told])
            for told in numbers
        }

    async with City(tmp_path, max_bytes=SMALL) as city:
        city.office(re.sub("^(path +=)", r"wait = 0.3\n\1", contract, flags=re.MULTILINE))
        await city.start()
        stream = subjects.stream("kominfo")
        await city.adapter("kominfo/pengaduan").start()
        before = called(0, 5)
        await city.until(lambda: meja.answers.keys() == before, "the first calls are answered")

        if fault == "full":
            info = await city.admin.api(f"STREAM.INFO.{stream}")
            await city.configure_stream(stream, max_bytes=info["state"]["bytes"] + 1)
        else:
            await city.server.kill()
        refused, during = meja.refused, called(5, 10)
        await city.until(lambda: meja.refused >= refused + 3, "a call is refused again and again")
        assert meja.answers.keys() == before

        if fault == "full":
            assert await told(city) == len(before) * 3
            await city.configure_stream(stream, max_bytes=SMALL)
        else:
            await city.server.start()
        await city.until(lambda: meja.idle, "every call is answered with success")

        async def stored() -> Counter[str]:
            batches = read_stream(city.ops, stream, filters=[OWN], follow=False)
            return Counter([json.loads(each.body)["nomor_laporan"] async for batch in batches for each in batch])

        assert await stored() == Counter(meja.entries.keys())
        assert [meja.answers[call] for call in before | during] == [{"diterima": 3, "ditolak": []}] * 10
        assert not await city.dead_letters()
