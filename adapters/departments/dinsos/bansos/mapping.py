"""What a death, and its withdrawal, mean for social aid.

The two events come through consumers of their own, so that either may be handled first: a withdrawal is remembered, and
a death that is withdrawn already stops nothing. Both handlers lock the person's rows first: they wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Date, Row, column, insert, select, table, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bus.ports import Delivery
from schemas.kependudukan import PendudukMeninggal, PendudukMeninggalDibatalkan
from schemas.sosial import PenerimaDihentikan, PenerimaDitetapkan

PENERIMA = table(
    "penerima",
    column("id"),
    column("nik"),
    column("program"),
    column("periode"),
    column("tanggal_ditetapkan"),
    column("status"),
    column("tanggal_berhenti", Date()),
    column("dihentikan_oleh"),
    column("event_id"),
)
BATAL = table("bus_kematian_batal", column("membatalkan"), column("event_id"))


async def hentikan_bantuan(
    event: PendudukMeninggal, delivery: Delivery, transaction: AsyncConnection
) -> Sequence[PenerimaDihentikan]:
    """Stops every running aid of the person, and says so for each."""
    running = await _locked(transaction, event.nik, status="aktif")
    withdrawn = select(BATAL.c.membatalkan).where(BATAL.c.membatalkan == delivery.event.id).with_for_update()
    if (await transaction.execute(withdrawn)).first() is not None:
        return []
    await transaction.execute(
        update(PENERIMA)
        .where(PENERIMA.c.id.in_([each.id for each in running]))
        .values(
            status="dihentikan",
            tanggal_berhenti=event.tanggal_meninggal,
            dihentikan_oleh=delivery.event.id,
            event_id=delivery.event.id,
        )
    )
    return [
        PenerimaDihentikan(
            nik=event.nik, program=each.program, alasan="Meninggal dunia", tanggal=event.tanggal_meninggal
        )
        for each in running
    ]


async def lanjutkan_bantuan(
    event: PendudukMeninggalDibatalkan, delivery: Delivery, transaction: AsyncConnection
) -> Sequence[PenerimaDitetapkan]:
    """Resumes what that very death had stopped; an aid that was stopped for another reason stays stopped."""
    stopped = await _locked(transaction, event.nik, dihentikan_oleh=event.membatalkan)
    await transaction.execute(insert(BATAL).values(membatalkan=event.membatalkan, event_id=delivery.event.id))
    await transaction.execute(
        update(PENERIMA)
        .where(PENERIMA.c.id.in_([each.id for each in stopped]))
        .values(status="aktif", tanggal_berhenti=None, dihentikan_oleh=None, event_id=delivery.event.id)
    )
    return [
        PenerimaDitetapkan(
            nik=event.nik, program=each.program, periode=each.periode, tanggal_ditetapkan=each.tanggal_ditetapkan
        )
        for each in stopped
    ]


async def _locked(transaction: AsyncConnection, nik: str, **wanted: str) -> list[Row[Any]]:
    """The person's rows that have these values; all rows of the person stay locked until the transaction ends."""
    query = select(PENERIMA).where(PENERIMA.c.nik == nik).order_by(PENERIMA.c.id).with_for_update()
    rows = (await transaction.execute(query)).all()
    return [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]
