"""Administrative regions: codes of the Ministry of Home Affairs, and the 46 kelurahan of Kota Kediri (35.71).

Codes and names as in Kepmendagri 300.2.2-2430/2025, checked against public transcriptions of it and of its predecessors
since 2017 (not the printed decree): the 46 codes are the same in all; Banjarmlati and Tempurejo were Banjar Mlati
and Tampurejo before. BPS uses other codes: ``3571010001`` is BPS's, and is recognised and refused. 35.06 is Kabupaten
Kediri, another government.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, NamedTuple

from schemas.faults import Rule, fault
from schemas.identifiers import identifier_text

KOTA_KEDIRI = "35.71"
KECAMATAN: Mapping[str, str] = MappingProxyType({"35.71.01": "Mojoroto", "35.71.02": "Kota", "35.71.03": "Pesantren"})

_VILLAGE = "[1-9][0-9][.](?:0[1-9]|[1-9][0-9])[.](?:0[1-9]|[1-9][0-9])[.][1-9][0-9]{3}"
_REGION = "[1-9][0-9](?:[.](?:0[1-9]|[1-9][0-9])){0,2}|" + _VILLAGE
_LEVELS = {2: 1, 4: 2, 6: 3, 10: 4}  # digits -> level


class Kelurahan(NamedTuple):
    """One kelurahan of Kota Kediri."""

    kode: str
    nama: str
    kecamatan: str


# In the order of their codes, from 1001 on.
_NAMES = {
    "35.71.01": (
        "Bandar Lor", "Bandar Kidul", "Banjarmlati", "Pojok", "Sukorame", "Bujel", "Gayam", "Mrican", "Dermo",
        "Ngampel", "Mojoroto", "Campurejo", "Lirboyo", "Tamanan",
    ),
    "35.71.02": (
        "Semampir", "Balowerti", "Dandangan", "Ngadirejo", "Kampung Dalem", "Setonopande", "Ringinanom", "Pakelan",
        "Setonogedong", "Kemasan", "Jagalan", "Banjaran", "Kaliombo", "Ngronggo", "Manisrenggo", "Pocanan", "Rejomulyo",
    ),
    "35.71.03": (
        "Bangsal", "Pakunden", "Tosaren", "Jamsaren", "Singonegaran", "Blabak", "Betet", "Tinalan", "Bawang", "Ngletih",
        "Tempurejo", "Ketami", "Pesantren", "Banaran", "Burengan",
    ),
}  # fmt: skip

KELURAHAN: Mapping[str, Kelurahan] = MappingProxyType(
    {
        kode: Kelurahan(kode, nama, KECAMATAN[kecamatan])
        for kecamatan, names in _NAMES.items()
        for kode, nama in ((f"{kecamatan}.{number}", nama) for number, nama in enumerate(names, 1001))
    }
)
"""All 46, by code."""

_fits_village = re.compile(_VILLAGE).fullmatch
_fits_region = re.compile(_REGION).fullmatch


def _dotted(value: object) -> str:
    """The code with its dots: ``3571011001`` is ``35.71.01.1001``."""
    plain = identifier_text(value, " .")
    if not (plain.isascii() and plain.isdigit()) or len(plain) not in _LEVELS:
        raise fault("kode_wilayah", "harus kode wilayah Kemendagri, misalnya 35.71.01.1001")
    parts = (plain[:2], plain[2:4], plain[4:6], plain[6:])
    if parts[3].startswith("0"):
        raise fault("kode_bps", "ini tampaknya kode BPS; pakai kode Kemendagri (bagian terakhir mulai dari 1001)")
    return ".".join(part for part in parts if part)


def village_code(value: object) -> str:
    """A code down to the kelurahan or desa. Raises PydanticCustomError."""
    if type(value) is str and _fits_village(value):
        return value
    code = _dotted(value)
    if not _fits_village(code):
        raise fault("kode_kelurahan", "harus kode sampai kelurahan (10 angka), misalnya 35.71.01.1001")
    return code


def region_code(value: object) -> str:
    """A code of any level, province to kelurahan. Raises PydanticCustomError."""
    if type(value) is str and _fits_region(value):
        return value
    code = _dotted(value)
    if not _fits_region(code):
        raise fault("kode_wilayah", "harus kode wilayah Kemendagri, misalnya 35.71 atau 35.71.01.1001")
    return code


KodeWilayah = Annotated[
    str, Rule(village_code, {"type": "string", "format": "kode-wilayah", "pattern": f"^(?:{_VILLAGE})$"})
]
"""Kelurahan or desa, ``PP.KK.CC.KKKK``; ten digits without dots are taken too."""

KodeDaerah = Annotated[
    str, Rule(region_code, {"type": "string", "format": "kode-daerah", "pattern": f"^(?:{_REGION})$"})
]
"""A region of any level, ``PP`` to ``PP.KK.CC.KKKK``: where someone came from may be known only roughly."""
