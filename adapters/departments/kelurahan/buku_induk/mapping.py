"""What naming columns cannot say of the kelurahan's book: where one book of several kelurahan names each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.wilayah import KELURAHAN

_CODES = {each.nama.upper(): each.kode for each in KELURAHAN.values()}


def penduduk(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A person of the book. ``dusun`` names the kelurahan where a book has several, else a neighbourhood within it."""
    named = " ".join((row["dusun"] or "").upper().split())
    code = _CODES.get(named)
    return {
        "nik": row["nik"],
        "nama": row["nama"],
        "status": row["status_dasar"],
        "no_kk": row["no_kk"],
        "hubungan_keluarga": row["kk_level"],
        "jenis_kelamin": row["sex"],
        "tanggal_lahir": row["tanggallahir"],
        "alamat": row["alamat"],
        "lingkungan": None if code else row["dusun"],
        "rt": row["rt"],
        "rw": row["rw"],
        "kode_wilayah": code,
    }
