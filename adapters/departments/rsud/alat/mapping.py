"""From ADT messages to events: what is unknown or unreadable is left out, what must be there is answered with AE."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.kesehatan import CaraKeluar, JenisKunjungan
from schemas.types import Icd10, Nik

FASKES = "3571015"  #: the Ministry of Health's code of this hospital
SEX = {"M": "L", "F": "P"}  #: HL7 table 0001; O, U, A and N are none that the catalogue has

_NIK, _ICD10, _KIND, _LEAVING = (TypeAdapter[Any](kind) for kind in (Nik, Icd10, JenisKunjungan, CaraKeluar))

Row = Mapping[str, Any]
Fields = dict[str, Any]


def pasien(row: Row) -> Fields | None:
    """A patient as registered now: at the desk (A04, A28), or with what has changed (A08, A31)."""
    if row["_pesan"] not in {"ADT^A04", "ADT^A08", "ADT^A28", "ADT^A31"}:
        return None
    return {
        "no_pasien": _number(row["no_rm"]),
        "nik": _known(_NIK, row["nik"]),
        "nama": row["nama"],
        "jenis_kelamin": SEX.get(row["jenis_kelamin"]),
        "tempat_lahir": row["tempat_lahir"],
        "tanggal_lahir": row["tanggal_lahir"],
    }


def kunjungan(row: Row) -> Fields | None:
    """A visit: an admission (A01) or a registration (A04)."""
    if row["_pesan"] not in {"ADT^A01", "ADT^A04"}:
        return None
    moment = row["masuk"] or row["terjadi"]
    return {
        **_visit(row),
        "tanggal": _day(moment),
        "jam": _hour(moment),
        "jenis": _known(_KIND, row["jenis"]),
        "layanan": row["layanan"],
        "diagnosa": _known(_ICD10, row["diagnosa"]),
    }


def kunjungan_dibatalkan(row: Row) -> Fields | None:
    """An admission or registration that was cancelled (A11)."""
    return _withdrawn(row, "ADT^A11", "Pendaftaran dibatalkan pada alat")


def rawat_inap(row: Row) -> Fields | None:
    """A stay that has ended (A03)."""
    if row["_pesan"] != "ADT^A03":
        return None
    moment = row["keluar"] or row["terjadi"]
    return {
        **_visit(row),
        "tanggal_masuk": _day(row["masuk"]),
        "tanggal_keluar": _day(moment),
        "jam_keluar": _hour(moment),
        "cara_keluar": _known(_LEAVING, row["cara_keluar"]),
        "layanan": row["layanan"],
        "diagnosa": _known(_ICD10, row["diagnosa"]),
    }


def rawat_inap_dibatalkan(row: Row) -> Fields | None:
    """A discharge that was cancelled (A13)."""
    return _withdrawn(row, "ADT^A13", "Kepulangan dibatalkan pada alat")


def _visit(row: Row) -> Fields:
    return {
        "no_kunjungan": _number(row["no_kunjungan"]),
        "no_pasien": _number(row["no_rm"]),
        "nik": _known(_NIK, row["nik"]),
    }


def _withdrawn(row: Row, message: str, reason: str) -> Fields | None:
    """The correction of what was published of a visit; where nothing was, there is nothing to correct."""
    if row["_pesan"] != message or row["$previous"] is None:
        return None
    return {"no_kunjungan": _number(row["no_kunjungan"]), "membatalkan": row["$previous"], "alasan": reason}


def _number(own: str | None) -> str | None:
    """The hospital's own number as one that no other facility has."""
    return f"{FASKES}/{own.strip()}" if own else None


def _day(moment: date | None) -> date | None:
    return moment.date() if isinstance(moment, datetime) else moment


def _hour(moment: date | None) -> str | None:
    return f"{moment:%H:%M}" if isinstance(moment, datetime) else None


def _known(kind: TypeAdapter[Any], value: Any) -> Any:
    """The value where it is one of its kind, else None: '-', empty and what cannot be read are unknown."""
    try:
        return kind.validate_python(value)
    except ValidationError:
        return None
