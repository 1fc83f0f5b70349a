"""What the operators' guide says about backups: the streams and the ledgers of one night bring everything back."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.docs.blocks import block
from tests.docs.sandbox import Sandbox
from tests.faults import contracts
from tests.faults.applications import Source, Target, compare, rows
from tests.faults.city import City

BACKUP = block("deploy/README.md", "systemctl stop 'bus-adapter@*'")
BEFORE, APPLIED, STORED, AFTER = (
    rows(1, 300, seed=1),
    rows(301, 200, seed=1),
    rows(501, 200, seed=1),
    rows(701, 100, seed=1),
)


@pytest.mark.timeout(240)
async def test_what_the_guide_backs_up_brings_everything_back(tmp_path: Path) -> None:
    """After the backup some events are stored and applied, others only stored: their streams are then lost."""
    source, target = Source(tmp_path / "siak.db"), Target(tmp_path / "makam.db")
    sandbox = Sandbox(tmp_path / "machine", environment={"LC_ALL": "C"})
    home = sandbox.place("/var/lib/bus")
    home.parent.mkdir(parents=True)
    (sandbox.folder / "backup").mkdir()

    async with _city(tmp_path, home) as city:
        city.office(contracts.PRODUCER)
        city.office(contracts.sink("dinkes", "makam", "MAKAM_URL"))
        await city.start()
        source.write(BEFORE)
        await _run(city, source, target, 300)
    sandbox.run(BACKUP)
    assert [line.split(" bus")[0] for line in sandbox.noted()] == ["systemctl stop", "systemctl start"]

    async with _city(tmp_path, home) as city:
        await city.start()
        source.write(APPLIED)
        await _run(city, source, target, 500)
        source.write(STORED)
        before = await city.stored("OPD_DUKCAPIL")
        siak = city.adapter("dukcapil/siak", SIAK_URL=source.url)
        await siak.start()
        await city.until(lambda: _later(city, before + 200), "stored, and not applied")
        await siak.stop()

    for name in re.findall(r"put `(\w+)` and `(\w+)` of", (sandbox.within / "deploy/README.md").read_text())[0]:
        shutil.rmtree(home / name)
        sandbox.run(f"tar --extract --file /backup/bus.tar --directory /var/lib/bus ./{name}")

    async with _city(tmp_path, home) as city:
        await city.start()
        source.write(AFTER)
        await _run(city, source, target, 800)
        assert not compare([*BEFORE, *APPLIED, *STORED, *AFTER], target.written())
        assert not await city.dead_letters()


def _city(folder: Path, home: Path) -> City:
    """The city, with its home where the guide has it."""
    city = City(folder)
    city.home, city.settings = home, city.settings.model_copy(update={"home": home})
    return city


async def _run(city: City, source: Source, target: Target, writes: int) -> None:
    """Both adapters, until the target has had so many writes; then they end in order."""
    adapters = [
        city.adapter("dukcapil/siak", SIAK_URL=source.url),
        city.adapter("dinkes/makam", MAKAM_URL=target.url),
    ]
    for each in adapters:
        await each.start()
    await city.until(lambda: target.count() >= writes, f"{writes} writes")
    for each in adapters:
        assert await each.stop() == 0


async def _later(city: City, sequence: int) -> bool:
    return await city.stored("OPD_DUKCAPIL") >= sequence
