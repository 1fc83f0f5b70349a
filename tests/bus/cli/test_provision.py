"""``bus streams``, ``bus app`` against a bus that runs; ``bus up`` as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from bus.running import find

from .office import PLACE, Office, call

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def started(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    """The command as a process of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bus", *arguments),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def process(*arguments: str, **environment: str) -> tuple[int | None, str]:
    """Its exit code, and what it says on standard error."""
    running = await started(*arguments, **environment)
    _, errors = await asyncio.wait_for(running.communicate(), 60)
    return running.returncode, errors.decode()


async def test_a_plan_without_differences(office: Office) -> None:
    assert "are as the contracts say" in (await office.bus("streams", "plan", office.departments)).stdout
    assert await office.json("streams", "plan", office.departments) == []
    assert await office.json("streams", "apply", office.departments) == []


async def test_a_difference_is_shown_then_applied(office: Office, tmp_path: Path) -> None:
    """A later contract subscribes once more: a consumer is missing until it is applied, and the former one is left."""
    departments = tmp_path / "departments"
    shutil.copytree(office.departments, departments)
    contract = departments / "bppkad/pajak/adapter.toml"
    contract.write_text(contract.read_text() + "generation = 2\n")
    planned = await office.json("streams", "plan", departments, code=1)
    assert {(each["action"], each["name"]) for each in planned} == {
        (action, f"{stream}/bppkad_pajak_{PLACE}{generation}")
        for action, generation in (("create", "-g2"), ("delete", ""))
        for stream in ("OPD_DUKCAPIL", "REDRIVE")
    }
    assert (
        f"create consumer OPD_DUKCAPIL/bppkad_pajak_{PLACE}-g2"
        in (await office.bus("streams", "apply", departments)).stdout
    )
    left = await office.json("streams", "plan", departments)
    assert {each["action"] for each in left} == {"delete"}


async def test_operations_may_not_provision(office: Office, tmp_path: Path) -> None:
    departments = tmp_path / "departments"
    shutil.copytree(office.departments, departments)
    contract = departments / "bppkad/pajak/adapter.toml"
    contract.write_text(contract.read_text() + "generation = 3\n")
    result = await office.bus(
        *("streams", "apply", departments),
        code=2,
        BUS_NATS_URL=office.url,
        BUS_CREDENTIAL=str(office.home / "creds/ops.creds"),
    )
    assert "this credential is another one's" in result.stderr


async def test_credentials_are_issued_and_the_server_is_told(office: Office) -> None:
    found = await office.json("app", "credentials", office.departments)
    assert found["server_told"] is True
    names = {Path(each).name for each in found["credentials"]}
    roles = {"admin.creds", "ops.creds", "system.creds"}
    assert names == roles | {"dukcapil.siak.creds", "dinsos.bansos.creds", "bppkad.pajak.creds"}
    text = (await office.bus("app", "credentials", "bppkad/pajak", office.departments)).stdout
    assert text.splitlines()[0].endswith("creds/bppkad.pajak.creds")
    assert "the running server knows" in text


async def test_a_revoked_application_is_refused_until_it_has_a_new_credential(office: Office) -> None:
    credential = office.home / "creds/bppkad.pajak.creds"
    await office.bus("app", "credentials", office.departments)
    old = credential.read_bytes()
    assert (
        "bppkad/pajak is revoked; the running server knows"
        in (await office.bus("app", "revoke", "bppkad/pajak")).stdout
    )
    assert not credential.exists()
    kept = office.home / "creds/kept.creds"
    kept.write_bytes(old)
    kept.chmod(0o600)
    try:
        settings = {"BUS_NATS_URL": office.url, "BUS_CREDENTIAL": str(kept), "BUS_HOME": str(office.home)}
        code, said = await process("status", **settings)
        assert (code, said.count("\n")) == (2, 1)
        assert said.startswith(f"bus: {office.url}: the server refuses the credential")
    finally:
        kept.unlink()
    assert "has no credential here" in (await office.bus("app", "revoke", "bppkad/pajak", code=2)).stderr
    await office.bus("app", "credentials", office.departments)
    assert credential.exists()


async def test_an_application_without_a_contract_gets_nothing(office: Office) -> None:
    result = await office.bus("app", "credentials", "dinkes/epuskesmas", office.departments, code=2)
    assert "no contract of this application here" in result.stderr
    assert "no adapter.toml here" in (await office.bus("streams", "plan", office.home / "creds", code=2)).stderr


async def test_credentials_before_any_server_runs(office: Office, tmp_path: Path) -> None:
    result = await office.bus("app", "credentials", office.departments, BUS_HOME=str(tmp_path / "home"))
    assert "takes effect when one starts" in result.stdout
    assert (tmp_path / "home/server/trust.json").exists()


async def test_up_serves_an_external_server(office: Office, tmp_path: Path) -> None:
    """No server of its own: it provisions that one and keeps an index of it."""
    settings = {"BUS_HOME": str(tmp_path / "home"), "BUS_NATS_URL": office.url}
    admin = {"BUS_CREDENTIAL": str(office.home / "creds/admin.creds")}
    up = await started("up", str(office.departments), **settings, **admin)
    assert up.stdout is not None
    try:
        text = ""
        while "The bus is up" not in text:
            line = await asyncio.wait_for(up.stdout.readline(), 60)
            assert line, text
            text += line.decode()
        assert office.url in text
        assert not (tmp_path / "home/server").exists()
        operations = {"BUS_CREDENTIAL": str(office.home / "creds/ops.creds")}
        letters = await office.json("dlq", "list", "--all", **settings, **operations)
        assert {each["app"] for each in letters} == {"dukcapil/siak", "dinsos/bansos"}
        would = await office.json("dlq", "redrive", letters[0]["id"], "--dry-run", **settings, **operations)
        assert [each["id"] for each in would["would_send"]] == [letters[0]["id"]]
    finally:
        up.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(up.communicate(), 30)
    assert up.returncode == 0, errors.decode()


async def test_up_announces_itself_and_ends_with_ctrl_c(office: Office, tmp_path: Path) -> None:
    home = tmp_path / "home"
    up = await started("up", str(office.departments), "--json", BUS_HOME=str(home))
    assert up.stdout is not None
    try:
        first = json.loads(await asyncio.wait_for(up.stdout.readline(), 60))
        assert first["home"] == str(home)
        assert {"action": "create", "kind": "stream", "name": "OPD_DUKCAPIL", "fields": {}} in first["changes"]
        assert [each.home for each in find(home)] == [home]
        status = await call("status", "--json", environment={"BUS_HOME": str(home)})
        assert [each["app"] for each in json.loads(status.stdout)] == ["bppkad/pajak", "dinsos/bansos"]
        code, said = await process("up", str(office.departments), BUS_HOME=str(home))
        assert code == 2
        assert "a server runs on this home already" in said
    finally:
        up.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(up.communicate(), 30)
    assert up.returncode == 0, errors.decode()
    assert b"Traceback" not in errors
    assert find(home) == []
    await call("status", code=3, environment={"BUS_HOME": str(home)})
