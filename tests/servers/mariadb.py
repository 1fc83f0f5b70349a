"""A private MariaDB server."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from shutil import which
from typing import ClassVar

from tests.servers.server import HOST, PASSWORD, USER, DatabaseServer, Row

OPTIONS = (
    "--skip-name-resolve",
    "--log-bin=binlog",
    "--binlog-format=ROW",
    "--binlog-row-image=FULL",
    "--binlog-row-metadata=FULL",
    "--server-id=1",
    "--sync-binlog=0",
    "--innodb-flush-log-at-trx-commit=2",  # to the system at each commit: a killed server loses nothing
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--performance-schema=OFF",
    "--character-set-server=utf8mb4",
    "--default-time-zone=+07:00",
)
DISCONNECT = """
DELIMITER //
BEGIN NOT ATOMIC
    DECLARE CONTINUE HANDLER FOR 1094 BEGIN END;  -- it has gone by itself
    FOR client IN (SELECT id FROM information_schema.processlist WHERE db = '{name}') DO KILL client.id; END FOR;
END//
"""
_ESCAPE = re.compile(r"\\([\\tn0])")
_ESCAPED = {"\\": "\\", "t": "\t", "n": "\n", "0": "\0"}


def installed() -> Path | None:
    """The folder of the server's program; None where it is not installed."""
    found = which("mariadbd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    return Path(found).parent if found else None


class MariaDB(DatabaseServer):
    """MariaDB with a row binlog with full metadata; its user may do everything, replicate included."""

    scheme: ClassVar[str] = "mariadb"
    account: ClassVar[str] = "mysql"
    gentle: ClassVar[signal.Signals] = signal.SIGTERM

    def initialise(self) -> None:
        options = [
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--innodb-log-file-size=16M",
        ]
        self.run(["mariadb-install-db", *options, f"--datadir={self.folder / 'data'}"])
        (self.folder / "init.sql").write_text(
            "".join(
                f"CREATE USER IF NOT EXISTS {USER}@'{host}' IDENTIFIED BY '{PASSWORD}';\n"
                f"GRANT ALL ON *.* TO {USER}@'{host}' WITH GRANT OPTION;\n"
                for host in (HOST, "localhost")
            ),
            encoding="ascii",
        )
        (self.folder / "init.sql").chmod(0o644)

    def command(self) -> list[str]:
        files = [
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
        ]
        address = [f"--bind-address={HOST}", f"--port={self.port}", f"--init-file={self.folder / 'init.sql'}"]
        return [str(self.programs / "mariadbd"), "--no-defaults", *files, *address, *OPTIONS]

    def ping(self) -> list[str]:
        account = [f"--user={USER}", f"--password={PASSWORD}"]
        return ["mariadb-admin", "--no-defaults", f"--socket={self.folder / 'socket'}", *account, "ping"]

    def sql(self, text: str, database: str = "") -> list[Row]:
        address = [f"--host={HOST}", f"--port={self.port}", f"--user={USER}"]
        command = [
            "mariadb",
            "--no-defaults",
            "--batch",
            "--skip-column-names",
            "--default-character-set=utf8mb4",
            *address,
        ]
        output = self.run(
            [*command, f"--database={database or 'mysql'}"], text=text, environment={"MYSQL_PWD": PASSWORD}
        )
        return [tuple(map(_unescape, line.split("\t"))) for line in output.split("\n")[:-1]]

    def drop(self, name: str) -> None:
        # A connection that is left open inside a transaction would make the drop wait for its locks.
        self.sql(DISCONNECT.format(name=name))
        self.sql(f"DROP DATABASE {name}")


def _unescape(value: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED[match[1]], value)
