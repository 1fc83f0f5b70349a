"""What offices know of people as the day begins: who receives aid (Dinsos), a pension or a salary (BKPSDM)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from adapters.demo.applications import BANSOS, SIMPEG
from adapters.demo.city import Resident
from adapters.demo.databases import transaction

SERVING = timedelta(days=365 * 25)  #: after birth: the first day of service


@dataclass(frozen=True)
class Aid:
    """The aid office of Dinsos."""

    home: Path

    def fill(self, recipients: Sequence[tuple[Resident, str]], since: date) -> None:
        """Writes who receives which programme as the day begins."""
        rows = [(each.nik, each.name, program, f"{since.year}-TW1", str(since)) for each, program in recipients]
        with transaction(BANSOS.database(self.home)) as aid:
            aid.executemany(
                "INSERT INTO penerima (nik, nama, program, periode, tanggal_ditetapkan) VALUES (?, ?, ?, ?, ?)", rows
            )


@dataclass(frozen=True)
class Personnel:
    """The personnel office of BKPSDM."""

    home: Path

    def fill(self, pensioners: Sequence[Resident], employees: Sequence[Resident]) -> None:
        """Writes who receives a pension, and who serves, as the day begins."""
        with transaction(SIMPEG.database(self.home)) as personnel:
            personnel.execute("INSERT INTO unit_kerja (id, nama) VALUES (1, 'Sekretariat Daerah')")
            personnel.executemany(
                "INSERT INTO pensiunan (nip, nik, nama) VALUES (?, ?, ?)",
                [(_nip(each, number), each.nik, each.name) for number, each in enumerate(pensioners, 1)],
            )
            personnel.executemany(
                "INSERT INTO pegawai (nip, nik, nama, jenis, jk, tgl_lahir, id_unit_kerja, tmt_pengangkatan, "
                "no_sk_pengangkatan) VALUES (?, ?, ?, 'PNS', ?, ?, 1, ?, ?)",
                [
                    (
                        _nip(each, number),
                        each.nik,
                        each.name,
                        "LP"[each.sex - 1],
                        str(each.born),
                        str((each.born + SERVING).replace(day=1)),
                        f"821/{number}/{(each.born + SERVING).year}",
                    )
                    for number, each in enumerate(employees, len(pensioners) + 1)
                ],
            )


def _nip(person: Resident, number: int) -> str:
    """A civil servant's number: birth, month of appointment, sex, serial."""
    return f"{person.born:%Y%m%d}{person.born + SERVING:%Y%m}{person.sex}{number:03}"
