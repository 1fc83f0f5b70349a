"""Sources whose process is killed: `bus run` dies by SIGKILL within its work, again and again.

Nothing is lost, nothing is there twice, and no application is told that a row is stored before it is.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from bus.contracts import load
from tests.adapters.connectors.killed_sources import Application, Folder, Outbox, Registry, Sensors, Service, Ward
from tests.faults import contracts
from tests.faults.applications import compare, rows
from tests.faults.city import City
from tests.faults.killing import SEED, kill_often, moments
from tests.faults.processes import Process

KILLS = 3
SIAK, DEATH = "dukcapil/siak", "kependudukan.penduduk.meninggal.v1"
FULL = 100_000  #: bytes of a stream that is soon full

APPLICATIONS: dict[str, Callable[[pytest.FixtureRequest, Path], Application]] = {
    "sql_outbox": lambda request, _: Outbox(request.getfixturevalue("mariadb")),
    "file_drop": lambda _, folder: Folder.here(folder / "masuk"),
    "sftp_drop": lambda request, folder: Folder.there(request.getfixturevalue("sftp"), folder),
    "mqtt": lambda request, _: Sensors(request.getfixturevalue("mosquitto"), f"mati{SEED}"),
    "hl7_mllp": lambda _, __: Ward(),
    "soap_poll": lambda request, _: Service(request.getfixturevalue("php")),
    "fhir_rest": lambda request, _: Registry(request.getfixturevalue("fhir_server")),
}

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(autouse=True)
def draw() -> random.Random:
    """Draws the moments."""
    return moments()


@pytest_asyncio.fixture
async def application(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Application]:
    """The application, empty."""
    made = APPLICATIONS[request.param](request, tmp_path)
    for name, value in made.variables.items():
        monkeypatch.setenv(name, value)
    yield made
    await made.end()


async def begun(city: City, application: Application) -> Process:
    """The city with this application, whose adapter is not started yet."""
    folder = city.office(contracts.source(application.contract), contracts.ROWS)
    await city.start()
    await application.begin(load(folder / "adapter.toml"), city.settings)
    return city.adapter(SIAK)


async def deaths(city: City) -> list[tuple[str, str, str]]:
    """What was published, in order: event id, NIK, akta."""
    bodies = [(each.headers["ce-id"], json.loads(each.body)) for each in await city.events(SIAK, DEATH)]
    return [(event_id, body["nik"], body["no_akta"]) for event_id, body in bodies]


async def killed(city: City, siak: Process, application: Application) -> None:
    """Kills the adapter: what the application takes for stored by then is."""
    await siak.kill()
    told = application.handed_over()
    assert told <= {akta for _, _, akta in await deaths(city)}


@pytest.mark.parametrize("application", APPLICATIONS, indirect=True)
async def test_a_killed_source_loses_and_repeats_nothing(
    application: Application, tmp_path: Path, draw: random.Random
) -> None:
    async with City(tmp_path) as city:
        siak = await begun(city, application)
        await siak.start()

        def published() -> Awaitable[int]:
            return city.published(SIAK, DEATH)

        async def again() -> None:
            await killed(city, siak, application)
            await siak.start()

        written = await kill_often(city, application, draw, published, again, kills=KILLS, portion=application.portion)

        async def complete() -> bool:
            return await published() >= len(written)

        await city.until(complete, "everything published")
        await city.until(lambda: not application.left(), "the application has nothing left")
        assert not compare(written, await deaths(city))
        assert len(await city.dead_letters()) == application.bad
        assert siak.starts == KILLS + 1


@pytest.mark.parametrize("away", [False, True], ids=["full", "away"])
@pytest.mark.parametrize("application", ["hl7_mllp"], indirect=True)
async def test_no_device_hears_aa_for_what_the_bus_cannot_store(
    application: Application, tmp_path: Path, away: bool
) -> None:
    async with City(tmp_path) as city:
        siak = await begun(city, application)
        if not away:
            await city.configure_stream("OPD_DUKCAPIL", max_bytes=FULL)
        await siak.start()
        written = rows(1, 1_000, seed=SEED)
        application.write(written)
        if away:
            await city.until(lambda: len(application.handed_over()) > 100, "some are acknowledged")
            await city.server.kill()
        await city.until(lambda: siak.said("source pauses"), "the source pauses")
        if away:
            await siak.kill()
            await city.server.start()
        await killed(city, siak, application)
        assert 0 < len(application.handed_over()) < len(written)

        await city.configure_stream("OPD_DUKCAPIL", max_bytes=1000 * FULL)
        await siak.start()
        await city.until(lambda: not application.left(), "every message has its AA")
        assert application.handed_over() == {each.akta for each in written}
        assert not compare(written, await deaths(city))
        assert not await city.dead_letters()
