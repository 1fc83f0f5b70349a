"""``bus doctor``: one line per thing, a hint for what is wrong, exit code 1 where something fails."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from bus.cli import checks
from bus.config import Settings

from .office import Office

pytestmark = pytest.mark.asyncio(loop_scope="session")


def by_name(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in found}


async def test_a_healthy_bus(office: Office) -> None:
    found = by_name(await office.json("doctor", office.departments))
    for name in ("python", "connectors", "nats-server", "home", "disk", "tracing", "contracts", "server", "health"):
        assert found[name]["level"] == "ok", found[name]
    for name in ("clock", "streams", "room", "credentials", "adapter dukcapil/siak"):
        assert found[name]["level"] == "ok", found[name]
    assert found["adapter bppkad/pajak"]["level"] == "warn"
    assert found["dead letters"]["level"] == "warn"
    text = (await office.bus("doctor", office.departments)).stdout
    assert "WARN  adapter bppkad/pajak" in text
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


async def test_the_tracing_endpoint_is_tried() -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        listening = await checks.tracing(Settings(otlp_endpoint=f"http://127.0.0.1:{port}"))
    assert listening == checks.Check("tracing", "ok", f"127.0.0.1:{port} answers")
    gone = await checks.tracing(Settings(otlp_endpoint=f"http://127.0.0.1:{port}"))
    assert (gone.level, gone.detail) == ("fail", f"nobody answers at 127.0.0.1:{port}")
    assert (await checks.tracing(Settings(otlp_endpoint="collector:4318"))).level == "fail"
