"""Doses of the puskesmas in the city: each reaches the national record once, over a real bus and both real servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.adapters.connectors.http_server import HttpServer
from tests.adapters.departments import samples
from tests.adapters.departments.city import SMALL
from tests.adapters.departments.receiver import local
from tests.faults.city import City

EPUSKESMAS, SATUSEHAT = samples.folder("dinkes/epuskesmas"), samples.folder("dinkes/satusehat")
ROUNDS, DOSES, PATIENTS = 3, 80, 20  #: doses are of each round; an adapter is killed in the middle of all but the last
SENDS, TAKES = "dinkes/epuskesmas", "dinkes/satusehat"


@pytest.fixture
def known(national: HttpServer) -> HttpServer:
    """The national server, which knows the patients."""
    for number in range(PATIENTS):
        identifier = [{"system": "https://fhir.kemkes.go.id/id/nik", "value": _nik(number)}]
        national.control_now("simpan", {"resourceType": "Patient", "identifier": identifier})
    return national


def _nik(number: int) -> str:
    return f"3571010101{20 + number:02}{number + 1:04}"


def dose(number: int, **changed: Any) -> dict[str, Any]:
    """A dose as e-Puskesmas has it; each one is a second later than the one before."""
    given = {"id": number, "faskes": "P3571010", "tanggal": "2026-03-15", "dosis": 1, "status": "diberikan"}
    patient = {"no_rm": f"{number % PATIENTS:06}", "nik": _nik(number % PATIENTS)}
    at = f"2026-03-15 {8 + number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}"
    return {**given, "pasien": patient, "vaksin": {"nama": "Td", "kode_cvx": "09"}, "updated_at": at, **changed}


async def test_adapters_that_are_killed_lose_and_repeat_no_dose(
    puskesmas: HttpServer, known: HttpServer, tmp_path: Path
) -> None:
    async def resources() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await known.control("isi", "Immunization"))["resources"]
        return found

    async def arrived(count: int) -> bool:
        return len(await resources()) >= count

    async with City(tmp_path, max_bytes=SMALL) as city:
        for folder in (EPUSKESMAS, SATUSEHAT):
            contract = local(folder, tmp_path / "contracts", poll="0.05")
            mapping = contract / "mapping.py"
            city.office((contract / "adapter.toml").read_text(), mapping.read_text() if mapping.exists() else "")
        await city.start()
        sending, taking = city.adapter(SENDS), city.adapter(TAKES)
        await known.control("atur", {"fails_every": 9})  # 503, or it is done and the answer says 500
        for ended in range(ROUNDS):
            for adapter in (sending, taking):
                if not adapter.running:
                    await adapter.start()
            await puskesmas.control("dosis", [dose(number) for number in range(ended * DOSES, (ended + 1) * DOSES)])
            if ended < ROUNDS - 1:
                half = ended * DOSES + DOSES // 2
                await city.until(lambda half=half: arrived(half), f"half of round {ended} has arrived")  # type: ignore[misc]
                await (taking if ended % 2 else sending).kill()
        await city.until(lambda: arrived(ROUNDS * DOSES), "every dose has arrived")
        await puskesmas.control("dosis", [dose(5, status="batal", updated_at="2026-03-16 08:00:00")])

        async def withdrawn() -> bool:
            return any(each["status"] == "entered-in-error" for each in await resources())

        await city.until(withdrawn, "the withdrawal has arrived")
        assert not await city.dead_letters()
        assert [await adapter.stop() for adapter in (sending, taking)] == [0, 0]

    made = await resources()
    assert len(made) == len({each["identifier"][0]["value"] for each in made}) == ROUNDS * DOSES
    versions = [each["meta"]["versionId"] for each in made if each["status"] == "completed"]
    assert versions == ["1"] * (ROUNDS * DOSES - 1)
