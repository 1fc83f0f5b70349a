"""Applications that departments' tests share."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.departments import desk, samples
from tests.adapters.departments.desk import Desk
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
