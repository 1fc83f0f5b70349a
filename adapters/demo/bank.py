"""The bank that collects property tax, and the tax office of BPPKAD, whose bills it collects."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from adapters.demo.applications import PAJAK, outside
from adapters.demo.city import Resident
from adapters.demo.databases import connect, noted, transaction

_BILL = """
INSERT INTO sppt (no_sppt, nop, tahun, pbb_terutang, tanggal_terbit, jatuh_tempo, nik, kode_wilayah)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


class Payment(NamedTuple):
    """A line of the bank's file, as text: that is what a file holds."""

    no_transaksi: str
    nop: str
    tahun: str
    jumlah: str
    denda: str
    tanggal_bayar: str
    bank: str
    nik: str


def drop_folder(home: Path) -> Path:
    """Where the bank drops its files for the tax office."""
    return PAJAK.drops(home)[0]


@dataclass(frozen=True)
class Bills:
    """The tax office's own application."""

    home: Path

    def fill(self, payers: Sequence[Resident], on: date) -> None:
        """Writes the bills of the year, one for each payer."""
        rows = [
            (
                f"SPPT-{on.year}-{number:05}",
                f"{payer.cluster.region}{number:011}0",
                on.year,
                50_000 + 1_000 * (number % 90),
                str(on),
                str(on + timedelta(180)),
                payer.nik,
                payer.cluster.code,
            )
            for number, payer in enumerate(payers, 1)
        ]
        with transaction(PAJAK.database(self.home)) as tax:
            tax.executemany(_BILL, rows)


@dataclass(frozen=True)
class Bank:
    """The bank that collects property tax: it keeps its own books and drops a file for the tax office now and then."""

    home: Path

    def open(self) -> None:
        """Makes its books."""
        with connect(outside(self.home)) as books:
            books.execute(f"CREATE TABLE setoran ({', '.join(Payment._fields)}, berkas, waktu)")

    def send(self, name: str, payments: Sequence[Payment]) -> None:
        """Writes a file of payments and drops it whole."""
        folder = drop_folder(self.home)
        part = folder / f".{name}.part"
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerow(Payment._fields)
            writer.writerows(payments)
        at = noted()
        with transaction(outside(self.home)) as books:
            marks = ", ".join("?" * (len(Payment._fields) + 2))
            books.executemany(f"INSERT INTO setoran VALUES ({marks})", [(*each, name, at) for each in payments])  # noqa: S608
        part.rename(folder / name)
