"""Sinks whose process is killed: `bus run` dies by SIGKILL within its work, again and again.

Nothing is lost, and nothing is there twice. Where it is the application that must know what comes again, the adapter is
killed when the application has taken an event and not answered yet.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.adapters.connectors.killed_sinks import Application, Hospital, Lists, Mailbox, Procedure, Service
from tests.faults import contracts
from tests.faults.applications import Source, compare, rows
from tests.faults.city import City
from tests.faults.killing import SEED, moments

KILLS, STEP = 3, 150  #: the events from one kill to the next are fewer than that
BATCH = 20  #: events that the adapter has in hand at a time
MAKAM, DEATHS = "dinkes/makam", "kependudukan-penduduk-meninggal-v1"

APPLICATIONS: dict[str, Callable[[pytest.FixtureRequest, Path, pytest.MonkeyPatch], Application]] = {
    "sql_call": lambda request, _, __: Procedure(request.getfixturevalue("mariadb")),
    "file_write": lambda _, folder, monkeypatch: Lists.here(folder / "hasil", monkeypatch),
    "sftp_put": lambda request, _, monkeypatch: Lists.there(request.getfixturevalue("sftp"), monkeypatch),
    "smtp_send": lambda *_: Mailbox(),
    "soap_call": lambda request, _, __: Service(request.getfixturevalue("php")),
    "hl7_send": lambda *_: Hospital(),
}

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(autouse=True)
def draw() -> random.Random:
    """Draws the moments."""
    return moments()


@pytest_asyncio.fixture(params=APPLICATIONS)
async def application(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Application]:
    """The application, empty."""
    made = APPLICATIONS[request.param](request, tmp_path, monkeypatch)
    await made.begin()
    yield made
    await made.end()


async def test_a_killed_sink_loses_and_repeats_nothing(
    application: Application, tmp_path: Path, draw: random.Random
) -> None:
    source, written = Source(tmp_path / "siak.db"), rows(1, application.rows, seed=SEED)
    source.write(written)
    async with City(tmp_path) as city:
        city.office(contracts.PRODUCER)
        city.office(contracts.target(*MAKAM.split("/"), application.to))
        await city.start()
        makam = city.adapter(MAKAM, BUS_BATCH=str(BATCH), **application.variables)
        await city.adapter("dukcapil/siak", SIAK_URL=source.url).start()
        await makam.start()
        for _ in range(KILLS):
            goal = min(application.count() + draw.randrange(1, STEP), len(written))
            application.enough(goal)
            await city.until(lambda goal=goal: application.count() >= goal, f"{goal} applied")  # type: ignore[misc]
            await asyncio.sleep(draw.uniform(0, 0.05))  # anywhere within the work on a batch
            await makam.kill()
            application.enough(None)
            await makam.start()

        await city.until(lambda: application.count() >= len(written), "everything applied")
        await city.until(lambda: city.settled("OPD_DUKCAPIL", MAKAM, DEATHS), "everything settled")
        assert not compare(written, application.written())
        assert not await city.dead_letters()
        if application.knows:
            assert KILLS <= application.repeated() <= KILLS * BATCH
