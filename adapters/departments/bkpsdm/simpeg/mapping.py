"""What the contract of SIMPEG cannot say by naming columns, and what a death means for a pension.

A death and its withdrawal come through consumers of their own, so that either may be handled first: a withdrawal is
remembered, and a death that is withdrawn already stops nothing. A death that is published once more (its date was
mended) takes the place of the one before, since its withdrawal names it alone. Both handlers lock the person's rows
first: they wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Date, and_, column, delete, insert, or_, select, table, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bus.ports import Delivery
from schemas.kependudukan import PendudukMeninggal, PendudukMeninggalDibatalkan

ISSUED = "terbit"
PENSIUNAN = table(
    "pensiunan",
    column("id"),
    column("nik"),
    column("status"),
    column("tanggal_berhenti", Date()),
    column("dihentikan_oleh"),
    column("event_id"),
)
PEGAWAI = table("pegawai", column("nip"), column("nik"), column("status"))
KEMATIAN = table(
    "bus_kematian_pegawai", column("nip"), column("nik"), column("tanggal_meninggal", Date()), column("event_id")
)
BATAL = table("bus_kematian_batal", column("membatalkan"), column("event_id"))

Row = Mapping[str, Any]
Fields = dict[str, Any]


def diangkat(row: Row) -> Fields | None:
    """An appointment; an employee whose appointment was cancelled is none."""
    if row["_operasi"] == "delete" or row["status"] == "dibatalkan":
        return None
    return {
        "nip": row["nip"],
        "nik": row["nik"],
        "jenis": row["jenis"],
        "tmt": row["tmt_pengangkatan"],
        "tmt_akhir": row["tmt_akhir"],
        "no_sk": row["no_sk_pengangkatan"],
    }


def diangkat_dibatalkan(row: Row) -> Fields | None:
    """An appointment that was cancelled or deleted."""
    return _correction(row, row["_operasi"] == "delete" or row["status"] == "dibatalkan")


def sk_dibatalkan(row: Row) -> Fields | None:
    """A decree that is no longer issued: cancelled, a draft again, or deleted."""
    return _correction(row, row["_operasi"] == "delete" or row["status"] != ISSUED)


def _correction(row: Row, withdrawn: bool) -> Fields | None:
    """The correction of what was published. Of a deleted row no NIP is known: that is a clerk's to tell."""
    if not withdrawn or row["$previous"] is None:
        return None
    return {"nip": row.get("nip"), "membatalkan": row["$previous"], "alasan": "SK dibatalkan atau dihapus di aplikasi"}


async def hentikan_pensiun(event: PendudukMeninggal, delivery: Delivery, transaction: AsyncConnection) -> None:
    """Stops the person's pension; of an employee it notes the death, for the clerk who sees to the widow's pension."""
    own = delivery.event.id
    await _lock(transaction, event.nik)
    await transaction.execute(delete(KEMATIAN).where(KEMATIAN.c.nik == event.nik))
    withdrawn = select(BATAL.c.membatalkan).where(BATAL.c.membatalkan == own).with_for_update()
    if (await transaction.execute(withdrawn)).first() is not None:
        await _resume(transaction, own, and_(PENSIUNAN.c.nik == event.nik, PENSIUNAN.c.dihentikan_oleh.is_not(None)))
        return
    await transaction.execute(
        update(PENSIUNAN)
        .where(PENSIUNAN.c.nik == event.nik)
        .where(or_(PENSIUNAN.c.status == "aktif", PENSIUNAN.c.dihentikan_oleh.is_not(None)))
        .values(status="dihentikan", tanggal_berhenti=event.tanggal_meninggal, dihentikan_oleh=own, event_id=own)
    )
    employed = select(PEGAWAI.c.nip).where(PEGAWAI.c.nik == event.nik, PEGAWAI.c.status == "aktif")
    for nip in (await transaction.execute(employed)).scalars():
        await transaction.execute(
            insert(KEMATIAN).values(nip=nip, nik=event.nik, tanggal_meninggal=event.tanggal_meninggal, event_id=own)
        )


async def lanjutkan_pensiun(
    event: PendudukMeninggalDibatalkan, delivery: Delivery, transaction: AsyncConnection
) -> None:
    """Resumes what that very death had stopped; a pension that was stopped for another reason stays stopped."""
    await _lock(transaction, event.nik)
    await transaction.execute(insert(BATAL).values(membatalkan=event.membatalkan, event_id=delivery.event.id))
    await transaction.execute(delete(KEMATIAN).where(KEMATIAN.c.event_id == event.membatalkan))
    await _resume(transaction, delivery.event.id, PENSIUNAN.c.dihentikan_oleh == event.membatalkan)


async def _lock(transaction: AsyncConnection, nik: str) -> None:
    """The person's pensions stay locked until the transaction ends."""
    await transaction.execute(select(PENSIUNAN.c.id).where(PENSIUNAN.c.nik == nik).with_for_update())


async def _resume(transaction: AsyncConnection, own: str, which: ColumnElement[bool]) -> None:
    await transaction.execute(
        update(PENSIUNAN).where(which).values(status="aktif", tanggal_berhenti=None, dihentikan_oleh=None, event_id=own)
    )
