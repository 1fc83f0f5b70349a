"""From e-Puskesmas's doses to events: a patient's number is the facility's code and the number in its register."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]

REASON = "Pencatatan imunisasi dibatalkan di e-Puskesmas"  # the application keeps no reason


def imunisasi(row: Row) -> dict[str, Any]:
    """One dose that was given."""
    return {
        "no_pasien": _patient(row),
        "vaksin": row["vaksin.nama"],
        "tanggal": row["tanggal"],
        "dosis_ke": row["dosis"],
        "kode_kfa": row["vaksin.kode_kfa"],
        "kode_cvx": row["vaksin.kode_cvx"],
        "no_batch": row["vaksin.no_batch"],
        "nik": row["pasien.nik"],
    }


def imunisasi_dibatalkan(row: Row) -> dict[str, Any] | None:
    """A dose that was told and is withdrawn; one that never was told is no event."""
    if row["$previous"] is None:
        return None
    return {"no_pasien": _patient(row), "membatalkan": row["$previous"], "alasan": REASON}


def _patient(row: Row) -> str:
    return f"{row['faskes']}/{row['pasien.no_rm']}"
