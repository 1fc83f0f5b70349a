"""bpbd/sensor: readings become warnings where the level of their post changes; the book of disasters; the list."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bus.testing.adapters import expected
from schemas.kebencanaan import PeringatanDikeluarkan
from tests.adapters.departments import samples
from tests.adapters.departments.office import Office
from tests.adapters.departments.receiving import deliver
from tests.servers.mqtt import Mosquitto
from tests.servers.server import PASSWORD, USER, Database

SENSOR = samples.folder("bpbd/sensor")
WARNING = "kebencanaan.peringatan.dikeluarkan.v1"
REJECTED = [
    "kolom kode_wilayah: ini tampaknya kode BPS; pakai kode Kemendagri (bagian terakhir mulai dari 1001)",
    "kolom tingkat: belum diisi",
]


@pytest.fixture
def book(postgresql: Database, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The duty officers' book in PostgreSQL, and the broker of the posts."""
    postgresql.load(SENSOR / "samples" / "application.sql")
    for name, value in {
        "BPBD_URL": postgresql.url,
        "SENSOR_URL": mosquitto.url,
        "SENSOR_USER": USER,
        "SENSOR_PASSWORD": PASSWORD,
    }.items():
        monkeypatch.setenv(name, value)
    return postgresql


async def send(mosquitto: Mosquitto, *messages: tuple[str, str], retain: bool = False) -> None:
    """What posts send, one after the other."""
    for topic, payload in messages:
        await mosquitto.publish(topic, [payload], retain=retain)


async def test_the_samples_become_the_events_beside_them(book: Database, mosquitto: Mosquitto, tmp_path: Path) -> None:
    office = Office(SENSOR, tmp_path)
    lines = map(json.loads, (SENSOR / "samples" / "pesan.jsonl").read_text(encoding="utf-8").splitlines())
    first, *messages = [(line["topic"], json.dumps(line["payload"])) for line in lines]
    await send(mosquitto, first, retain=True)
    async with office.running():  # from its first message on the broker keeps what posts send
        await office.until_told(WARNING, 1)
        await asyncio.to_thread(book.load, SENSOR / "samples" / "rows.sql")
        await office.until(lambda: len(office.told()) == 5)
    await send(mosquitto, *messages)
    async with office.running():
        await office.until_told(WARNING, 6)
        told = office.told()
        await send(mosquitto, ("sensor/sungai/tma-brantas-01", "97.5"), ("sensor/sungai/tma-brantas-01", "155"))
        (*_, plain) = await office.until_told(WARNING, 7)

    assert [{"event": each.event, "data": each.data} for each in told] == expected(SENSOR)
    assert told[4].data["membatalkan"] == told[2].id
    assert sorted(office.reasons()) == sorted(REJECTED)
    assert (plain.data["tingkat"], plain.data["nilai"]) == ("WASPADA", 155)
    assert plain.data["waktu"] > "2026-03-16"


async def test_the_duty_room_sees_the_level_of_each_post_now(book: Database) -> None:
    first = PeringatanDikeluarkan.model_validate(PeringatanDikeluarkan.contoh)
    later = {"tingkat": "NORMAL", "waktu": "2026-03-16T06:00:00+07:00", "nilai": 90}
    ended = PeringatanDikeluarkan.model_validate({**PeringatanDikeluarkan.contoh, **later})
    other = PeringatanDikeluarkan.model_validate({**PeringatanDikeluarkan.contoh, "sensor": "tma-kresek-01"})

    await deliver("bpbd/sensor", first, ended, other)

    assert book.sql("SELECT count(*) FROM bus_peringatan") == [("3",)]
    assert book.sql("SELECT sensor, tingkat, nilai FROM siaga_sekarang ORDER BY sensor") == [
        ("tma-brantas-01", "NORMAL", "90.000"),
        ("tma-kresek-01", "SIAGA", "245.500"),
    ]
