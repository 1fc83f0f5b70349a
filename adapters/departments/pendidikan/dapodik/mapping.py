"""What naming columns cannot say of the schools' exports: a NISN whose leading zeros a spreadsheet has cut.

Pupils of today have a NISN that begins with 0, so a list that went through Excel has nine digits or eight. A text that
is too short and still begins with 0 was not cut but mistyped, and is left for the clerk to mend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CUT = (8, 9)  #: digits that are left of a NISN's ten


def nisn(value: str | None) -> str | None:
    """The ten digits again; anything else as it is."""
    text = (value or "").strip()
    return text.zfill(10) if len(text) in CUT and text.isdigit() and not text.startswith("0") else value


def siswa(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A pupil of the school application's table."""
    return {
        "nisn": nisn(row["NISN"]),
        "npsn": row["NPSN"],
        "tanggal": row["TGL_MASUK"],
        "nik": row["NIK"],
        "nama": row["NAMA"],
        "tanggal_lahir": row["TGL_LAHIR"],
        "tahun_ajaran": row["TH_AJARAN"],
        "jenis_pendaftaran": row["JNS_DAFTAR"],
    }


def pindah(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A line of the list of pupils who leave."""
    return {
        "nisn": nisn(row["nisn"]),
        "npsn_asal": row["npsn asal"],
        "npsn_tujuan": row["npsn tujuan"],
        "tanggal": row["tanggal keluar"],
        "alasan": row["alasan"],
    }


def pindah_dibatalkan(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A line that was taken back; where its move was never told there is nothing to withdraw."""
    if row["$previous"] is None:
        return None
    return {"nisn": nisn(row["nisn"]), "membatalkan": row["$previous"], "alasan": row["alasan"]}
