"""The applications of the demo: a SQLite database each, made from the tables that stand beside its contract, and watched.

The demo watches at both ends with triggers, so that its audit needs nothing of the bus: every write of a target table appends
(table, key, event_id, time) to ``catatan_target``, every write of a source table (table, key, what, time) to ``catatan_sumber``.
Times are UTC, RFC 3339, milliseconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters import departments
from adapters.demo.city import City, Resident

DEPARTMENTS = Path(next(iter(departments.__path__)))
NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"


@dataclass(frozen=True)
class Application:
    """An application: whose it is, its database, and the tables to watch with the column that is each row's key."""

    opd: str
    app: str
    variable: str  #: the environment variable by which its contract finds it
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
        "penerima": "id",
    },
)
APPLICATIONS = (SIAK, PERIZINAN, PAJAK, BANSOS)


@contextmanager
def connect(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection as an application would have one: transactions are explicit, other writers are waited for."""
    connection = sqlite3.connect(path, timeout=15, isolation_level=None)
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


def create(application: Application, home: Path) -> None:
    """Makes an application's database with its tables, without any watch yet."""
    path = application.database(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    with connect(path) as connection:
        connection.executescript((application.contract / "samples" / "application.sql").read_text(encoding="utf-8"))


def watch(application: Application, home: Path) -> None:
    """Installs the triggers that the audit counts with."""
    with connect(application.database(home)) as connection:
        connection.executescript(
            "CREATE TABLE catatan_target (tabel TEXT, kunci TEXT, event_id TEXT, waktu TEXT);"
            "CREATE INDEX target_kunci ON catatan_target (tabel, kunci, waktu);"
            "CREATE TABLE catatan_sumber (tabel TEXT, kunci TEXT, apa TEXT, waktu TEXT);"
            "CREATE INDEX sumber_kunci ON catatan_sumber (tabel, kunci, waktu);"
        )
        for table, key in application.targets.items():
            for what in ("INSERT", "UPDATE"):
                connection.execute(
                    f"CREATE TRIGGER catat_{table}_{what.lower()} AFTER {what} ON {table} BEGIN "
                    f"INSERT INTO catatan_target VALUES ('{table}', new.{key}, new.event_id, {NOW}); END"
                )
        for table, key in application.sources.items():
            for what in ("INSERT", "UPDATE"):
                connection.execute(
                    f"CREATE TRIGGER catat_{table}_{what.lower()} AFTER {what} ON {table} BEGIN "
                    f"INSERT INTO catatan_sumber VALUES ('{table}', new.{key}, '{what.lower()}', {NOW}); END"
                )
    if application is SIAK:
        _watch_deaths(application.database(home))


def _watch_deaths(path: Path) -> None:
    """OpenSID keeps no trace of a death that was withdrawn (it deletes the log row): the demo keeps one for its audit."""
    with connect(path) as connection:
        for what, before, after in (("meninggal", 1, 2), ("batal", 2, 1)):
            connection.execute(
                f"CREATE TRIGGER catat_{what} AFTER UPDATE OF status_dasar ON tweb_penduduk "
                f"WHEN old.status_dasar = {before} AND new.status_dasar = {after} BEGIN "
                f"INSERT INTO catatan_sumber VALUES ('kematian', new.id, '{what}', {NOW}); END"
            )


def fill_registry(city: City, home: Path) -> None:
    """Writes the residents into OpenSID's tables, as they stood before the day began."""
    clusters = [(each.id, each.rt, each.rw, each.kelurahan) for each in city.clusters]
    families = [(each.id, each.number, str(each.head.id), each.address, each.cluster.id) for each in city.households]
    with transaction(SIAK.database(home)) as connection:
        connection.executemany("INSERT INTO tweb_wil_clusterdesa (id, rt, rw, dusun) VALUES (?, ?, ?, ?)", clusters)
        connection.executemany(
            "INSERT INTO tweb_keluarga (id, no_kk, nik_kepala, alamat, id_cluster) VALUES (?, ?, ?, ?, ?)", families
        )
        connection.executemany(RESIDENT, [resident_row(each) for each in city.residents])


RESIDENT = (
    "INSERT INTO tweb_penduduk (id, nama, nik, id_kk, kk_level, sex, tempatlahir, tanggallahir, agama_id, pekerjaan_id, status_kawin, "
    "id_cluster, alamat_sekarang) VALUES (?, ?, ?, ?, ?, ?, 'KEDIRI', ?, 1, ?, ?, ?, ?)"
)


def resident_row(person: Resident, *, nik: str = "", born: str = "") -> tuple[object, ...]:
    """A resident as the values of ``RESIDENT``; ``nik`` and ``born`` replace the true ones where a clerk mistyped them."""
    return (
        person.id,
        person.name,
        nik or person.nik,
        person.household,
        person.level,
        person.sex,
        born or person.born.isoformat(),
        person.job,
        person.marital,
        person.cluster.id,
        person.address,
    )
