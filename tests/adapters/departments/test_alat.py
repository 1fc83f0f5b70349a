"""rsud/alat: ADT messages of devices over TCP, and patients out to them; all of it in the city."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hl7apy.parser import parse_message

from bus.contracts import connectors, load
from bus.envelope import Event
from bus.ports import Context, Delivery
from bus.testing.adapters import expected
from schemas.kesehatan import PasienTerdaftar
from tests.adapters.connectors.hl7_device import Client
from tests.adapters.connectors.hl7_published import ADMITTED, CHANGED, REGISTERED
from tests.adapters.connectors.hl7_receiver import Receiver
from tests.adapters.connectors.http_server import HttpServer
from tests.adapters.departments import samples
from tests.adapters.departments.city import running
from tests.adapters.departments.office import Office
from tests.adapters.departments.receiver import local
from tests.servers.server import HOST, Database

ALAT, SIMRS, SATUSEHAT = (samples.folder(each) for each in ("rsud/alat", "rsud/simrs", "dinkes/satusehat"))
MESSAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ALAT / "samples").glob("*.hl7"))}
REASON = "kolom no_kunjungan: belum diisi"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Where the devices find the adapter."""
    with socket.create_server((HOST, 0)) as free:
        found: int = free.getsockname()[1]
    monkeypatch.setenv("ALAT_LISTEN", f"{HOST}:{found}")
    return found


@asynccontextmanager
async def device(port: int) -> AsyncIterator[Client]:
    """A connection to the adapter, as soon as it listens."""
    while True:
        try:
            client = await Client.connect(port)
            break
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
    try:
        yield client
    finally:
        await client.close()


async def test_the_samples_become_the_events_beside_them(port: int, tmp_path: Path) -> None:
    office = Office(ALAT, tmp_path)
    answers: list[list[str]] = []
    for message in MESSAGES.values():  # each by a process of its own, and twice
        async with office.running(), device(port) as client:
            client.send(message, message)
            answers += [await client.says() for _ in range(2)]

    names = [name[0] for name in answers]
    assert names == ["AA"] * (len(names) - 2) + ["AE"] * 2
    assert answers[-1][2] == REASON
    assert office.reasons() == [REASON]
    told = [{"event": each.event, "data": {**each.data}} for each in office.told()]
    ids = {each.id: f"peristiwa-{number}" for number, each in enumerate(office.told(), 1)}
    for each in told:
        if "membatalkan" in each["data"]:
            each["data"]["membatalkan"] = ids[each["data"]["membatalkan"]]
    assert told == expected(ALAT)


@pytest.mark.parametrize("name", MESSAGES)
def test_the_samples_are_messages_of_the_standard(name: str) -> None:
    message = parse_message(MESSAGES[name].replace("\n", "\r"), find_groups=False)
    assert message.msh.msh_12.value == name.removesuffix(".hl7").rpartition("-")[2]
    for segment in message.children:
        segment.validate()


async def test_what_becomes_of_messages_that_others_have_published(port: int, tmp_path: Path) -> None:
    office = Office(ALAT, tmp_path)
    async with office.running(), device(port) as client:
        client.send(REGISTERED, ADMITTED, CHANGED)
        answers = [await client.says() for _ in range(3)]

    nameless = "kolom no_kunjungan dan no_rm: kosong, padahal menjadi kunci"  # PI and MRN are not this hospital's type
    assert answers == [["AA", "000001", ""], ["AE", "01052901", nameless], ["AE", "599102", nameless]]
    assert office.reasons() == [nameless, nameless]
    patient = {"no_pasien": "3571015/191919", "nama": "JAMES A MASSIE", "jenis_kelamin": "L"}
    visit = {"no_kunjungan": "3571015/1400", "no_pasien": "3571015/191919", "jenis": "RAWAT JALAN"}
    assert [(each.event, {**each.data}) for each in office.told()] == [
        ("kesehatan.pasien.terdaftar.v1", {**patient, "tanggal_lahir": "1956-01-29"}),
        ("kesehatan.kunjungan.tercatat.v1", {**visit, "tanggal": "1995-01-10", "jam": "14:10", "layanan": "O/R"}),
    ]


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """The gateway of the bedside devices."""
    with Receiver().serving() as receiver:
        monkeypatch.setenv("ALAT_ALAMAT", f"{HOST}:{receiver.port}")
        receiver.control(code="AA")
        yield receiver


async def test_patients_reach_the_devices(gateway: Receiver) -> None:
    contract = load(ALAT / "adapter.toml")
    (subscribe,) = contract.subscribe
    assert subscribe.to is not None
    context = Context(contract.name, "pasien", ALAT, ZoneInfo("Asia/Jakarta"))
    sink = connectors.build(subscribe.to, context, where="test")
    patient = PasienTerdaftar.model_validate({**PasienTerdaftar.contoh, "nama": "Ayu | Contoh"})
    event = Event("e" * 32, "/kediri/rsud/simrs", "x", "y", "2026-03-15T08:00:00+07:00", b"{}")
    await sink.open()
    await sink.apply([Delivery(event, patient, subscribe.fields, "OPD_RSUD", 7)], None)
    await sink.close()

    message = parse_message(gateway.control()["last"], find_groups=False)
    message.pid.validate()
    assert message.msh.msh_9.to_er7() == "ADT^A31^ADT_A05"
    assert message.pid.to_er7() == r"PID|1||3571015/000123^^^RSUD^MR||^Ayu \F\ Contoh||19800805|M"


async def test_the_bedside_knows_whom_the_hospital_registers_and_the_nation_whom_a_device_admits(
    hospital: Database, gateway: Receiver, national: HttpServer, port: int, tmp_path: Path
) -> None:
    visit = "3571015/2026/03/15/000201"

    async def is_at_the_bedside() -> bool:
        return "000201" in gateway.control()["last"]

    def recorded_as(status: str) -> Callable[[], Awaitable[bool]]:
        """Whether the national record has the visit with a status."""

        async def asked() -> bool:
            found = (await national.control("isi", "Encounter"))["resources"]
            return [each["status"] for each in found if each["identifier"][0]["value"] == visit] == [status]

        return asked

    offices = (SIMRS, ALAT, local(SATUSEHAT, tmp_path))
    async with running(tmp_path / "bus", offices, here=offices) as city, device(port) as client:
        hospital.sql(
            "INSERT INTO pasien (no_rkm_medis, nm_pasien, no_ktp, jk, tgl_lahir, nm_ibu, umur, namakeluarga) "
            "VALUES ('000201', 'AYU CONTOH', '3571014508950002', 'P', '1995-08-05', '-', '30 Th', '-')"
        )
        await city.until(is_at_the_bedside, "the devices know the patient")
        shown = gateway.control()["last"]
        client.send(MESSAGES["01-daftar-2.3.hl7"])
        assert await client.says() == ["AA", "LKT000001", ""]
        assert await city.published("rsud/alat", "kesehatan.kunjungan.tercatat.v1") == 1, "as soon as it is answered"
        await city.until(recorded_as("arrived"), "the national record has the visit")
        client.send(MESSAGES["09-batal-kunjungan-2.5.hl7"])
        assert await client.says() == ["AA", "LKT000005", ""]
        await city.until(recorded_as("cancelled"), "the national record knows that it was cancelled")
        assert gateway.control()["last"] == shown, "what a device tells is not told to the devices"
