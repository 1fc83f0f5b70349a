"""Wrong contracts: `bus check`, `bus run` and `bus up` name file and key; the right ones beside them run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import pytest_asyncio

from tests.bad_input import offices
from tests.bad_input.persons import PERSONS, found
from tests.bad_input.town import Outcome, Town, ask
from tests.bad_input.wrong import WRONG, Wrong, deaths

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("wrong_contracts")]


def write(departments: Path) -> dict[str, Path]:
    """Every wrong contract, and where it is."""
    paths = {each.app: departments / "dukcapil" / each.app / "adapter.toml" for each in WRONG}
    for each in WRONG:
        paths[each.app].parent.mkdir(parents=True)
        paths[each.app].write_bytes(each.contract)
    return paths


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All of them in one folder."""
    return write(tmp_path_factory.mktemp("wrong") / "departments")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def checked(paths: dict[str, Path]) -> Outcome:
    """One `bus check` of that folder."""
    return await ask("check", paths["toml"].parents[2])


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("wrong", WRONG, ids=[each.app for each in WRONG])
async def test_check_names_file_and_key(checked: Outcome, paths: dict[str, Path], wrong: Wrong) -> None:
    lines = [line for line in checked.out.splitlines() if line.startswith(f"{paths[wrong.app]}: ")]
    assert f"{paths[wrong.app]}: {wrong.said}" in lines
    assert len([line for line in lines if "without one nothing arrives" not in line]) == 1
    assert checked.code == 1
    assert not found(checked.out + checked.err, PERSONS)
    assert "rahasia-sekali" not in checked.out + checked.err


async def test_a_right_contract_has_no_faults(tmp_path: Path) -> None:
    folder = tmp_path / "dukcapil" / "siak"
    folder.mkdir(parents=True)
    (folder / "adapter.toml").write_text(offices.head("dukcapil", "siak") + deaths())
    outcome = await ask("check", tmp_path)
    assert (outcome.code, outcome.out.strip()) == (0, "no faults")


async def test_the_right_ones_run_beside_the_wrong(tmp_path: Path) -> None:
    siak = offices.siak(tmp_path)
    siak.add("log", offices.death(1, PERSONS[0]))
    async with Town(tmp_path, SIAK_URL=siak.url) as town:
        town.office(offices.head("dukcapil", "siak") + deaths())
        await town.start()
        paths = write(town.departments)
        run = town.command("everything", "run", town.departments)
        await run.start()

        async def published() -> bool:
            info = await town.admin.api("STREAM.INFO.OPD_DUKCAPIL", {"subjects_filter": f"opd.*.*.{offices.DEATH}.*"})
            return bool(info["state"].get("subjects"))

        await town.until(published, "the good application's event")
        code = await run.stop()
        said = run.log.read_text()
        refused = await town.ask("run", paths["event"], BUS_LOG_LEVEL="DEBUG")
        started = await town.ask("up", town.departments, BUS_HOME=str(tmp_path / "elsewhere"))
    assert code == 2
    for wrong in WRONG:
        assert said.splitlines().count(f"bus: {paths[wrong.app]}: {wrong.said}") == 1, wrong.app
    assert not found(said, PERSONS)
    assert "rahasia-sekali" not in said
    event = next(each for each in WRONG if each.app == "event")
    assert (refused.code, refused.lines) == (2, [f"bus: {paths['event']}: {event.said}"])
    assert started.code == 2  # permissions come from all contracts or from none
    (line,) = started.lines
    assert line.startswith(f"bus: {town.departments}/dukcapil/")


async def test_json_has_the_same_for_scripts(tmp_path: Path) -> None:
    paths = write(tmp_path)
    outcome = await ask("check", paths["required"].parent, "--json")
    assert outcome.code == 1
    (fault,) = json.loads(outcome.out)
    assert fault["where"] == str(paths["required"])
    assert fault["key"] == "publish.0.map"
    assert fault["hint"] == 'write tanggal_meninggal = "<column>"'
