"""What the contract of SIAK cannot say by naming columns: what the application takes back.

OpenSID asks for no reason when it takes something back, and keeps none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]
Fields = dict[str, Any]


def catatan_dihapus(row: Row) -> Fields | None:
    """A birth or arrival whose log row is gone. Of a person who is gone as well no NIK is known: that is rejected."""
    if row.get("kode_peristiwa") is not None:
        return None
    return _correction(row, "Catatan peristiwa dihapus di aplikasi")


def kepindahan_dibatalkan(row: Row) -> Fields | None:
    """A departure whose log row is gone is withdrawn; where it is still there, the person has come back."""
    return None if row["id_log"] is not None else kematian_dibatalkan(row)


def kematian_dibatalkan(row: Row) -> Fields | None:
    """A living person whose death was published is a withdrawn death; one of whom none was published is no event."""
    return _correction(row, "Status dasar dikembalikan menjadi HIDUP di aplikasi")


def _correction(row: Row, reason: str) -> Fields | None:
    if row["$previous"] is None:
        return None
    return {"nik": row.get("nik"), "membatalkan": row["$previous"], "alasan": reason}
