"""``bus doctor``: one line per thing, a hint for what is wrong, exit code 1 where something fails."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bus import config
from bus.app import Adapter
from bus.cli import checks, checks_bus, demo
from bus.config import Settings
from bus.contracts import Contract, load_all
from bus.events import Catalogue
from bus.platform import Platform
from bus.running import announced

from .office import Office, Register, eventually, write_contracts

pytestmark = pytest.mark.asyncio(loop_scope="session")


def by_name(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in found}


class SmallCity:
    """A bus of its own, whose adapters run when they are told to."""

    def __init__(self, office: Office, settings: Settings, contracts: Sequence[Contract]) -> None:
        self.office, self.settings, self.contracts = office, settings, contracts

    @asynccontextmanager
    async def run(self, *contracts: Contract) -> AsyncIterator[None]:
        """Runs the adapters of some contracts as long as the block lasts."""
        stopping = asyncio.Event()
        adapters = [Adapter(each, self.settings, Catalogue.load()) for each in contracts]
        running = [asyncio.create_task(each.run(stopping)) for each in adapters]
        try:
            yield
        finally:
            stopping.set()
            await asyncio.gather(*running)


@asynccontextmanager
async def small_city(
    root: Path, monkeypatch: pytest.MonkeyPatch, *, home: Path | None = None, **settings: Any
) -> AsyncIterator[SmallCity]:
    """The departments of ``office``, and no adapter yet."""
    monkeypatch.setenv("SIAK_URL", f"sqlite:///{root / 'siak.db'}")
    departments = write_contracts(root / "departments")
    loaded = config.load(home=home or root / "home", **settings)
    contracts = load_all([departments])
    platform = Platform(loaded, contracts)
    try:
        await platform.start()
        office = Office(loaded.home, departments, Register(root / "siak.db"), platform.url)
        yield SmallCity(office, loaded, contracts)
    finally:
        await platform.stop()


async def test_a_healthy_bus(office: Office) -> None:
    found = by_name(await office.json("doctor", office.departments))
    for name in ("python", "connectors", "nats-server", "home", "disk", "tracing", "contracts", "server", "health"):
        assert found[name]["level"] == "ok", found[name]
    for name in ("clock", "streams", "room", "credentials", "adapter dukcapil/siak"):
        assert found[name]["level"] == "ok", found[name]
    assert "adapter bppkad/pajak" not in found
    assert found["never run"]["level"] == "warn"
    assert found["never run"]["detail"] == "bppkad/pajak has never run"
    assert found["dead letters"]["level"] == "warn"
    text = (await office.bus("doctor", office.departments)).stdout
    assert "WARN  never run" in text
    assert "`bus dlq list` shows why" in text


async def test_what_differs_from_the_contracts_fails(office: Office, tmp_path: Path) -> None:
    departments = tmp_path / "departments"
    shutil.copytree(office.departments, departments)
    contract = departments / "bppkad/pajak/adapter.toml"
    contract.write_text(contract.read_text() + "generation = 4\n")
    found = by_name(await office.json("doctor", departments, code=1))
    assert "generation" not in found["streams"]["detail"]
    assert "create consumer" in found["streams"]["detail"]
    assert found["credentials"]["detail"] == "not as the contract says: bppkad/pajak"
    assert "bus app credentials" in found["credentials"]["hint"]


async def test_consumers_that_no_contract_calls_for_are_named(office: Office) -> None:
    found = by_name(await office.json("doctor", office.departments / "dukcapil"))
    assert "OPD_DUKCAPIL/bppkad_pajak_" in found["left over"]["detail"]
    assert "bus streams apply --prune" in found["left over"]["hint"]


async def test_secrets_that_others_may_read_fail(office: Office) -> None:
    credential = office.home / "creds/ops.creds"
    credential.chmod(0o644)
    try:
        found = by_name(await office.json("doctor", office.departments, code=1))
    finally:
        credential.chmod(0o600)
    assert found["home"]["level"] == "fail"
    assert str(credential) in found["home"]["hint"]


async def test_where_the_server_does_not_tell_its_health_the_rest_is_asked_all_the_same(office: Office) -> None:
    credential = office.home / "creds/system.creds"
    right = credential.read_text()
    try:
        credential.write_text("not a credential")
        found = by_name(await office.json("doctor", office.departments, code=1))
    finally:
        credential.write_text(right)
    assert found["health"]["level"] == "fail"
    assert found["streams"]["level"] == "ok"


async def test_without_a_server_it_says_so(office: Office, tmp_path: Path) -> None:
    found = by_name(await office.json("doctor", code=1, BUS_HOME=str(tmp_path / "none")))
    assert found["server"]["level"] == "fail"
    assert "bus up" in found["server"]["hint"]
    assert found["home"]["level"] == "warn"
    broken = tmp_path / "dukcapil/siak/adapter.toml"
    broken.parent.mkdir(parents=True)
    broken.write_text("app = ")
    wrong = by_name(await office.json("doctor", tmp_path, code=1))
    assert "not valid TOML" in wrong["contracts"]["detail"]


async def test_an_adapter_that_ran_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_bus, "RESTART", 0.0)
    async with small_city(tmp_path, monkeypatch) as city:
        siak, bansos = (next(each for each in city.contracts if each.app == app) for app in ("siak", "bansos"))

        async def standing() -> dict[str, dict[str, Any]]:
            return {each["app"]: each for each in await city.office.json("status")}

        async def told() -> tuple[checks.Check, checks.Check]:
            found = {each.name: each async for each in checks_bus.all_of(city.settings, city.contracts)}
            return found["adapter dukcapil/siak"], found["adapter dinsos/bansos"]

        city.office.register.dies("3571010101550001", "2026-01-31")
        async with city.run(siak, bansos):
            await eventually(standing, lambda apps: apps["dinsos/bansos"]["applied"] == 1)
        away = await eventually(told, lambda found: all(each.level != "ok" for each in found))
        assert [(each.level, each.detail) for each in away] == [("warn", "no instance is running")] * 2
        assert away[0].hint == "start it: bus run …/dukcapil/siak"

        monkeypatch.setattr(checks_bus, "AWAY", 1.0)
        publishing, _ = await eventually(told, lambda found: [each.level for each in found] == ["fail", "warn"])
        assert "no instance is running, and what it publishes was last read" in publishing.detail

        city.office.register.dies("3571010101550003", "2026-01-31")
        async with city.run(siak):
            await eventually(standing, lambda apps: apps["dukcapil/siak"]["published"] == 2)
        late = by_name(await city.office.json("doctor", city.office.departments, code=1))["adapter dinsos/bansos"]
        assert late["level"] == "fail"
        assert "no instance is running, and events wait for it: 1" in late["detail"]


async def test_one_that_starts_again_is_not_missed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    from bus.cli import standing

    looks: list[standing.City] = []
    real = standing.look

    async def look(*given: Any) -> standing.City:
        found = await real(*given)
        looks.append(found)
        if len(looks) > 1:
            return found
        return standing.City(found.index, found.totals, {}, found.waiting)

    monkeypatch.setattr(standing, "look", look)
    monkeypatch.setattr(checks_bus, "RESTART", 0.0)
    found = by_name(await office.json("doctor", office.departments))
    assert found["adapter dukcapil/siak"]["level"] == "ok"
    assert len(looks) == 2


async def test_what_has_never_run_is_named_in_one_line(office: Office, tmp_path: Path) -> None:
    departments = tmp_path / "departments"
    shutil.copytree(office.departments, departments)
    for app, stage in (("baru", "pilot"), ("lama", "retired")):
        shutil.copytree(departments / "dukcapil/siak", departments / "dukcapil" / app)
        contract = departments / "dukcapil" / app / "adapter.toml"
        text = contract.read_text().replace('app = "siak"', f'app = "{app}"')
        contract.write_text(text.replace('stage = "pilot"', f'stage = "{stage}"'))
    found = by_name(await office.json("doctor", departments, code=1))
    assert found["never run"]["detail"] == "bppkad/pajak, dukcapil/baru have never run"
    assert 'stage = "retired"' in found["never run"]["hint"]


async def test_the_home_of_a_demo_is_compared_with_what_the_demo_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "bus"
    async with small_city(tmp_path, monkeypatch, home=root / "demo/1", max_bytes=demo.STREAM) as city:
        monkeypatch.setattr(demo, "the_city", lambda: SimpleNamespace(contracts=(city.office.departments,)))
        without = by_name(await city.office.json("doctor", city.office.departments, code=1))
        assert "max_bytes" in without["streams"]["detail"]
        with announced(root, "demo", city.office.home):
            for home in (root, city.office.home):
                found = by_name(await city.office.json("doctor", BUS_HOME=str(home)))
                assert found["contracts"]["detail"] == "3 are readable"
                assert found["streams"]["level"] == "ok", found["streams"]


async def test_the_tracing_endpoint_is_tried() -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        listening = await checks.tracing(Settings(otlp_endpoint=f"http://127.0.0.1:{port}"))
    assert listening == checks.Check("tracing", "ok", f"127.0.0.1:{port} answers")
    gone = await checks.tracing(Settings(otlp_endpoint=f"http://127.0.0.1:{port}"))
    assert (gone.level, gone.detail) == ("fail", f"nobody answers at 127.0.0.1:{port}")
    assert (await checks.tracing(Settings(otlp_endpoint="collector:4318"))).level == "fail"
