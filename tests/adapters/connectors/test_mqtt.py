"""mqtt against mosquitto and nats-server: what the conformance suite does not ask for. mosquitto_pub publishes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError
from structlog.testing import capture_logs

from adapters.connectors.mqtt import Mqtt, MqttConfig
from adapters.connectors.mqtt_records import Topic
from bus import subjects
from bus.errors import AccessError, ConfigError, Unavailable
from bus.ports import Position, Record, Source
from bus.testing.events import APP
from bus.testing.lines import Line, rounds, until
from tests.adapters.connectors.mqtt_sensors import CONTEXT, NUMBERS, Sensors, mqtt
from tests.servers.mqtt import READER, Mosquitto, MqttServer, NatsMqtt
from tests.servers.proxy import Proxy
from tests.servers.server import HOST, PASSWORD, USER

Open = Callable[..., Awaitable[Mqtt]]


async def read(source: Source, count: int, *, commit: bool = True) -> list[Record]:
    """The next records, so many at least."""
    records: list[Record] = []
    async with asyncio.timeout(20):
        while len(records) < count:
            if (batch := await source.read()) is not None:
                records += batch.records
                if commit:
                    await source.commit(batch, [])
    return records


@pytest_asyncio.fixture
async def opened() -> AsyncIterator[Open]:
    """Opens sources; they are closed when the test ends."""
    sources: list[Mqtt] = []

    async def open_source(*arguments: Any, position: Any = None, **options: Any) -> Mqtt:
        source = mqtt(*arguments, **options)
        sources.append(source)
        await source.open(position)
        return source

    yield open_source
    for source in sources:
        await source.close()


@pytest.fixture(params=["mosquitto", "nats_mqtt"])
def broker(request: pytest.FixtureRequest) -> MqttServer:
    """Each kind of broker in turn."""
    found: MqttServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def root() -> str:
    """The first level of this test's topics."""
    return f"uji{next(NUMBERS)}"


async def test_levels_fields_and_plain_values_are_columns(broker: MqttServer, root: str, opened: Open) -> None:
    source = await opened(broker, f"{root}/{{pos}}/{{ukuran}}", key=["pos", "ukuran"], watermark="waktu")
    await broker.publish(f"{root}/mrican/tinggi", ["4.25"])
    document = {"nilai": 3.10, "pos": "palsu", "waktu": "2026-01-31T08:00:00+07:00", "alat": {"baterai": 71}}
    await broker.publish(f"{root}/kresek/tinggi", [json.dumps(document)])
    await broker.publish(f"{root}/mrican/hujan", ['[{"nilai": 1}, {"nilai": null}]'])

    plain, full, *listed = await read(source, 4)

    assert (plain.key, {**plain.data}) == (
        '["mrican","tinggi"]',
        {"pos": "mrican", "ukuran": "tinggi", "value": plain.data["value"]},
    )
    assert str(plain.data["value"]) == "4.25"
    assert full.data["pos"] == "kresek"  # the topic, which the broker guards
    assert (full.data["alat.baterai"], str(full.data["nilai"]), full.mark) == (71, "3.1", "2026-01-31T08:00:00+07:00")
    assert full.at is not None
    assert [record.data["nilai"] for record in listed] == [1, None]


async def test_what_comes_while_nobody_is_there_comes_afterwards(broker: MqttServer, root: str, opened: Open) -> None:
    source = await opened(broker, f"{root}/+", key=["n"])
    await source.close()
    await broker.publish(f"{root}/a", [json.dumps({"n": n}) for n in range(100)])
    broker.stop()
    broker.start()

    source = await opened(broker, f"{root}/+", key=["n"], position={"topic": f"{root}/+", "stored": ""})

    assert [record.data["n"] for record in await read(source, 100)] == list(range(100))


async def test_only_what_was_not_stored_comes_again(mosquitto: Mosquitto, root: str, opened: Open) -> None:
    """The acknowledgements of a stored batch are lost on the way; the position knows it, without the same process."""
    source = await opened(mosquitto, f"{root}/a")
    await mosquitto.publish(f"{root}/a", ["1", "2", "1", "2"])
    position = None
    numbers: list[int] = []
    while len(numbers) < 4:
        if (batch := await source.read()) is not None:
            numbers += [int(record.data["value"]) for record in batch.records]
            position = batch.position
    await source.close()  # stored, but not committed
    await mosquitto.publish(f"{root}/a", ["3", "1"])

    again = await opened(mosquitto, f"{root}/a", position=position)

    assert numbers == [1, 2, 1, 2]
    assert [record.data["value"] for record in await read(again, 2)] == [3, 1]
    assert await again.read() is None


async def test_acknowledgements_of_several_batches_are_lost(
    mosquitto: Mosquitto, root: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mosquitto 2.0 answers an acknowledgement with more than a window has room for: all of that may come again."""
    source = await opened(mosquitto, f"{root}/a", window=20)
    await mosquitto.publish(f"{root}/a", [str(number) for number in range(200)])
    seen = await read(source, 20)
    await source._open_session.arrival(5)
    monkeypatch.setattr(source._open_session, "acknowledge", lambda messages: None)
    position: Position = {}
    while len(seen) < 80 and (batch := await source.read()) is not None:
        position = dict(batch.position)
        seen += batch.records
        await source.commit(batch, [])
    await source.close()

    again = await opened(mosquitto, f"{root}/a", position=position, window=20)

    seen += await read(again, 200 - len(seen))
    assert [record.data["value"] for record in seen] == list(range(200))


async def test_what_the_bus_itself_wrote_is_left_out_and_not_sent_again(
    mosquitto: Mosquitto, root: str, opened: Open
) -> None:
    source = await opened(mosquitto, f"{root}/{{asal}}", skip={"asal": "bus"})
    await mosquitto.publish(f"{root}/bus", ["1"])
    await mosquitto.publish(f"{root}/pos", ["2"])
    assert [record.data["value"] for record in await read(source, 1)] == [2]
    await source.close()

    again = await opened(mosquitto, f"{root}/{{asal}}", skip={"asal": "bus"})
    await mosquitto.publish(f"{root}/pos", ["3"])
    assert [record.data["value"] for record in await read(again, 1)] == [3]


async def test_a_broker_that_has_lost_its_sessions_is_told_of(mosquitto: Mosquitto, root: str, opened: Open) -> None:
    source = await opened(mosquitto, f"{root}/a")
    await source.close()
    mosquitto.kill()
    mosquitto.start()

    with capture_logs() as logs:
        source = await opened(mosquitto, f"{root}/a", position={"topic": f"{root}/a", "stored": ""})
    await mosquitto.publish(f"{root}/a", ["7"])

    assert "the broker has forgotten the session: what came meanwhile is lost" in [entry["event"] for entry in logs]
    assert [record.data["value"] for record in await read(source, 1)] == [7]


async def test_a_retained_state_is_one_event_however_often_it_comes(broker: MqttServer, tmp_path: Path) -> None:
    class Retained(Sensors):
        async def write(self, rows: Iterable[tuple[int, str]]) -> None:
            for key, value in rows:
                payload = json.dumps({"kunci": key, "nilai": value})
                await self._server.publish(f"{self._root}/{key}", [payload], retain=True)

    async with Proxy(broker.port) as door:
        sensors = Retained(broker, door, protocol="3.1.1")  # here they come with each subscription
        await sensors.write([(1, "siaga"), (2, "aman")])  # before the source's first run
        line = Line(sensors, tmp_path)
        for _ in range(3):
            async with line.running():
                await until(lambda: line.streams.count >= 2)
                await rounds(line)

    assert sorted(line.emitted()) == [("1", "siaga"), ("2", "aman")]
    cursor = await line.streams.last(APP.stream, subjects.cursor(APP, "baris"))
    assert cursor is not None
    assert cursor.sequence <= 4, "two events and their cursors: what is no event writes nothing"


async def test_a_reader_that_waits_holds_a_window_of_messages(mosquitto: Mosquitto, root: str, opened: Open) -> None:
    source = await opened(mosquitto, f"{root}/a", window=20)
    await mosquitto.publish(f"{root}/a", [str(number) for number in range(200)])

    held = await source.read()
    assert held is not None
    while (rest := await source.read()) is not None:
        held = type(held)([*held.records, *rest.records], rest.position)
    state = await source.state()

    assert len(held.records) == 20
    assert (state.waiting, state.or_more) == (20, True)
    assert state.oldest


async def test_it_stops_reading_where_a_broker_knows_no_window(mosquitto: Mosquitto, root: str, opened: Open) -> None:
    """Messages at QoS 0 are no part of it."""
    source = await opened(mosquitto, f"{root}/a", window=10)
    await mosquitto.publish(f"{root}/a", [str(number) for number in range(500)], qos=0)
    await source._open_session.arrival(5)
    await asyncio.sleep(0.1)
    waiting = (await source.state()).waiting

    assert waiting is not None
    assert waiting <= 20
    assert [record.data["value"] for record in await read(source, 500)] == list(range(500))


async def test_what_is_no_json_is_one_dead_letter(broker: MqttServer, root: str, opened: Open) -> None:
    source = await opened(broker, f"{root}/{{pos}}", key=["pos"])
    for payload in ('{"tinggi": 1', b"\xff\xfe\x00", "NaN", "[" * 100_000, "12,5"):
        await broker.publish(f"{root}/mrican", [payload])
    await broker.publish(f"{root}/mrican", ["12.5"])

    *faulty, good = await read(source, 6)

    assert {record.fault for record in faulty} == {"isi pesan bukan JSON"}
    assert {record.key for record in faulty} == {"mrican"} == {good.key}
    assert not good.fault
    lacks = await opened(broker, f"{root}/{{pos}}", key=["alat"], client_id="lain")
    await broker.publish(f"{root}/mrican", ["{}"])
    assert (await read(lacks, 1))[0].fault == "kolom kunci kosong: alat"


async def test_text_is_taken_as_it_is(mosquitto: Mosquitto, root: str, opened: Open) -> None:
    source = await opened(mosquitto, f"{root}/pintu/#", payload="text", value="keadaan")
    await mosquitto.publish(f"{root}/pintu/1/atas", ["BUKA"])
    await mosquitto.publish(f"{root}/pintu", [b"\xff"])

    first, second = await read(source, 2)

    assert (first.key, first.data) == (f"{root}/pintu/1/atas", {"keadaan": "BUKA"})
    assert second.fault == "isi pesan bukan teks UTF-8"


async def test_another_topic_in_the_contract_ends_the_former(mosquitto: Mosquitto, root: str, opened: Open) -> None:
    source = await opened(mosquitto, f"{root}/lama")
    await source.close()
    await mosquitto.publish(f"{root}/lama", ["1"])
    source = await opened(mosquitto, f"{root}/baru", position={"topic": f"{root}/lama", "stored": ""})
    await mosquitto.publish(f"{root}/lama", ["2"])
    await mosquitto.publish(f"{root}/baru", ["3"])

    assert [record.data["value"] for record in await read(source, 1)] == [3]


async def test_another_client_with_its_name_is_told(mosquitto: Mosquitto, root: str, opened: Open) -> None:
    source = await opened(mosquitto, f"{root}/a")
    await opened(mosquitto, f"{root}/a")

    with pytest.raises(Unavailable, match="another client has the same client_id"):
        await read(source, 1)
    with pytest.raises(Unavailable):
        await source.read()


async def test_who_may_not_is_told_so(broker: MqttServer, nats_mqtt: NatsMqtt, root: str, opened: Open) -> None:
    with pytest.raises(AccessError, match=r"refuses the connection.*check username and password"):
        await opened(broker, f"{root}/a", password="salah")
    with pytest.raises(AccessError, match=r"refuses the subscription.*what the user may read"):
        await opened(nats_mqtt, f"{root}/a", username=READER)


async def test_a_right_withdrawn_from_a_known_session_is_told(nats_mqtt: NatsMqtt, root: str, opened: Open) -> None:
    source = await opened(nats_mqtt, "umum/a", username=READER)
    await source.close()
    source = await opened(nats_mqtt, f"{root}/a", username=READER, client_id="uji-umum")

    with pytest.raises(AccessError, match="refuses the subscription"):
        await read(source, 1)


async def test_what_is_not_there_and_what_is_no_broker(
    nats_mqtt: NatsMqtt, root: str, opened: Open, unused_tcp_port: int
) -> None:
    with pytest.raises(ConfigError, match=r'protocol = "3\.1\.1"|not answer'):
        await Mqtt(
            MqttConfig(url=nats_mqtt.url, topic=root, username=USER, password=PASSWORD, timeout=2), CONTEXT
        ).open(None)
    with pytest.raises(Unavailable, match="cannot be reached"):
        await opened(nats_mqtt, root, url=f"mqtt://{HOST}:{unused_tcp_port}")


async def test_tls_proves_the_broker_and_the_client(mosquitto: Mosquitto, root: str, opened: Open) -> None:
    url = f"mqtts://{HOST}:{mosquitto.tls_port}"
    ca, certificate, key = (str(mosquitto.folder / name) for name in ("ca.pem", "client.pem", "client.key"))
    source = await opened(mosquitto, f"{root}/a", url=url, ca=ca, certificate=certificate, private_key=key, window=5)
    await mosquitto.publish(f"{root}/a", [str(number) for number in range(200)])

    assert [record.data["value"] for record in await read(source, 200)] == list(range(200))
    with pytest.raises(ConfigError, match=r"certificate is not trusted.*check the host"):
        await opened(mosquitto, f"{root}/a", url=url)
    with pytest.raises(Unavailable):
        await opened(mosquitto, f"{root}/a", url=url, ca=ca)
    with pytest.raises(ConfigError, match="cannot read the authority"):
        await opened(mosquitto, f"{root}/a", url=url, ca=key)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"topic": "a/#/b"}, "topic"),
        ({"topic": "a/b+"}, "topic"),
        ({"topic": "{a}/{a}"}, "topic"),
        ({"topic": "$share/a/b"}, "topic"),
        ({"url": "http://a"}, "url"),
        ({"password": "env:P"}, "username"),
        ({"private_key": "k.pem"}, "certificate"),
    ],
)
def test_contracts_that_cannot_be(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        MqttConfig.model_validate({"url": "mqtt://a", "topic": "a", **options})


def test_topics_fit_as_a_broker_fits_them() -> None:
    assert Topic("a/{x}/+/#").filter == "a/+/+/#"
    assert Topic("a/{x}/+/#").levels("a/1/2") == {"x": "1"} == Topic("a/{x}/+/#").levels("a/1/2/3/4")
    assert Topic("a/{x}").levels("a/1/2") is None
    assert Topic("a/{x}").levels("b/1") is None
    assert Topic("a/b/#").levels("a") is None
