"""Complaints that the desk has addressed to this office, and what its officers answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import DateTime, Numeric, column, insert, select, table, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bus.ports import Delivery
from schemas.pengaduan import LaporanDiterima

OPD = "satpolpp"
WIB = timezone(timedelta(hours=7), "WIB")  # the application keeps local time without an offset
WITHDRAWN = "Entri dihapus atau diperbaiki di aplikasi"  # the application asks for no reason and keeps none

LAPORAN = table(
    "laporan",
    column("nomor"),
    column("kategori"),
    column("judul"),
    column("isi"),
    column("waktu_diterima", DateTime()),
    column("lokasi"),
    column("kode_wilayah"),
    column("lintang", Numeric(9, 6, asdecimal=False)),
    column("bujur", Numeric(9, 6, asdecimal=False)),
    column("tenggat", DateTime()),
    column("event_id"),
)


async def terima_laporan(event: LaporanDiterima, delivery: Delivery, transaction: AsyncConnection) -> None:
    """Enters a complaint, or renews one that the desk tells again; those of other offices are left alone."""
    if event.opd_tujuan != OPD:
        return
    values = {
        "kategori": event.kategori,
        "judul": event.judul,
        "isi": event.isi,
        "waktu_diterima": _local(event.waktu_diterima),
        "lokasi": event.lokasi,
        "kode_wilayah": event.kode_wilayah,
        "lintang": event.lintang,
        "bujur": event.bujur,
        "tenggat": _local(event.tenggat),
        "event_id": delivery.event.id,
    }
    known = select(LAPORAN.c.nomor).where(LAPORAN.c.nomor == event.nomor_laporan).with_for_update()
    if (await transaction.execute(known)).first() is None:
        await transaction.execute(insert(LAPORAN).values(nomor=event.nomor_laporan, **values))
    else:
        await transaction.execute(update(LAPORAN).where(LAPORAN.c.nomor == event.nomor_laporan).values(**values))


def langkah(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A step of the handling."""
    return {
        "nomor_laporan": row["nomor_laporan"],
        "opd": OPD,
        "tindak_lanjut": row["uraian"],
        "status": row["status"],
        "waktu": row["waktu"],
    }


def jawaban(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The end of the handling, and what the complainant is told."""
    return {
        "nomor_laporan": row["nomor_laporan"],
        "opd": OPD,
        "jawaban": row["jawaban"],
        "hasil": row["hasil"],
        "waktu": row["waktu"],
    }


def dibatalkan(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """An entry that is gone; where it was never told, for it could not be read, there is nothing to take back."""
    if row["$previous"] is None:
        return None
    return {"nomor_laporan": row["nomor_laporan"], "membatalkan": row["$previous"], "alasan": WITHDRAWN}


def _local(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(WIB).replace(tzinfo=None)
