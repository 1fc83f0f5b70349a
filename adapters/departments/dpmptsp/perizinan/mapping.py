"""What the contract of the permit application cannot say by naming columns: when a permit is issued, and what its
clerks take back.

The application asks for no reason when something is taken back, and keeps none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ISSUED = "terbit"
TAKEN_BACK = frozenset({"draf", "batal"})  # whatever else follows, a revocation or the end of its term: it was issued

Row = Mapping[str, Any]
Fields = dict[str, Any]


def terbit(row: Row) -> Fields | None:
    """An issued permit, whether it was entered as one or was a draft before; a deleted row issues nothing."""
    if row["_operasi"] == "delete":
        return None
    return {
        "nomor_izin": row["nomor"],
        "jenis_izin": row["jenis"],
        "tanggal_terbit": row["tanggal_terbit"],
        "berlaku_sampai": row["berlaku_sampai"],
        "nik_pemegang": row["nik_pemohon"],
        "nama_pemegang": row["nama_pemohon"],
        "nib": row["nib"],
        "kbli": row["kbli"],
        "nama_usaha": row["nama_usaha"],
        "alamat_usaha": row["alamat_usaha"],
        "kode_wilayah": row["kode_wilayah"],
    }


def terbit_dibatalkan(row: Row) -> Fields | None:
    """A permit that was issued by mistake: cancelled, a draft again, or deleted while it was valid."""
    deleted = row["_operasi"] == "delete" and row["status"] == ISSUED
    return _correction(row, "Penerbitan dibatalkan di aplikasi") if deleted or row["status"] in TAKEN_BACK else None


def dicabut_dibatalkan(row: Row) -> Fields | None:
    """A revoked permit that is valid again."""
    return _correction(row, "Pencabutan dibatalkan di aplikasi")


def _correction(row: Row, reason: str) -> Fields | None:
    """The correction of what was told; where nothing was, there is nothing to take back."""
    if row["$previous"] is None:
        return None
    return {"nomor_izin": row["nomor"], "membatalkan": row["$previous"], "alasan": reason}
