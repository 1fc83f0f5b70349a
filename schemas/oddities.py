"""What looks odd in an event and is no error: codes for the owner's report, never a reason to reject.

A NIK keeps region and birth date of its first registration even where they are wrong (PP 40/2019 art. 30).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from pydantic import BaseModel

from schemas.values import WIB
from schemas.wilayah import KELURAHAN, KOTA_KEDIRI

_REGIONS = ("kode_wilayah", "wilayah_asal", "wilayah_tujuan")
_FEMALE_DAY = 40  #: added to the day of birth in a woman's NIK
_CLOCK_ERROR = timedelta(hours=1)  # of a device or an office computer
_VILLAGE_LENGTH = len("35.71.01.1001")


def warnings_of(data: BaseModel) -> tuple[str, ...]:
    """Codes ``<field>:<what>`` of what a person should look at: ``tanggal_lahir:beda-dengan-nik``,
    ``jenis_kelamin:beda-dengan-nik``, ``<region>:kelurahan-tidak-dikenal``, ``<date or time>:masa-depan``. No values.
    """
    values = data.__dict__
    found = _against_nik(values.get("nik"), values.get("tanggal_lahir"), values.get("jenis_kelamin"))
    found += [f"{name}:kelurahan-tidak-dikenal" for name in _REGIONS if _unknown(values.get(name))]
    now = datetime.now(WIB)
    found += [
        f"{name}:masa-depan"
        for name, value in values.items()
        if (name.startswith("tanggal") and isinstance(value, date) and value > now.date())
        or (name.startswith("waktu") and isinstance(value, datetime) and value > now + _CLOCK_ERROR)
    ]
    return tuple(found)


def _against_nik(nik: object, born: object, sex: object) -> list[str]:
    if not isinstance(nik, str):
        return []
    day = int(nik[6:8])
    found = []
    if isinstance(born, date) and f"{day % _FEMALE_DAY:02d}{nik[8:12]}" != f"{born:%d%m%y}":
        found.append("tanggal_lahir:beda-dengan-nik")
    if sex is not None and (day > _FEMALE_DAY) != (sex == "P"):
        found.append("jenis_kelamin:beda-dengan-nik")
    return found


def _unknown(region: object) -> bool:
    """Whether a code claims to be a kelurahan of this city and is none."""
    return (
        isinstance(region, str)
        and len(region) == _VILLAGE_LENGTH
        and region.startswith(f"{KOTA_KEDIRI}.")
        and region not in KELURAHAN
    )
