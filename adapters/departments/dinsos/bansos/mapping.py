"""What a death, and its withdrawal, mean for social aid.

The two events come through consumers of their own, so that either may be handled first: a withdrawal is remembered, and
a death that is withdrawn already stops nothing. A death that is published once more (its date was mended) takes the
place of the one before, since its withdrawal names it alone. Both handlers lock the person's rows first: they wait for
each other.
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
) -> Sequence[PenerimaDihentikan] | Sequence[PenerimaDitetapkan]:
    """Stops the running aid of the person and says so for each; of aid that a death has stopped it mends the day."""
    own, rows = delivery.event.id, await _locked(transaction, event.nik)
    withdrawn = select(BATAL.c.membatalkan).where(BATAL.c.membatalkan == own).with_for_update()
    if (await transaction.execute(withdrawn)).first() is not None:
        return await _resume(transaction, own, [each for each in rows if each.dihentikan_oleh is not None])
    concerned = [each for each in rows if each.status == "aktif" or each.dihentikan_oleh is not None]
    await transaction.execute(
        update(PENERIMA)
        .where(PENERIMA.c.id.in_([each.id for each in concerned]))
        .values(status="dihentikan", tanggal_berhenti=event.tanggal_meninggal, dihentikan_oleh=own, event_id=own)
    )
    return [
        PenerimaDihentikan(
            nik=event.nik, program=each.program, alasan="Meninggal dunia", tanggal=event.tanggal_meninggal
        )
        for each in concerned
    ]


async def lanjutkan_bantuan(
    event: PendudukMeninggalDibatalkan, delivery: Delivery, transaction: AsyncConnection
) -> Sequence[PenerimaDitetapkan]:
    """Resumes what that very death had stopped; an aid that was stopped for another reason stays stopped."""
    rows = await _locked(transaction, event.nik)
    await transaction.execute(insert(BATAL).values(membatalkan=event.membatalkan, event_id=delivery.event.id))
    stopped = [each for each in rows if each.dihentikan_oleh == event.membatalkan]
    return await _resume(transaction, delivery.event.id, stopped)


async def _resume(transaction: AsyncConnection, own: str, stopped: Sequence[Row[Any]]) -> list[PenerimaDitetapkan]:
    """Makes these run again, and says so for each."""
    await transaction.execute(
        update(PENERIMA)
        .where(PENERIMA.c.id.in_([each.id for each in stopped]))
        .values(status="aktif", tanggal_berhenti=None, dihentikan_oleh=None, event_id=own)
    )
    return [
        PenerimaDitetapkan(
            nik=each.nik, program=each.program, periode=each.periode, tanggal_ditetapkan=each.tanggal_ditetapkan
        )
        for each in stopped
    ]


async def _locked(transaction: AsyncConnection, nik: str) -> Sequence[Row[Any]]:
    """The person's rows; they stay locked until the transaction ends."""
    query = select(PENERIMA).where(PENERIMA.c.nik == nik).order_by(PENERIMA.c.id).with_for_update()
    return (await transaction.execute(query)).all()
