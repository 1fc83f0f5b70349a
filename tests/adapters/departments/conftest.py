"""Applications that departments' tests share."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.adapters.connectors.fhir_application import CLIENT, CLIENT_SECRET
from tests.adapters.connectors.http_server import FHIR, HttpServer
from tests.adapters.departments import desk, samples
from tests.adapters.departments.desk import Desk
from tests.adapters.departments.puskesmas import KEY
from tests.servers.server import HOST, Database


@pytest.fixture
async def meja(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """The desk's application, and where the contract finds it."""
    with socket.create_server((HOST, 0)) as listening:
        listen = f"{HOST}:{listening.getsockname()[1]}"
    monkeypatch.setenv("PENGADUAN_LISTEN", listen)
    monkeypatch.setenv("PENGADUAN_SIGNING_KELUAR", desk.OUT)
    monkeypatch.setenv("PENGADUAN_SIGNING_MASUK", desk.INTO)
    async with desk.serving(f"http://{listen}/laporan") as made:
        monkeypatch.setenv("PENGADUAN_URL", made.url)
        yield made


@pytest.fixture
def officers(mariadb: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The enforcement office's database, and the folder of its daily lists, ``izin``."""
    mariadb.load(samples.folder("satpolpp/penertiban") / "samples" / "application.sql")
    (tmp_path / "izin").mkdir()
    monkeypatch.setenv("PENERTIBAN_URL", mariadb.url)
    monkeypatch.setenv("PENERTIBAN_FOLDER", str(tmp_path / "izin"))
    return mariadb


@pytest.fixture
def hospital(mariadb: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The hospital's database."""
    monkeypatch.setenv("SIMRS_URL", mariadb.url)
    return samples.loaded(mariadb, samples.folder("rsud/simrs"))


@pytest.fixture(scope="module")
def national_process() -> Iterator[HttpServer]:
    """The national server for health records, in a process of its own."""
    with HttpServer(FHIR).serving() as server:
        yield server


@pytest.fixture
def national(national_process: HttpServer, monkeypatch: pytest.MonkeyPatch) -> HttpServer:
    """The national server, empty but for the organisation, where the contract finds it."""
    server = national_process
    server.control_now("kosong")
    server.control_now("simpan", {"resourceType": "Organization", "id": "10000004", "name": "Dinkes Kota Kediri"})
    monkeypatch.setenv("SATUSEHAT_URL", f"{server.url}/fhir")
    monkeypatch.setenv("SATUSEHAT_TOKEN_URL", f"{server.url}/oauth2/v1/accesstoken?grant_type=client_credentials")
    monkeypatch.setenv("SATUSEHAT_CLIENT_ID", CLIENT)
    monkeypatch.setenv("SATUSEHAT_CLIENT_SECRET", CLIENT_SECRET)
    return server


@pytest.fixture
def puskesmas(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    """The community health centre's application in a process of its own."""
    with HttpServer("tests.adapters.departments.puskesmas:app").serving() as server:
        monkeypatch.setenv("EPUSKESMAS_URL", f"{server.url}/api/v1")
        monkeypatch.setenv("EPUSKESMAS_KEY", KEY)
        yield server
