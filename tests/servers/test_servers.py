"""The private test servers do what their docstrings promise."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from bus import database
from bus.errors import Unavailable
from tests.servers import fixtures
from tests.servers.openssh import SftpFolder
from tests.servers.postgresql import PostgreSQL
from tests.servers.server import HOST, Database, ServerError

KINDS = ["postgresql", "mariadb"]
NAMES = {"postgresql": "PostgreSQL", "mariadb": "MariaDB", "openssh": "OpenSSH"}
OWNER = """
import sys, time
from pathlib import Path
from tests.servers.{kind} import {name}, installed
server = {name}(installed())
server.start()
print(server.folder, server._process.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture(params=KINDS)
def one(request: pytest.FixtureRequest) -> Database:
    """A database of each kind in turn."""
    found: Database = request.getfixturevalue(request.param)
    return found


def test_each_test_has_a_fresh_database(one: Database) -> None:
    other = one.server.create()
    one.sql("CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
    assert one.sql("SELECT a FROM t") == [("1",)]
    with pytest.raises(ServerError, match="t"):
        other.sql("SELECT a FROM t")


def test_values_come_back_whole(one: Database) -> None:
    one.sql("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'satu, \"dua\"\n\ttiga é'), (2, NULL)")
    assert one.sql("SELECT a, b FROM t ORDER BY a") == [("1", 'satu, "dua"\n\ttiga é'), ("2", "NULL")]


async def test_the_url_opens_with_the_drivers_of_the_bus(one: Database) -> None:
    engine = database.engine(one.url, where="test")
    try:
        async with engine.connect() as connection:
            assert (await connection.exec_driver_sql("SELECT 41 + 1")).scalar() == 42
    finally:
        await engine.dispose()


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_commits_survive_and_the_address_stays(one: Database, ending: str) -> None:
    one.sql("CREATE TABLE t (a int)")
    url = one.url
    one.sql("INSERT INTO t VALUES (7)")
    getattr(one.server, ending)()
    assert not one.server.running
    with pytest.raises(ServerError):
        one.sql("SELECT 1")
    one.server.start()
    assert (one.url, one.sql("SELECT a FROM t")) == (url, [("7",)])


async def test_databases_go_though_someone_holds_locks_in_them(one: Database) -> None:
    one.sql("CREATE TABLE t (a int)")
    engine = database.engine(one.url, where="test")
    try:
        async with engine.connect() as connection:
            await connection.exec_driver_sql("INSERT INTO t VALUES (1)")
            one.server.clear()
            with pytest.raises(Unavailable), database.errors("test"):
                await connection.exec_driver_sql("SELECT 1")
            await connection.invalidate()
    finally:
        await engine.dispose()


def test_databases_go_though_the_server_was_left_stopped(one: Database) -> None:
    one.server.stop()
    one.server.clear()
    assert one.server.running
    with pytest.raises(ServerError):
        one.sql("SELECT 1")


def test_postgresql_decodes_its_log(postgresql: Database) -> None:
    postgresql.sql("CREATE TABLE t (a int PRIMARY KEY)")
    postgresql.sql("SELECT pg_create_logical_replication_slot('s', 'test_decoding')")
    postgresql.sql("INSERT INTO t VALUES (5)")
    changes = postgresql.sql("SELECT data FROM pg_logical_slot_get_changes('s', NULL, NULL)")
    assert ("table public.t: INSERT: a[integer]:5",) in changes
    postgresql.server.clear()
    assert postgresql.server.sql("SELECT count(*) FROM pg_replication_slots") == [("0",)]


def test_mariadb_logs_whole_rows_with_their_names(mariadb: Database) -> None:
    wanted = {
        "log_bin": "ON",
        "binlog_format": "ROW",
        "binlog_row_image": "FULL",
        "binlog_row_metadata": "FULL",
        "server_id": "1",
    }
    names = ", ".join(f"'{name}'" for name in wanted)
    shown = mariadb.sql(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
    assert sorted(shown) == sorted(wanted.items())
    (before,) = mariadb.sql("SHOW MASTER STATUS")
    mariadb.sql("CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (5)")
    (after,) = mariadb.sql("SHOW MASTER STATUS")
    assert int(after[1]) > int(before[1])


def test_mariadb_loads_a_file(mariadb: Database, tmp_path: Path) -> None:
    file = tmp_path / "dump.sql"
    file.write_text(
        "CREATE TABLE t (a varchar(9)) DEFAULT CHARSET=latin1;\nINSERT INTO t VALUES ('é');\n", encoding="utf-8"
    )
    mariadb.load(file)
    assert mariadb.sql("SELECT a FROM t") == [("é",)]


@pytest.mark.parametrize("kind", NAMES)
def test_nothing_is_left_when_the_tests_are_killed(request: pytest.FixtureRequest, kind: str) -> None:
    request.getfixturevalue("sftp" if kind == "openssh" else kind)  # skips where it is not installed
    script = OWNER.format(kind=kind, name=NAMES[kind])
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    folder, pid = owner.stdout.readline().split()
    assert Path(folder).is_dir()
    server = os.pidfd_open(int(pid))
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    assert select.select([server], [], [], 30)[0]
    os.close(server)
    deadline = time.monotonic() + 30
    while Path(folder).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("ending", ["stop", "kill", "cut"])
async def test_sftp_sessions_end_with_their_server_and_files_stay(sftp: SftpFolder, ending: str) -> None:
    (sftp.path / "a").write_text("isi")

    def connecting() -> Any:
        address = {"host": HOST, "port": sftp.server.port, "username": sftp.server.user}
        known = asyncssh.import_known_hosts(f"[{HOST}]:{sftp.server.port} {sftp.host_key}")
        return asyncssh.connect(**address, client_keys=[sftp.user_key], known_hosts=known, config=None, agent_path=None)

    async with connecting() as connection, connection.start_sftp_client() as client:
        assert sorted(await client.listdir(str(sftp.path))) == [".", "..", "a"]
        getattr(sftp.server, ending)()
        with pytest.raises((asyncssh.SFTPConnectionLost, ConnectionError)):
            await client.listdir(str(sftp.path))
    assert sftp.server.running == (ending == "cut")
    sftp.server.start()
    async with connecting() as connection, connection.start_sftp_client() as client:
        await client.rename(str(sftp.path / "a"), str(sftp.path / "b"))
    assert (sftp.path / "b").read_text() == "isi"


def test_sqlite_url_names_no_file_yet(sqlite_url: str) -> None:
    assert sqlite_url.startswith("sqlite:////")
    assert not Path(sqlite_url.removeprefix("sqlite:///")).exists()


@pytest.mark.parametrize(("required", "outcome"), [(False, pytest.skip.Exception), (True, pytest.fail.Exception)])
def test_a_missing_server_skips_unless_it_is_required(
    monkeypatch: pytest.MonkeyPatch, required: bool, outcome: type[BaseException]
) -> None:
    monkeypatch.setattr(fixtures, "REQUIRED", required)
    with pytest.raises(outcome, match="not here"):
        next(fixtures.serving(PostgreSQL, None, "it is not here"))
