"""The applications of the demo: a SQLite database each, from the tables that stand beside its contract, and watched.

The demo watches at both ends with triggers, so that its audit needs nothing of the bus: every write of a target table
appends (table, key, event_id, time) to ``catatan_target``, every write of a source table (table, key, what, time) to
``catatan_sumber``. Times are UTC, RFC 3339, milliseconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters import departments

DEPARTMENTS = Path(next(iter(departments.__path__)))
NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
PATIENCE = 15.0  #: seconds that a clerk's program waits for a lock

_NOTES = """
CREATE TABLE catatan_target (tabel TEXT, kunci TEXT, event_id TEXT, waktu TEXT);
CREATE INDEX target_kunci ON catatan_target (tabel, kunci, waktu);
CREATE TABLE catatan_sumber (tabel TEXT, kunci TEXT, apa TEXT, waktu TEXT);
CREATE INDEX sumber_kunci ON catatan_sumber (tabel, kunci, waktu);
"""
_TARGET = """
CREATE TRIGGER catat_{table}_{what} AFTER {what} ON {table}
BEGIN INSERT INTO catatan_target VALUES ('{table}', new.{key}, new.event_id, {now}); END;
"""
_SOURCE = """
CREATE TRIGGER catat_{table}_{what} AFTER {what} ON {table}
BEGIN INSERT INTO catatan_sumber VALUES ('{table}', new.{key}, '{what}', {now}); END;
"""
# OpenSID keeps no trace of a death that was withdrawn (it deletes the log row): the demo keeps one for its audit.
_DEATHS = """
CREATE TRIGGER catat_meninggal AFTER UPDATE OF status_dasar ON tweb_penduduk
WHEN old.status_dasar = 1 AND new.status_dasar = 2
BEGIN INSERT INTO catatan_sumber VALUES ('kematian', new.id, 'meninggal', {now}); END;
CREATE TRIGGER catat_batal AFTER UPDATE OF status_dasar ON tweb_penduduk
WHEN old.status_dasar = 2 AND new.status_dasar = 1
BEGIN INSERT INTO catatan_sumber VALUES ('kematian', new.id, 'batal', {now}); END;
"""


@dataclass(frozen=True)
class Application:
    """An application: whose it is, its database, and the tables to watch with the column that is each row's key."""

    opd: str
    app: str
    variable: str  #: the environment variable by which its contract finds the database
    targets: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``opd/app``."""
        return f"{self.opd}/{self.app}"

    @property
    def contract(self) -> Path:
        """The folder of its contract."""
        return DEPARTMENTS / self.opd / self.app

    def database(self, home: Path) -> Path:
        """Where its database lies."""
        return home / "applications" / f"{self.app}.db"


SIAK = Application("dukcapil", "siak", "SIAK_URL", sources={"tweb_penduduk": "id", "log_penduduk": "id"})
PERIZINAN = Application(
    "dpmptsp",
    "perizinan",
    "PERIZINAN_URL",
    targets={"bus_kematian": "nik", "bus_kematian_batal": "membatalkan", "bus_pembayaran": "nop"},
    sources={"izin": "nomor"},
)
PAJAK = Application(
    "bppkad",
    "pajak",
    "PAJAK_URL",
    targets={
        "bus_izin": "nomor_izin",
        "bus_izin_dicabut": "nomor_izin",
        "bus_pindah_keluar": "nik",
        "bus_penerima": "nik || ' ' || new.program",
        "bus_penerima_berhenti": "nik || ' ' || new.program",
    },
)
BANSOS = Application(
    "dinsos",
    "bansos",
    "BANSOS_URL",
    targets={
        "bus_penduduk": "nik",
        "bus_kelahiran": "nik",
        "bus_pindah": "nik",
        "bus_kedatangan": "nik",
        "bus_kematian_batal": "membatalkan",
        "penerima": "nik || ' ' || new.program",
    },
)
APPLICATIONS = (SIAK, PERIZINAN, PAJAK, BANSOS)


def drop_folder(home: Path) -> Path:
    """Where the bank drops its files for the tax office."""
    return home / "applications" / "pajak-bank"


def dtsen_folder(home: Path) -> Path:
    """Where the ministry's quarterly list of recipients is dropped for the aid office."""
    return home / "applications" / "bansos-dtsen"


def bank_books(home: Path) -> Path:
    """The bank's own database: what it has sent, and when."""
    return home / "applications" / "bank.db"


@contextmanager
def connect(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection as an application would have one: transactions are explicit, other writers are waited for."""
    connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        yield connection
    finally:
        connection.close()


@contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction of an application: all that is written in it, or nothing."""
    with connect(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")


@contextmanager
def away(path: Path) -> Iterator[None]:
    """Nobody else can write to a database while this lasts: whoever tries waits, and gives up in the end."""
    with connect(path) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def create(application: Application, home: Path) -> None:
    """Makes an application's database with its tables, without any watch yet."""
    path = application.database(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    with connect(path) as connection:
        connection.executescript((application.contract / "samples" / "application.sql").read_text(encoding="utf-8"))


def watch(application: Application, home: Path) -> None:
    """Installs the triggers that the audit counts with: from here on every write is noted."""
    script = [_NOTES]
    for kind, tables in ((_TARGET, application.targets), (_SOURCE, application.sources)):
        for table, key in tables.items():
            script += [kind.format(table=table, key=key, what=what, now=NOW) for what in ("insert", "update")]
    if application is SIAK:
        script.append(_DEATHS.format(now=NOW))
    with connect(application.database(home)) as connection:
        connection.executescript("\n".join(script))
