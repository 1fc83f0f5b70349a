"""What the clerks of the demo do.

Each method is one transaction of their application, made as the application itself would make it.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from adapters.demo.applications import (
    BANSOS,
    PERIZINAN,
    SIAK,
    bank_books,
    connect,
    drop_folder,
    dtsen_folder,
    transaction,
)
from adapters.demo.city import City, Resident

WIB = timezone(timedelta(hours=7), "WIB")
BORN, DIED, MOVED_OUT, MOVED_IN = 1, 2, 3, 5  #: rows of ref_peristiwa
ALIVE, DEAD, MOVED = 1, 2, 3  #: rows of tweb_status_dasar

_PERSON = """
INSERT INTO tweb_penduduk (id, nama, nik, id_kk, kk_level, sex, tempatlahir, tanggallahir, agama_id, pekerjaan_id,
                           status_kawin, id_cluster, alamat_sekarang)
VALUES (?, ?, ?, ?, ?, ?, 'KEDIRI', ?, 1, ?, ?, ?, ?)
"""
_STATUS = "UPDATE tweb_penduduk SET status_dasar = ?, updated_at = ? WHERE id = ?"
_PERMIT = """
INSERT INTO izin (nomor, jenis, nib, kbli, nik_pemohon, nama_pemohon, nama_usaha, alamat_usaha, kode_wilayah,
                  tanggal_terbit)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def _now() -> str:
    """The time as the applications write it: local, milliseconds, no offset."""
    return datetime.now(WIB).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _person(person: Resident, *, nik: str = "", born: str = "") -> tuple[object, ...]:
    """A resident as the values of ``_PERSON``; ``nik`` and ``born`` replace the true ones where mistyped."""
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


@dataclass(frozen=True)
class Registry:
    """The counter of Dukcapil, working in OpenSID."""

    home: Path

    def fill(self, city: City) -> None:
        """Writes the residents as they stood before the day began."""
        clusters = [(each.id, each.rt, each.rw, each.kelurahan) for each in city.clusters]
        kelurahan = {each.code.replace(".", ""): each.kelurahan for each in city.clusters}
        families = [(e.id, e.number, str(e.members[0].id), e.address, e.cluster.id) for e in city.households]
        with self._siak() as siak:
            siak.executemany("INSERT INTO config (kode_desa, nama_desa) VALUES (?, ?)", kelurahan.items())
            siak.executemany("INSERT INTO tweb_wil_clusterdesa (id, rt, rw, dusun) VALUES (?, ?, ?, ?)", clusters)
            siak.executemany(
                "INSERT INTO tweb_keluarga (id, no_kk, nik_kepala, alamat, id_cluster) VALUES (?, ?, ?, ?, ?)", families
            )
            siak.executemany(_PERSON, [_person(each) for each in city.residents])

    def born(self, child: Resident, *, mistyped: str = "") -> None:
        """A birth: a new person and its log row. ``mistyped`` is what the clerk wrote instead of the date of birth."""
        with self._siak() as siak:
            siak.execute(_PERSON, _person(child, born=mistyped))
            siak.execute(
                "INSERT INTO log_penduduk (id_pend, kode_peristiwa, tgl_peristiwa) VALUES (?, ?, ?)",
                (child.id, BORN, f"{child.born} 00:00:00"),
            )

    def died(self, person: Resident, on: date, where: str) -> None:
        """A death: the person's status and its log row."""
        with self._siak() as siak:
            siak.execute(_STATUS, (DEAD, _now(), person.id))
            siak.execute(
                "INSERT INTO log_penduduk (id_pend, kode_peristiwa, meninggal_di, tgl_peristiwa) VALUES (?, ?, ?, ?)",
                (person.id, DIED, where, f"{on} 00:00:00"),
            )

    def withdraw_death(self, person: Resident) -> None:
        """What OpenSID's *Kembalikan Status* does: the status goes back, the log row of the death is deleted."""
        with self._siak() as siak:
            siak.execute(_STATUS, (ALIVE, _now(), person.id))
            siak.execute("DELETE FROM log_penduduk WHERE id_pend = ? AND kode_peristiwa = ?", (person.id, DIED))

    def moved_out(self, person: Resident, on: date, address: str) -> None:
        """A move to another city (ref_pindah 3)."""
        with self._siak() as siak:
            siak.execute(_STATUS, (MOVED, _now(), person.id))
            siak.execute(
                "INSERT INTO log_penduduk (id_pend, kode_peristiwa, alamat_tujuan, ref_pindah, tgl_peristiwa) "
                "VALUES (?, ?, ?, 3, ?)",
                (person.id, MOVED_OUT, address, f"{on} 00:00:00"),
            )

    def moved_in(self, person: Resident, on: date, *, mistyped: str = "") -> None:
        """A move into the city. ``mistyped`` is what the clerk wrote instead of the NIK."""
        with self._siak() as siak:
            siak.execute(_PERSON, _person(person, nik=mistyped))
            siak.execute(
                "INSERT INTO log_penduduk (id_pend, kode_peristiwa, tgl_peristiwa) VALUES (?, ?, ?)",
                (person.id, MOVED_IN, f"{on} 00:00:00"),
            )

    def _siak(self) -> AbstractContextManager[sqlite3.Connection]:
        return transaction(SIAK.database(self.home))


@dataclass(frozen=True)
class Permits:
    """The counter of DPMPTSP."""

    home: Path

    def grant(self, number: str, kind: str, kbli: str, holder: Resident, on: date) -> None:
        """A permit is issued."""
        nib = f"02{int(number.split('/')[1]):011}"
        business = f"{kind.removeprefix('Izin ')} {holder.name.split()[0]}"
        row = (number, kind, nib, kbli, holder.nik, holder.name, business, holder.address, holder.cluster.code, str(on))
        with transaction(PERIZINAN.database(self.home)) as permits:
            permits.execute(_PERMIT, row)

    def revoke(self, number: str, on: date, why: str) -> None:
        """A permit is revoked."""
        with transaction(PERIZINAN.database(self.home)) as permits:
            permits.execute(
                "UPDATE izin SET status = 'dicabut', tanggal_cabut = ?, alasan_cabut = ? WHERE nomor = ?",
                (str(on), why, number),
            )


@dataclass(frozen=True)
class Aid:
    """The aid office of Dinsos."""

    home: Path

    def fill(self, recipients: Sequence[tuple[Resident, str]], since: date) -> None:
        """Writes who receives which programme as the day begins, and makes the folder of the next quarter's list."""
        dtsen_folder(self.home).mkdir(parents=True, exist_ok=True)
        rows = [(each.nik, each.name, program, f"{since.year}-TW1", str(since)) for each, program in recipients]
        with transaction(BANSOS.database(self.home)) as aid:
            aid.executemany(
                "INSERT INTO penerima (nik, nama, program, periode, tanggal_ditetapkan) VALUES (?, ?, ?, ?, ?)", rows
            )


class Payment(NamedTuple):
    """A line of the bank's file, as text: that is what a file holds."""

    no_transaksi: str
    nop: str
    tahun: str
    jumlah: str
    denda: str
    tanggal_bayar: str
    bank: str
    nik: str


@dataclass(frozen=True)
class Bank:
    """The bank that collects property tax: it keeps its own books and drops a file for the tax office now and then."""

    home: Path

    def open(self) -> None:
        """Makes its books and the drop folder."""
        drop_folder(self.home).mkdir(parents=True, exist_ok=True)
        with connect(bank_books(self.home)) as books:
            books.execute(f"CREATE TABLE setoran ({', '.join(Payment._fields)}, berkas, waktu)")

    def send(self, name: str, payments: Sequence[Payment]) -> None:
        """Writes a file of payments and drops it whole."""
        folder = drop_folder(self.home)
        part = folder / f".{name}.part"
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerow(Payment._fields)
            writer.writerows(payments)
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        with transaction(bank_books(self.home)) as books:
            marks = ", ".join("?" * (len(Payment._fields) + 2))
            books.executemany(f"INSERT INTO setoran VALUES ({marks})", [(*each, name, at) for each in payments])  # noqa: S608
        part.rename(folder / name)
