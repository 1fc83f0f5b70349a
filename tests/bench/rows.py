"""Invented deaths as rows of an application, and their event type: what both sides publish."""

from __future__ import annotations

from itertools import count
from typing import Any

from bus.events import EventType
from schemas.kependudukan import PendudukMeninggal

EVENT = "kependudukan.penduduk.meninggal.v1"
KIND: EventType = PendudukMeninggal.__event_type__
FIELDS = ("nik", "tanggal_meninggal", "tempat", "no_akta")

_numbers = count()


def nik(number: int) -> str:
    """A well-formed NIK, another for each number below 60 million."""
    number, serial = divmod(number, 9_000)
    number, day = divmod(number, 28)
    year, month = divmod(number, 12)
    return f"357101{day + 1:02}{month + 1:02}{year % 100:02}{serial + 1:04}"


def rows(size: int) -> list[dict[str, Any]]:
    """So many rows that no call has returned before."""
    return [_row(next(_numbers)) for _ in range(size)]


def _row(number: int) -> dict[str, Any]:
    return {
        "nik": nik(number),
        "tanggal_meninggal": "2026-03-15",
        "tempat": "RSUD Gambiran",
        "no_akta": f"3571-KM-15032026-{number:08}",
    }
