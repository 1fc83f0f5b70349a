"""A private PostgreSQL server."""

from __future__ import annotations

import csv
import io
import signal
from pathlib import Path
from shutil import which
from typing import ClassVar

from tests.servers.server import HOST, PASSWORD, USER, DatabaseServer, Row

SETTINGS = {
    "listen_addresses": HOST,
    "fsync": "off",  # a killed server loses nothing; only a power cut would
    "full_page_writes": "off",
    "wal_level": "logical",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "shared_buffers": "64MB",
    "dynamic_shared_memory_type": "mmap",  # in the server's folder, so that a kill leaves nothing in /dev/shm
    "timezone": "Asia/Jakarta",
}


def installed() -> Path | None:
    """The folder of PostgreSQL's programs, the newest where there are several; None where it is not installed."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if packaged:
        return packaged[-1].parent
    found = which("postgres")
    return Path(found).resolve().parent if found else None


class PostgreSQL(DatabaseServer):
    """PostgreSQL with a password on TCP and logical decoding; its user may do everything."""

    scheme: ClassVar[str] = "postgresql"
    account: ClassVar[str] = "postgres"
    gentle: ClassVar[signal.Signals] = signal.SIGINT  # "fast": disconnects its clients

    def initialise(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD, encoding="ascii")
        password.chmod(0o644)  # within a folder that only the server's user may enter
        options = ["--auth=scram-sha-256", f"--username={USER}", f"--pwfile={password}", "--no-sync", "--encoding=UTF8"]
        self.run([str(self.programs / "initdb"), "--pgdata=data", "--locale=C.UTF-8", *options])

    def command(self) -> list[str]:
        settings = {**SETTINGS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        return [str(self.programs / "postgres"), "-D", str(self.folder / "data"), *options]

    def ping(self) -> list[str]:
        return [str(self.programs / "pg_isready"), "--quiet", f"--host={self.folder}", f"--port={self.port}"]

    def sql(self, text: str, database: str = "") -> list[Row]:
        options = ["--no-psqlrc", "--quiet", "--tuples-only", "--csv", "--pset=null=NULL", "--set=ON_ERROR_STOP=1"]
        address = [f"--host={HOST}", f"--port={self.port}", f"--username={USER}", f"--dbname={database or 'postgres'}"]
        output = self.run(
            [str(self.programs / "psql"), *options, *address, "--file=-"],
            text=text,
            environment={"PGPASSWORD": PASSWORD},
        )
        return [tuple(row) for row in csv.reader(io.StringIO(output))]

    def drop(self, name: str) -> None:
        slots = f"FROM pg_replication_slots WHERE database = '{name}'"
        self.sql(f"SELECT pg_terminate_backend(active_pid, 5000) {slots} AND active")
        self.sql(f"SELECT pg_drop_replication_slot(slot_name) {slots}")
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")
