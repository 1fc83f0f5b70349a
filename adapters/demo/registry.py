"""The counter of Dukcapil, the civil registry, working in OpenSID."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from adapters.demo.applications import SIAK
from adapters.demo.city import City, Resident
from adapters.demo.databases import local, transaction

BORN, DIED, MOVED_OUT, MOVED_IN = 1, 2, 3, 5  #: rows of ref_peristiwa
ALIVE, DEAD, MOVED = 1, 2, 3  #: rows of tweb_status_dasar

_PERSON = """
INSERT INTO tweb_penduduk (id, nama, nik, id_kk, kk_level, sex, tempatlahir, tanggallahir, agama_id, pekerjaan_id,
                           status_kawin, id_cluster, alamat_sekarang, ibu_nik)
VALUES (?, ?, ?, ?, ?, ?, 'KEDIRI', ?, 1, ?, ?, ?, ?, ?)
"""
_STATUS = "UPDATE tweb_penduduk SET status_dasar = ?, updated_at = ? WHERE id = ?"


def _person(person: Resident, *, nik: str = "", born: str = "", mother: str | None = None) -> tuple[object, ...]:
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
        mother,
    )


@dataclass(frozen=True)
class Registry:
    """What its clerks do, each in one transaction, made as OpenSID itself would make it."""

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

    def born(self, child: Resident, *, mother: str | None = None, mistyped: str = "") -> None:
        """A birth: a new person and its log row. ``mistyped`` is what the clerk wrote instead of the date of birth."""
        with self._siak() as siak:
            siak.execute(_PERSON, _person(child, born=mistyped, mother=mother))
            siak.execute(
                "INSERT INTO log_penduduk (id_pend, kode_peristiwa, tgl_peristiwa) VALUES (?, ?, ?)",
                (child.id, BORN, f"{child.born} 00:00:00"),
            )

    def died(self, person: Resident, on: date, where: str) -> None:
        """A death: the person's status and its log row."""
        with self._siak() as siak:
            siak.execute(_STATUS, (DEAD, local(), person.id))
            siak.execute(
                "INSERT INTO log_penduduk (id_pend, kode_peristiwa, meninggal_di, tgl_peristiwa) VALUES (?, ?, ?, ?)",
                (person.id, DIED, where, f"{on} 00:00:00"),
            )

    def withdraw_death(self, person: Resident) -> None:
        """What OpenSID's *Kembalikan Status* does: the status goes back, the log row of the death is deleted."""
        with self._siak() as siak:
            siak.execute(_STATUS, (ALIVE, local(), person.id))
            siak.execute("DELETE FROM log_penduduk WHERE id_pend = ? AND kode_peristiwa = ?", (person.id, DIED))

    def moved_out(self, person: Resident, on: date, address: str) -> None:
        """A move to another city (ref_pindah 3)."""
        with self._siak() as siak:
            siak.execute(_STATUS, (MOVED, local(), person.id))
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
