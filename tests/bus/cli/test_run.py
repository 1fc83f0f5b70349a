"""`bus run` without running: what it prints for the owners of databases."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.adapters.departments import samples
from tests.bus.cli.test_commands import bus


def test_it_prints_all_that_an_adapter_needs_in_databases(tmp_path: Path) -> None:
    folder = str(samples.folder("dinsos/bansos"))
    url = f"sqlite:///{tmp_path / 'bansos.db'}"
    with sqlite3.connect(tmp_path / "bansos.db") as database:
        database.execute("CREATE TABLE penyaluran (id integer PRIMARY KEY, nik text, status text)")
    printed = bus("run", folder, "--ddl", home=tmp_path, BANSOS_URL=url)
    assert printed.returncode == 0
    for name in ("bus_inbox", "bus_outbox", "bus_version"):  # several subscriptions need them
        assert printed.stdout.count(f"CREATE TABLE IF NOT EXISTS {name} ") == 1
    assert 'CREATE TABLE IF NOT EXISTS "kejadian_bus"' in printed.stdout


def test_it_says_where_there_is_nothing_to_make(tmp_path: Path) -> None:
    printed = bus("run", str(samples.folder("dinkes/satusehat")), "--ddl", home=tmp_path)
    assert (printed.returncode, printed.stdout) == (0, "")
    assert printed.stderr == "dinkes/satusehat needs nothing in a database\n"
