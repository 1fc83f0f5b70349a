"""From SIMRS Khanza's rows to events: what is unknown or unreadable is left out, what must be there a clerk mends.

`Batal`, a room that is opened again, a child whose record is deleted: what the application takes back becomes the
correction of what was published; where nothing was, there is nothing to correct.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.kesehatan import CaraKeluar, CaraLahir, Gram, Sentimeter, Urutan
from schemas.types import Icd10, Jam, Nik, Tanggal

FASKES = "3571015"  #: the Ministry of Health's code of this hospital, as in Khanza's `setting.kode_ppkkemenkes`
TEMPAT = "RSUD Gambiran Kota Kediri"
DIED = frozenset({"Meninggal", "+"})
STAYING = frozenset({"-", "Pindah Kamar", "Status Belum Lengkap"})  #: `stts_pulang` of who has not left

_NIK, _DATE, _CLOCK, _ICD10 = TypeAdapter(Nik), TypeAdapter(Tanggal), TypeAdapter(Jam), TypeAdapter(Icd10)
_GRAM, _CM, _ORDER = TypeAdapter(Gram), TypeAdapter(Sentimeter), TypeAdapter(Urutan)
_BIRTH, _LEAVING = TypeAdapter(CaraLahir), TypeAdapter(CaraKeluar)
_MEASURE = re.compile(r"\s*([0-9]+)(?:[.,]0+)?\s*(?:gram|gr|g|cm)?[.]?\s*", re.IGNORECASE)

Row = Mapping[str, Any]
Fields = dict[str, Any]


def pasien(row: Row) -> Fields | None:
    """A patient as registered now."""
    if _gone(row):
        return None
    return {
        "no_pasien": _number(row["no_rkm_medis"]),
        "nik": _known(_NIK, row["no_ktp"]),
        "nama": row["nm_pasien"],
        "jenis_kelamin": row["jk"],
        "tempat_lahir": row["tmp_lahir"],
        "tanggal_lahir": _known(_DATE, row["tgl_lahir"]),
        "tanggal_daftar": _known(_DATE, row["tgl_daftar"]),
    }


def kunjungan(row: Row) -> Fields | None:
    """A visit; once more when its diagnosis is coded or changed."""
    if _gone(row) or row["stts"] == "Batal":
        return None
    return {
        **_visit(row),
        "tanggal": row["tgl_registrasi"],
        "jam": _known(_CLOCK, row["jam_reg"]),
        "jenis": row["status_lanjut"],
        "layanan": row["nm_poli"],
        "diagnosa": _known(_ICD10, row["kd_penyakit"]),
    }


def kunjungan_dibatalkan(row: Row) -> Fields | None:
    """A visit that was cancelled or deleted."""
    return _withdrawn(row, _gone(row) or row["stts"] == "Batal", "Pendaftaran dibatalkan di aplikasi")


def rawat_inap(row: Row) -> Fields | None:
    """A stay that has ended."""
    if not _left(row):
        return None
    return {
        **_visit(row),
        "tanggal_masuk": _known(_DATE, row["tgl_masuk"]),
        "tanggal_keluar": row["tgl_keluar"],
        "jam_keluar": _known(_CLOCK, row["jam_keluar"]),
        "cara_keluar": _known(_LEAVING, row["stts_pulang"]),
        "layanan": row["kd_kamar"],
        "diagnosa": _known(_ICD10, row["kd_penyakit"]),
    }


def rawat_inap_dibatalkan(row: Row) -> Fields | None:
    """A stay that goes on after all, or never was."""
    return _withdrawn(row, not _left(row), "Status pulang dikembalikan di aplikasi")


def kematian(row: Row) -> Fields | None:
    """A death: on the day of the death form, else of the discharge. Without a NIK or a day it is a clerk's to mend."""
    if not _died(row):
        return None
    day = _known(_DATE, row["tanggal"])
    return {
        "nik": row["no_ktp"],
        "tanggal_meninggal": day or row["tgl_keluar"],
        "jam_meninggal": _known(_CLOCK, row["jam"] if day else row["jam_keluar"]),
        "tempat": TEMPAT,
        "jenis_kelamin": row["jk"],
        "tanggal_lahir": _known(_DATE, row["tgl_lahir"]),
        "sebab_dasar": _known(_ICD10, row["icd1"]),
        "sebab_langsung": _known(_ICD10, row["icd4"]),
    }


def kematian_dibatalkan(row: Row) -> Fields | None:
    """A patient who lives after all: the status went back, or the room of the death was deleted."""
    found = _correction(row, not _died(row), "Status pulang Meninggal dikembalikan di aplikasi")
    return found and {**found, "nik": row.get("no_ktp")}


def kelahiran(row: Row) -> Fields | None:
    """A birth, keyed by the mother's NIK; without it, it is a clerk's to mend."""
    if not _born(row):
        return None
    return {
        "nik_ibu": row["nik_ibu"],
        "nik_bayi": _known(_NIK, row["nik_bayi"]),
        "tanggal_lahir": row["tgl_lahir"],
        "jam_lahir": _known(_CLOCK, row["jam_lahir"]),
        "jenis_kelamin": row["jk"],
        "anak_ke": _known(_ORDER, row["anakke"]),
        "berat": _known(_GRAM, _measure(row["berat_badan"])),
        "panjang": _known(_CM, _measure(row["panjang_badan"])),
        "cara_lahir": _known(_BIRTH, row["proses_lahir"]),
        "tempat": TEMPAT,
        "no_surat": row["no_skl"],
    }


def kelahiran_dibatalkan(row: Row) -> Fields | None:
    """A birth whose record was deleted."""
    found = _correction(row, not _born(row), "Data kelahiran dihapus di aplikasi")
    return found and {**found, "nik_ibu": row.get("nik_ibu")}


def _gone(row: Row) -> bool:
    """Whether the row was deleted: then there is its key alone."""
    return bool(row["_operasi"] == "delete")


def _left(row: Row) -> bool:
    return not _gone(row) and row["stts_pulang"] is not None and row["stts_pulang"] not in STAYING


def _died(row: Row) -> bool:
    return not _gone(row) and (row["stts_pulang"] in DIED or row["stts"] == "Meninggal")


def _born(row: Row) -> bool:
    return not _gone(row) and row["no_rkm_medis"] is not None


def _visit(row: Row) -> Fields:
    return {
        "no_kunjungan": _number(row["no_rawat"]),
        "no_pasien": _number(row["no_rkm_medis"]),
        "nik": _known(_NIK, row["no_ktp"]),
    }


def _withdrawn(row: Row, withdrawn: bool, reason: str) -> Fields | None:
    """The correction of what was published of a visit."""
    found = _correction(row, withdrawn, reason)
    return found and {**found, "no_kunjungan": _number(row["no_rawat"])}


def _correction(row: Row, withdrawn: bool, reason: str) -> Fields | None:
    if not withdrawn or row["$previous"] is None:
        return None
    return {"membatalkan": row["$previous"], "alasan": reason}


def _number(own: str) -> str:
    """The hospital's own number as one that no other facility has."""
    return f"{FASKES}/{own.strip()}"


def _measure(value: Any) -> Any:
    """The number of a text like ``3200 gr``."""
    match = _MEASURE.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else None


def _known(kind: TypeAdapter[Any], value: Any) -> Any:
    """The value where it is one of its kind, else None: '-', empty, 0000-00-00 and what cannot be read are unknown."""
    try:
        return kind.validate_python(value)
    except ValidationError:
        return None
