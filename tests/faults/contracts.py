"""The contracts of the tests' applications, and the Python beside them."""

from __future__ import annotations

_HEAD = """
app     = "{app}"
opd     = "{opd}"
title   = "Aplikasi percobaan"
owner   = "Bidang percobaan"
contact = "percobaan@example.org"
stage   = "pilot"
"""

PRODUCER = (
    _HEAD.format(opd="dukcapil", app="siak")
    + """
[source.log]
connector = "sql_poll"
url       = "env:SIAK_URL"
query     = "SELECT id, nik, tgl, akta, updated_at FROM log_penduduk"
key       = ["id"]
watermark = "updated_at"
poll      = 0.1
batch     = 200

[[publish]]
event = "kependudukan.penduduk.meninggal.v1"
from  = "log"
basis = "UU 24/2013 pasal 44"
map   = { nik = "nik", tanggal_meninggal = "tgl", no_akta = "akta" }
"""
)


def source(options: str) -> str:
    """dukcapil/siak over any source; ``options`` is the table ``[source.log]``. Its rows have no more than a number,
    ``kunci``, and a value, ``nilai``: ``ROWS`` makes deaths of them.
    """
    emits = '\n[[publish]]\nevent = "kependudukan.penduduk.meninggal.v1"\nfrom = "log"\nbasis = "UU 24/2013 pasal 44"\n'
    return _HEAD.format(opd="dukcapil", app="siak") + options + emits + 'map = "mapping:baris"\n'


ROWS = '''
"""A row is a death: its number that of the document, its value the NIK."""


def baris(row):
    return {"nik": row["nilai"], "tanggal_meninggal": "2026-03-15", "no_akta": f"{int(row['kunci']):06d}"}
'''

_SUBSCRIBE = """
[[subscribe]]
event   = "kependudukan.penduduk.meninggal.v1"
purpose = "Pemutakhiran data"
basis   = "UU 24/2013 pasal 58"
fields  = ["nik", "tanggal_meninggal", "no_akta"]
start   = "all"
"""

_INTO_TABLE = """
[subscribe.to]
connector = "sql_upsert"
url       = "env:{variable}"
table     = "kematian"
key       = ["nik"]
columns   = {{ nik = "nik", akta = "{number}", event_id = "$id" }}
"""


def target(opd: str, app: str, to: str) -> str:
    """An application that is told of deaths; ``to`` is the table ``[subscribe.to]``."""
    return _HEAD.format(opd=opd, app=app) + _SUBSCRIBE + to


def sink(opd: str, app: str, variable: str) -> str:
    """An application whose table is filled with deaths."""
    return target(opd, app, _INTO_TABLE.format(variable=variable, number="no_akta"))


def handler(*, database: str = "", on_poison: str = "skip") -> str:
    """dinsos/bansos, whose ``mapping:terima`` handles deaths and may emit ``penerima.dihentikan``."""
    options = f'handler = "mapping:terima"\non_poison = "{on_poison}"\n'
    if database:
        options += f'database = "env:{database}"\n'
    emits = '\n[[publish]]\nevent = "sosial.penerima.dihentikan.v1"\nbasis = "UU 13/2011"\n'
    return _HEAD.format(opd="dinsos", app="bansos") + emits + _SUBSCRIBE + options


FOLLOW_UP_SINK = (
    _HEAD.format(opd="bppkad", app="kas")
    + """
[[subscribe]]
event   = "sosial.penerima.dihentikan.v1"
purpose = "Penghentian pembayaran"
basis   = "UU 13/2011"
fields  = ["nik", "no_sk"]
start   = "all"
"""
    + _INTO_TABLE.format(variable="KAS_URL", number="no_sk")
)

STOP_AID = '''
"""Writes each death down and stops the person's aid."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bus.ports import Delivery
from schemas.kependudukan import PendudukMeninggal
from schemas.sosial import PenerimaDihentikan

UPSERT = text(
    "INSERT INTO kematian (nik, akta, event_id) VALUES (:nik, :akta, :event_id) "
    "ON CONFLICT (nik) DO UPDATE SET akta = excluded.akta, event_id = excluded.event_id"
)


async def terima(event: PendudukMeninggal, delivery: Delivery, transaction: AsyncConnection):
    await transaction.execute(
        UPSERT, {"nik": event.nik, "akta": event.no_akta, "event_id": delivery.event.id}
    )
    return [
        PenerimaDihentikan(
            nik=event.nik,
            program="BPNT",
            alasan="Meninggal dunia",
            tanggal=event.tanggal_meninggal,
            no_sk=event.no_akta,
        )
    ]
'''

OBEDIENT = '''
"""Writes each death down, and does what the table ``perintah`` orders for it."""

import asyncio
import os
import time
from collections import Counter

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bus.ports import Delivery
from schemas.kependudukan import PendudukMeninggal

ORDERS = text("SELECT apa, kali FROM perintah WHERE akta = :akta")
UPSERT = text(
    "INSERT INTO kematian (nik, akta, event_id) VALUES (:nik, :akta, :event_id) "
    "ON CONFLICT (nik) DO UPDATE SET akta = excluded.akta, event_id = excluded.event_id"
)
failures = Counter()


async def terima(event: PendudukMeninggal, delivery: Delivery, transaction: AsyncConnection):
    for what, number in (await transaction.execute(ORDERS, {"akta": event.no_akta})).all():
        if what == "tolak":
            raise ValueError(event.no_akta)
        if what == "mati":
            os.abort()
        if what == "lambat":
            await asyncio.sleep(number)
        if what == "sibuk":
            time.sleep(number)
        if what == "putus" and failures[event.no_akta] < number:
            failures[event.no_akta] += 1
            raise ConnectionError(event.no_akta)
    await transaction.execute(UPSERT, {"nik": event.nik, "akta": event.no_akta, "event_id": delivery.event.id})
'''

WITHOUT_DATABASE = '''
"""Writes each death down by itself, like a service without a database of ours: nothing guards it from a repetition."""

import asyncio
import os
import sqlite3
from contextlib import closing

from bus.ports import Delivery
from schemas.kependudukan import PendudukMeninggal


async def terima(event: PendudukMeninggal, delivery: Delivery):
    if event.no_akta.endswith("5"):
        await asyncio.sleep(float(os.environ["LAMBAT"]))
    with closing(sqlite3.connect(os.environ["BANSOS_PATH"], timeout=30)) as db, db:
        db.execute(
            "INSERT OR REPLACE INTO kematian (nik, akta, event_id) VALUES (?, ?, ?)",
            (event.nik, event.no_akta, delivery.event.id),
        )
'''
