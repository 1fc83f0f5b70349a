"""From a reading to the level of its post: what the posts are, and from which value on each level holds.

The thresholds are BPBD's own and stand here, where they are reviewed with the contract. Of a post that is not listed
nobody has said what is dangerous there: its readings are no warnings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

LEVELS = ("NORMAL", "WASPADA", "SIAGA", "AWAS")


@dataclass(frozen=True, slots=True)
class Pos:
    """A post: ``ambang`` are the values from which on WASPADA, SIAGA and AWAS hold."""

    jenis: str
    satuan: str
    ambang: tuple[float, float, float]
    lokasi: str
    kode_wilayah: str


ISPU = (101, 201, 301)  # tidak sehat, sangat tidak sehat, berbahaya: Permen LHK 14/2020

POS = {
    ("sungai", "tma-brantas-01"): Pos(
        "BANJIR", "cm", (150, 200, 250), "Kali Brantas, Jembatan Semampir", "35.71.02.1001"
    ),
    ("sungai", "tma-kresek-01"): Pos("BANJIR", "cm", (80, 120, 160), "Kali Kresek, Tempurejo", "35.71.03.1011"),
    ("hujan", "arr-klotok-01"): Pos("CUACA EKSTREM", "mm/jam", (10, 20, 50), "Lereng Klotok, Pojok", "35.71.01.1004"),
    ("udara", "ispu-alun-alun"): Pos("KUALITAS UDARA", "ISPU", ISPU, "Alun-alun Kota", "35.71.02.1005"),
}


def peringatan(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The level of a post by its latest reading; the contract makes an event of its changes alone."""
    pos = POS.get((row["jenis"], row["sensor"]))
    if pos is None:
        return None
    nilai = _number(row["nilai"])
    return {
        "sensor": row["sensor"],
        "jenis": pos.jenis,
        "tingkat": None if nilai is None else LEVELS[sum(nilai >= limit for limit in pos.ambang)],
        "nilai": nilai,
        "satuan": pos.satuan,
        "waktu": row["waktu"] or row["diterima"],
        "lokasi": pos.lokasi,
        "kode_wilayah": pos.kode_wilayah,
    }


def peringatan_dibatalkan(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A false alarm. The officer's entry names it by its event: the alarm itself came from another source."""
    return {"sensor": row["sensor"], "membatalkan": row["event_id"], "alasan": row["alasan"]}


def _number(value: Any) -> Decimal | None:
    """A reading; None for what a broken sensor sends: it has no level, and is rejected."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
