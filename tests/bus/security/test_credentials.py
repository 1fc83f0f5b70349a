"""Credentials follow the contracts, and what they replace is revoked on a running server."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.errors import Error

from bus.contracts.model import Contract
from bus.errors import ConfigError
from bus.security import credentials, jwt, permissions, trust
from bus.security.credentials import Role
from bus.server import EmbeddedServer
from bus.subjects import AppName
from tests.bus.security.offices import BANSOS, DEATH, DIED, SIAK, SIMRS, city, contract, desk, provision


def claims(path: Path) -> dict[str, Any]:
    return jwt.decode(jwt.of_credential(path.read_text(), where=str(path)))


def allowed(home: Path, app: AppName) -> list[str]:
    return list(claims(credentials.path(home, app))["nats"]["pub"]["allow"])


def retired(contracts: list[Contract], app: AppName) -> list[Contract]:
    return [each.model_copy(update={"stage": "retired"}) if each.name == app else each for each in contracts]


async def push(home: Path, server: EmbeddedServer) -> None:
    async with desk(home, server.url, Role.SYSTEM) as system:
        for update in trust.claims_updates(home):
            answer = json.loads((await system.client.request(trust.CLAIMS_UPDATE, update, timeout=5)).data)
            assert answer["data"]["code"] == 200, answer


async def accepted(server: EmbeddedServer, credential: Path) -> bool:
    """Whether the server lets in who has this credential; it must say that it does not."""
    client = Client()
    refusals: list[Exception] = []

    async def on_error(error: Exception) -> None:
        refusals.append(error)

    try:
        await client.connect(
            server.url,
            user_credentials=str(credential),
            allow_reconnect=False,
            max_reconnect_attempts=0,
            error_cb=on_error,
        )
    except Error as error:
        refusals.append(error)
    finally:
        await client.close()
    assert not refusals or any("uthorization" in str(each) for each in refusals), refusals
    return not refusals


def test_one_for_each_application_and_role(tmp_path: Path) -> None:
    paths = credentials.issue(tmp_path / "home", city())
    assert sorted(path.name for path in paths) == [
        "admin.creds", "dinsos.bansos.creds", "dukcapil.siak.creds", "ops.creds", "rsud.simrs.creds", "system.creds",
    ]  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}


def test_what_is_right_stays_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "home"
    before = {path: path.read_bytes() for path in credentials.issue(home, city())}
    updates = trust.claims_updates(home)
    assert {path: path.read_bytes() for path in credentials.issue(home, city())} == before
    assert trust.claims_updates(home) == updates


def test_a_changed_contract_changes_its_credential_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    before = {path: path.read_bytes() for path in credentials.issue(home, city())}
    changed = [contract(SIAK, publish=DIED), *city()[1:]]
    after = {path: path.read_bytes() for path in credentials.issue(home, changed)}
    assert [path.name for path in after if after[path] != before[path]] == ["dukcapil.siak.creds"]
    assert not [each for each in allowed(home, SIAK) if "OPD_RSUD" in each]


def test_the_user_key_stays_when_permissions_change(tmp_path: Path) -> None:
    home = tmp_path / "home"
    credentials.issue(home, city())
    before = claims(credentials.path(home, SIAK))
    credentials.issue(home, [contract(SIAK, publish=DIED), *city()[1:]])
    after = claims(credentials.path(home, SIAK))
    assert after["sub"] == before["sub"]
    assert after["iat"] > before["iat"]  # else the revocation of the old one would hit the new one


def test_an_application_that_may_do_nothing_may_do_nothing() -> None:
    """NATS takes an empty list as "everything": ours must not."""
    closed = contract(SIAK, publish=DIED, stage="retired")
    assert permissions.of_application(closed, []) == permissions.Permissions()
    assert jwt._permission(()) == {"deny": [">"]}


def test_the_consumers_are_read_from_the_credential(tmp_path: Path) -> None:
    home = tmp_path / "home"
    credentials.issue(home, city())
    assert permissions.consumers_of(credentials.path(home, SIAK)) == [
        ("OPD_RSUD", "dukcapil_siak_kesehatan-kematian-tercatat-v1"),
        ("REDRIVE", "dukcapil_siak_kesehatan-kematian-tercatat-v1"),
        ("REDRIVE", "dukcapil_siak_source-mutasi"),
        ("OPD_DUKCAPIL", "dukcapil_siak_cursor-mutasi"),
    ]


def test_a_damaged_credential_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    credentials.issue(home, city())
    credentials.path(home, SIAK).write_text("bukan kredensial")
    with pytest.raises(ConfigError, match=r"dukcapil\.siak\.creds: not a NATS credential"):
        credentials.issue(home, city())


def test_the_system_credential_cannot_be_revoked(tmp_path: Path) -> None:
    credentials.issue(tmp_path / "home", city())
    with pytest.raises(ConfigError, match="cannot be revoked"):
        credentials.revoke(tmp_path / "home", Role.SYSTEM)


async def test_revocation_needs_no_restart(tmp_path: Path) -> None:
    home = tmp_path / "home"
    trust.establish(home)
    credentials.issue(home, city())
    stolen = tmp_path / "stolen.creds"
    stolen.write_bytes(credentials.path(home, SIAK).read_bytes())
    server = EmbeddedServer(home)
    await server.start()
    pid = server.pid
    try:
        closed = asyncio.Event()
        client = Client()

        async def on_close() -> None:
            closed.set()

        async def on_error(_: Exception) -> None: ...

        await client.connect(
            server.url, user_credentials=str(stolen), allow_reconnect=False, closed_cb=on_close, error_cb=on_error
        )
        credentials.revoke(home, SIAK)
        assert not credentials.path(home, SIAK).exists()
        await push(home, server)
        await asyncio.wait_for(closed.wait(), 5)  # the server ends the connection that is open
        assert not await accepted(server, stolen)
        assert await accepted(server, credentials.path(home, SIMRS))  # nobody else is hit

        credentials.issue(home, city())  # a new key, for the rightful owner
        await push(home, server)
        assert await accepted(server, credentials.path(home, SIAK))
        assert not await accepted(server, stolen)
        assert server.pid == pid

        await server.stop()
        await server.start()  # what was revoked stays so
        assert not await accepted(server, stolen)
        assert await accepted(server, credentials.path(home, SIAK))
    finally:
        await server.stop()


async def test_a_narrower_contract_ends_the_wider_credential(tmp_path: Path) -> None:
    home = tmp_path / "home"
    trust.establish(home)
    credentials.issue(home, city())
    wider = tmp_path / "wider.creds"
    wider.write_bytes(credentials.path(home, SIAK).read_bytes())
    server = EmbeddedServer(home)
    await server.start()
    try:
        async with desk(home, server.url, Role.ADMIN) as admin:
            await provision(admin, city())
        event = "opd.dukcapil.siak.kependudukan.penduduk.meninggal.v1.abc"
        async with desk(home, server.url, SIAK) as siak:
            assert not await siak.refuses_publish(event)
        credentials.issue(home, [contract(SIAK, subscribe=(DEATH,)), *city()[1:]])
        await push(home, server)
        assert not await accepted(server, wider)
        async with desk(home, server.url, SIAK) as siak:
            assert await siak.refuses_publish(event)
    finally:
        await server.stop()


async def test_a_wider_contract_leaves_open_connections_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    trust.establish(home)
    narrow = [contract(SIAK, publish=DIED), *city()[1:]]
    credentials.issue(home, narrow)
    server = EmbeddedServer(home)
    await server.start()
    try:
        async with desk(home, server.url, Role.ADMIN) as admin:
            await provision(admin, city())
        durable = "OPD_RSUD.dukcapil_siak_kesehatan-kematian-tercatat-v1"
        async with desk(home, server.url, SIAK) as before:
            credentials.issue(home, city())
            await push(home, server)
            assert await before.refuses_publish(f"$JS.API.CONSUMER.MSG.NEXT.{durable}")
            answer = await before.client.request("opd.dukcapil.siak.cursor.mutasi", b"{}", timeout=5)
            assert json.loads(answer.data)["stream"] == "OPD_DUKCAPIL"
        async with desk(home, server.url, SIAK) as after:
            assert (await after.api(f"CONSUMER.INFO.{durable}"))["stream_name"] == "OPD_RSUD"
    finally:
        await server.stop()


async def test_a_retired_application_is_out(tmp_path: Path) -> None:
    home = tmp_path / "home"
    trust.establish(home)
    credentials.issue(home, city())
    old = tmp_path / "old.creds"
    old.write_bytes(credentials.path(home, BANSOS).read_bytes())
    server = EmbeddedServer(home)
    await server.start()
    try:
        assert await accepted(server, old)
        issued = credentials.issue(home, retired(city(), BANSOS))
        assert credentials.path(home, BANSOS) not in issued
        assert not credentials.path(home, BANSOS).exists()
        await push(home, server)
        assert not await accepted(server, old)
    finally:
        await server.stop()


async def test_an_application_that_joins_later_needs_no_restart(tmp_path: Path) -> None:
    home = tmp_path / "home"
    trust.establish(home)
    credentials.issue(home, city()[:2])
    server = EmbeddedServer(home)
    await server.start()
    try:
        credentials.issue(home, city())
        await push(home, server)
        async with desk(home, server.url, Role.ADMIN) as admin:
            await provision(admin, city())
        async with desk(home, server.url, BANSOS) as bansos:
            answer = await bansos.client.request("opd.dinsos.bansos.cursor.mutasi", b"{}", timeout=5)
            assert json.loads(answer.data)["stream"] == "OPD_DINSOS"
    finally:
        await server.stop()


async def test_a_credential_of_another_city_is_refused(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    trust.establish(home)
    credentials.issue(home, city())
    credentials.issue(other, city())
    server = EmbeddedServer(home)
    await server.start()
    try:
        assert not await accepted(server, credentials.path(other, SIAK))
        assert not await accepted(server, credentials.path(other, Role.ADMIN))
    finally:
        await server.stop()
