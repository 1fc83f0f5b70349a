"""The offices of a bad day: what their contracts say, and the databases and folders of their applications.

dukcapil/siak -> deaths, residents      dinsos/bansos: a handler and a table, stops aid
bppkad/pajak  -> payments (CSV)         bppkad/kas: a handler without a database, after aid was stopped
                                        dinkes/arsip: keeps what kas made of it
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tests.bad_input.persons import Person

DEATH = "kependudukan.penduduk.meninggal.v1"
RESIDENT = "kependudukan.penduduk.tercatat.v1"
MOVED = "kependudukan.penduduk.pindah-keluar.v1"
STOPPED = "sosial.penerima.dihentikan.v1"
TAXED = "pajak.objek-pajak.berubah.v1"
PAID = "pajak.pembayaran.diterima.v1"


def head(opd: str, app: str) -> str:
    """The beginning of a contract."""
    return f"""
app     = "{app}"
opd     = "{opd}"
title   = "Aplikasi percobaan"
owner   = "Bidang percobaan"
contact = "percobaan@example.org"
stage   = "pilot"
"""


def polled(name: str, url: str, query: str, event: str, mapped: str) -> str:
    """A polled query and the event that its rows become."""
    return f"""
[source.{name}]
connector = "sql_poll"
url       = "{url}"
query     = "{query}"
key       = ["id"]
poll      = 0.1

[[publish]]
event = "{event}"
from  = "{name}"
basis = "UU 24/2013 pasal 44"
map   = {mapped}
"""


def emitted(event: str) -> str:
    """An event that a handler emits."""
    return f'\n[[publish]]\nevent = "{event}"\nbasis = "UU 13/2011"\n'


def subscribed(event: str, fields: Sequence[str], target: str) -> str:
    """A subscription from the first event on."""
    return f"""
[[subscribe]]
event   = "{event}"
purpose = "Pemutakhiran data"
basis   = "UU 24/2013 pasal 58"
fields  = {list(fields)}
start   = "all"
{target}
"""


def into(url: str, table: str, columns: str, key: str = "nik") -> str:
    """A table to write to."""
    return f"""
[subscribe.to]
connector = "sql_upsert"
url       = "{url}"
table     = "{table}"
key       = ["{key}"]
columns   = {columns}
"""


SIAK = (
    head("dukcapil", "siak")
    + polled(
        "log",
        "env:SIAK_URL",
        "SELECT id, nik, tgl, nama, alamat, telepon FROM log",
        DEATH,
        "{ nik = 'nik', tanggal_meninggal = 'tgl', nama = 'nama', tempat = 'alamat', no_akta = 'telepon' }",
    )
    + polled(
        "warga",
        "env:SIAK_URL",
        "SELECT id, nik, nama, alamat, telepon, lahir FROM warga",
        RESIDENT,
        "{ nik = 'nik', nama = 'nama', alamat = 'alamat', tanggal_lahir = 'lahir', pekerjaan = 'telepon' }",
    )
)
AWAY = polled(
    "jauh", "env:JAUH_URL", "SELECT id, nik, tgl FROM pindah", MOVED, "{ nik = 'nik', tanggal_pindah = 'tgl' }"
)
NO_TABLE = polled(
    "salah", "env:SIAK_URL", "SELECT id, nik, tgl FROM tidak_ada", MOVED, "{ nik = 'nik', tanggal_pindah = 'tgl' }"
)

BANSOS = (
    head("dinsos", "bansos")
    + emitted(STOPPED)
    + subscribed(
        DEATH,
        ["nik", "nama", "tempat", "no_akta", "tanggal_meninggal"],
        'handler = "mapping:hentikan"\ndatabase = "env:BANSOS_URL"',
    )
    + subscribed(
        RESIDENT,
        ["nik", "nama", "alamat", "tanggal_lahir"],
        into(
            "env:BANSOS_URL",
            "warga",
            "{ nik = 'nik', nama = 'nama', alamat = 'alamat', lahir = 'tanggal_lahir', event_id = '$id' }",
        ),
    )
)
STOP_AID = '''
"""Stops the aid of the dead; what fails here fails with a person's data in its text."""

import structlog
from opentelemetry import trace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.kependudukan import PendudukMeninggal
from schemas.sosial import PenerimaDihentikan

log = structlog.get_logger("adapters.departments.dinsos.bansos")


async def hentikan(event: PendudukMeninggal, transaction: AsyncConnection):
    log.warning("menghentikan bantuan", nik=event.nik, nama=event.nama, alamat=event.tempat)
    if event.nama.startswith("Soedarsono"):  # planted: what is searched for must be found where it stands
        log.warning(f"{event.nama} tinggal di {event.tempat}")
        trace.get_current_span().set_attribute("catatan", event.nama)
    values = {"nik": event.nik, "nama": event.nama}
    await transaction.execute(text("INSERT INTO berhenti (nik, nama) VALUES (:nik, :nama)"), values)
    if event.nama.startswith("Bagaskara"):
        raise ValueError(f"{event.nama}, {event.tempat}, {event.no_akta}: bukan penerima")
    return [PenerimaDihentikan(nik=event.nik, program="BPNT", alasan=event.nama, tanggal=event.tanggal_meninggal)]
'''

KAS = head("bppkad", "kas") + emitted(TAXED) + subscribed(STOPPED, ["nik", "alasan"], 'handler = "mapping:catat"')
NOTE = '''
"""Gives the heirs' tax object its reduction."""

import structlog

from schemas.pajak import ObjekPajakBerubah
from schemas.sosial import PenerimaDihentikan

log = structlog.get_logger("adapters.departments.bppkad.kas")


async def catat(event: PenerimaDihentikan):
    log.info("mencatat", penerima={"nik": event.nik, "nama": event.alasan})
    nop = f"3571010001{int(event.nik[-4:]):08d}"
    return [ObjekPajakBerubah(nop=nop, nik_wajib_pajak=event.nik, nama_wajib_pajak=event.alasan)]
'''

ARSIP = head("dinkes", "arsip") + subscribed(
    TAXED,
    ["nop", "nik_wajib_pajak", "nama_wajib_pajak"],
    into(
        "env:ARSIP_URL",
        "objek",
        "{ nop = 'nop', nik = 'nik_wajib_pajak', nama = 'nama_wajib_pajak', event_id = '$id' }",
        "nop",
    ),
)

PAJAK = (
    head("bppkad", "pajak")
    + f"""
[source.bank]
connector = "file_drop"
folder    = "env:PAJAK_FOLDER"
key       = ["no_transaksi"]
required  = ["nop", "tahun", "jumlah", "tanggal_bayar"]
settle    = 0.1
poll      = 0.1

[[publish]]
event = "{PAID}"
from  = "bank"
basis = "UU 1/2022"

[publish.map]
nop              = "nop"
tahun_pajak      = "tahun"
jumlah           = "jumlah"
tanggal_bayar    = "tanggal_bayar"
no_transaksi     = "no_transaksi"
nama_wajib_pajak = "nama"
nik_wajib_pajak  = "nik"
"""
)


class Database:
    """An application's SQLite database."""

    def __init__(self, path: Path, script: str) -> None:
        self.path, self.url = path, f"sqlite:///{path}"
        with closing(sqlite3.connect(path)) as db:
            db.executescript(f"PRAGMA journal_mode=WAL; {script}")

    def add(self, table: str, *rows: Sequence[object]) -> None:
        """Adds rows, in one transaction."""
        marks = ", ".join("?" * len(rows[0]))
        with closing(sqlite3.connect(self.path, timeout=30)) as db, db:
            db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """The rows of a query."""
        with closing(sqlite3.connect(self.path, timeout=30)) as db:
            return db.execute(query).fetchall()


def siak(folder: Path) -> Database:
    """Deaths and residents, in columns of text as such applications have them."""
    return Database(
        folder / "siak.db",
        "CREATE TABLE log (id INTEGER PRIMARY KEY, nik, tgl, nama, alamat, telepon);"
        "CREATE TABLE warga (id INTEGER PRIMARY KEY, nik, nama, alamat, telepon, lahir);",
    )


def bansos(folder: Path) -> Database:
    """Stopped aid, and residents by name, each name once."""
    return Database(
        folder / "bansos.db",
        "CREATE TABLE berhenti (nik TEXT PRIMARY KEY, nama TEXT);"
        "CREATE TABLE warga (nik TEXT PRIMARY KEY, nama TEXT UNIQUE, alamat TEXT, lahir TEXT, event_id TEXT);",
    )


def arsip(folder: Path) -> Database:
    """Tax objects."""
    return Database(
        folder / "arsip.db", "CREATE TABLE objek (nop TEXT PRIMARY KEY, nik TEXT, nama TEXT, event_id TEXT);"
    )


def death(number: int, person: Person, **changed: object) -> tuple[object, ...]:
    """A row of a death."""
    row = {
        "nik": person.nik,
        "tgl": "2026-03-15",
        "nama": person.nama,
        "alamat": person.alamat,
        "telepon": person.telepon,
    }
    return (number, *(row | changed).values())


def resident(number: int, person: Person, **changed: object) -> tuple[object, ...]:
    """A row of a resident."""
    row = {
        "nik": person.nik,
        "nama": person.nama,
        "alamat": person.alamat,
        "telepon": person.telepon,
        "lahir": person.lahir,
    }
    return (number, *(row | changed).values())
