"""The counter of DPMPTSP, the permit office."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from adapters.demo.applications import PERIZINAN
from adapters.demo.city import Resident
from adapters.demo.databases import transaction

_PERMIT = """
INSERT INTO izin (nomor, jenis, nib, kbli, nik_pemohon, nama_pemohon, nama_usaha, alamat_usaha, kode_wilayah,
                  tanggal_terbit)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True)
class Permits:
    """What its clerks do, each in one transaction of their application."""

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
