"""What naming columns cannot say of the list of regions: a code tells the level of its region and what that lies in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LEVELS = {2: "PROVINSI", 4: "KOTA", 6: "KECAMATAN", 10: "KELURAHAN"}  #: by the digits of a code
UPPER = 6  #: digits of the levels above the lowest, two for each


def wilayah(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A line of the list. The event's own rules put the dots into codes, and say what is wrong with one."""
    digits = (row["kode"] or "").replace(".", "").strip()
    above = digits[:UPPER] if len(digits) > UPPER else digits[:-2]
    return {
        "kode_wilayah": row["kode"],
        "nama": row["nama"],
        "tingkat": LEVELS.get(len(digits)),
        "kode_induk": above or None,
        "status": row["status"],
        "kode_pengganti": row["kode pengganti"],
        "nama_sebelumnya": row["nama sebelumnya"],
        "kode_bps": row["kode bps"],
        "berlaku_sejak": row["berlaku sejak"],
        "dasar_hukum": row["dasar hukum"],
    }
