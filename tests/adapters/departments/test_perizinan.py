"""dpmptsp/perizinan: permits out of the outbox; deaths and payments into its tables."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bus import config
from bus.app import Adapter
from bus.contracts import load
from bus.events import Catalogue
from bus.events.registry import KeyTokens
from bus.testing.adapters import expected, replay
from tests.adapters.departments import samples

PERIZINAN = samples.folder("dpmptsp/perizinan")


@pytest.fixture
async def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The application with its outbox, before the first permit."""
    path = tmp_path / "perizinan.db"
    monkeypatch.setenv("PERIZINAN_URL", samples.run(path, PERIZINAN / "samples" / "application.sql"))
    await Adapter(load(PERIZINAN / "adapter.toml"), config.load(), Catalogue.load(), KeyTokens(b"samples")).install()
    return path


async def test_the_samples_become_the_events_beside_them(database: Path) -> None:
    samples.run(database, PERIZINAN / "samples" / "rows.sql")

    events, rejected = await replay(PERIZINAN)

    assert events == expected(PERIZINAN)
    assert rejected == ["kolom nik_pemohon: harus 16 angka, ada 17"]


def test_permits_of_the_dead_whichever_event_comes_first(database: Path) -> None:
    samples.run(database, PERIZINAN / "samples" / "rows.sql")

    def flagged() -> list[str]:
        with closing(sqlite3.connect(database)) as connection:
            return [row[0] for row in connection.execute("SELECT nomor FROM pemegang_meninggal ORDER BY nomor")]

    samples.run(database, "INSERT INTO bus_kematian VALUES ('3571020508800002', '2026-03-20', 'mati')")
    assert flagged() == ["503/0001/419.104/2026"]
    samples.run(database, "INSERT INTO bus_kematian VALUES ('3571014508820002', '2026-03-20', 'mati2')")
    assert flagged() == ["503/0001/419.104/2026"], "a revoked permit needs no flag"
    samples.run(database, "INSERT INTO bus_kematian_batal VALUES ('mati', 'hidup')")
    assert flagged() == []

    samples.run(database, "DELETE FROM bus_kematian; INSERT INTO bus_kematian_batal VALUES ('salah', 'hidup2')")
    samples.run(database, "INSERT INTO bus_kematian VALUES ('3571020508800002', '2026-03-20', 'salah')")
    assert flagged() == [], "the withdrawal came first"
