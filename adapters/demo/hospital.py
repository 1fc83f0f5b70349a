"""The hospital, working in SIMRS Khanza."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from adapters.demo.applications import SIMRS
from adapters.demo.city import Resident
from adapters.demo.databases import transaction

UNKNOWN = "-"  #: what Khanza's clerks write where nothing is known

_PATIENT = """
INSERT INTO pasien (no_rkm_medis, nm_pasien, no_ktp, jk, tmp_lahir, tgl_lahir, nm_ibu, alamat, tgl_daftar, umur,
                    namakeluarga)
VALUES (?, ?, ?, ?, 'KEDIRI', ?, ?, ?, ?, '', '-')
"""
_VISIT = """
INSERT INTO reg_periksa (no_rawat, tgl_registrasi, jam_reg, no_rkm_medis, kd_poli, stts, stts_daftar, status_lanjut,
                         kd_pj, status_bayar, status_poli)
VALUES (?, ?, '06:10:00', ?, 'U0001', 'Dirawat', 'Baru', 'Ranap', 'BPJ', 'Sudah Bayar', 'Baru')
"""
_NEWBORN = """
INSERT INTO pasien_bayi (no_rkm_medis, umur_ibu, nama_ayah, umur_ayah, berat_badan, panjang_badan, lingkar_kepala,
                         proses_lahir, anakke, jam_lahir, keterangan, no_skl)
VALUES (?, '-', '-', '-', ?, '49 cm', '-', 'Spontan', '1', ?, '-', ?)
"""


@dataclass(frozen=True)
class Hospital:
    """What its clerks do, each in one transaction of Khanza's database."""

    home: Path

    def fill(self, patients: Sequence[Resident], since: date) -> None:
        """Writes the patients as they stood before the day began."""
        with transaction(SIMRS.database(self.home)) as khanza:
            khanza.execute("INSERT INTO poliklinik VALUES ('U0001', 'Kebidanan', 0, '1')")
            for each in patients:
                _register(khanza, each, each.nik, since)

    def born(self, mother: Resident, child: Resident, number: int, *, mistyped: str = "") -> None:
        """A birth: the mother's visit, the child's record and visit, rooming-in. ``mistyped`` replaces her NIK."""
        day = child.born
        hers, its = (f"{day:%Y/%m/%d}/{2 * number + each:06}" for each in (0, 1))
        with transaction(SIMRS.database(self.home)) as khanza:
            _register(khanza, mother, mistyped or mother.nik, day)
            _register(khanza, child, UNKNOWN, day)
            khanza.execute(_VISIT, (hers, str(day), _record(mother)))
            khanza.execute(_VISIT, (its, str(day), _record(child)))
            khanza.execute(
                _NEWBORN,
                (_record(child), f"{2_700 + 37 * number}", f"{number % 8:02}:30:00", f"445/{number:04}/SKL/{day.year}"),
            )
            khanza.execute("INSERT INTO ranap_gabung VALUES (?, ?)", (hers, its))

    def withdraw_birth(self, child: Resident) -> None:
        """The record of the newborn is deleted: it was another mother's."""
        with transaction(SIMRS.database(self.home)) as khanza:
            khanza.execute("DELETE FROM pasien_bayi WHERE no_rkm_medis = ?", (_record(child),))


def _register(khanza: sqlite3.Connection, person: Resident, nik: str, on: date) -> None:
    khanza.execute(
        _PATIENT,
        (
            _record(person),
            person.name.upper(),
            nik,
            "LP"[person.sex - 1],
            str(person.born),
            UNKNOWN,
            person.address,
            str(on),
        ),
    )


def _record(person: Resident) -> str:
    """The number of a medical record."""
    return f"{person.id:06}"
