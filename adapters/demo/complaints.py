"""Complaints of citizens: Kominfo's clerks who take them, and the officers of Satpol PP who answer theirs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from adapters.demo.applications import PENERTIBAN, PENGADUAN
from adapters.demo.databases import WIB, local, transaction

OFFICERS = "satpolpp"


class Complaint(NamedTuple):
    """What somebody complains about, and who is asked to see to it."""

    number: str
    kind: str
    title: str
    text: str
    department: str
    place: str
    code: str


@dataclass(frozen=True)
class Counter:
    """The desk's counter: what is entered there is told to all listeners of its application."""

    home: Path

    def receive(self, complaint: Complaint) -> None:
        """A complaint is entered."""
        at = datetime.now(WIB).isoformat(timespec="milliseconds")
        names = ("nomor", "kategori", "judul", "isi", "opd_tujuan", "lokasi", "kode_wilayah")
        entry = {
            "id": f"{complaint.number}/1",
            "kejadian": "diterima",
            "asal": "meja",
            "waktu": at,
            "laporan": dict(zip(names, complaint, strict=True)),
        }
        with transaction(PENGADUAN.database(self.home)) as desk:
            desk.execute("INSERT INTO laporan VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*complaint, at))
            desk.execute("INSERT INTO panggilan (isi) VALUES (?)", (json.dumps({"data": [entry]}),))


@dataclass(frozen=True)
class Officers:
    """The officers of Satpol PP at their own list of complaints."""

    home: Path

    def work(self) -> None:
        """Each complaint on the list is looked into, and answered when one comes back to it."""
        now = local()[:19]
        with transaction(PENERTIBAN.database(self.home)) as own:
            own.execute(
                "INSERT INTO penyelesaian SELECT l.nomor, 'Sudah ditertibkan: ' || l.judul, 'TUNTAS', ? "
                "FROM laporan_terbuka l WHERE l.nomor IN (SELECT nomor_laporan FROM tindak_lanjut)",
                (now,),
            )
            own.execute(
                "INSERT INTO tindak_lanjut SELECT l.nomor, 1, 'Petugas memeriksa lokasi.', 'DIPROSES', ? "
                "FROM laporan_terbuka l WHERE l.nomor NOT IN (SELECT nomor_laporan FROM tindak_lanjut)",
                (now,),
            )
