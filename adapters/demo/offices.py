"""What the clerks of the demo do: each method is one transaction of their application, as the application itself would make it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from adapters.demo.applications import PERIZINAN, RESIDENT, SIAK, resident_row, transaction
from adapters.demo.city import Resident

WIB = timezone(timedelta(hours=7), "WIB")
BORN, DIED, MOVED_OUT, MOVED_IN = 1, 2, 3, 5  #: rows of ref_peristiwa
ALIVE, DEAD, MOVED = 1, 2, 3  #: rows of tweb_status_dasar


def now() -> str:
    """The time as the applications write it: local, milliseconds, no offset."""
    return datetime.now(WIB).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


@dataclass(frozen=True)
class Registry:
    """The counter of Dukcapil, working in OpenSID."""

    home: Path

    def born(self, child: Resident, *, date_text: str = "") -> None:
        """A birth: a new person and its log row. ``date_text`` is what the clerk typed instead of the date."""
        with transaction(SIAK.database(self.home)) as siak:
            siak.execute(RESIDENT, resident_row(child, born=date_text))
            siak.execute(
                "INSERT INTO log_penduduk (id_pend, kode_peristiwa, tgl_peristiwa) VALUES (?, ?, ?)",
                (child.id, BORN, f"{child.born} 00:00:00"),
            )

    def died(self, person: Resident, on: date, where: str) -> None:
        """A death: the person's status and its log row."""
        with transaction(SIAK.database(self.home)) as siak:
            siak.execute(
                "UPDATE tweb_penduduk SET status_dasar = ?, updated_at = ? WHERE id = ?", (DEAD, now(), person.id)
            )
            siak.execute(
                "INSERT INTO log_penduduk (id_pend, kode_peristiwa, meninggal_di, tgl_peristiwa) VALUES (?, ?, ?, ?)",
                (person.id, DIED, where, f"{on} 00:00:00"),
            )

    def withdraw_death(self, person: Resident) -> None:
        """What OpenSID's *Kembalikan Status* does: the status goes back, the log row of the death is deleted."""
        with transaction(SIAK.database(self.home)) as siak:
            siak.execute(
                "UPDATE tweb_penduduk SET status_dasar = ?, updated_at = ? WHERE id = ?", (ALIVE, now(), person.id)
            )
            siak.execute("DELETE FROM log_penduduk WHERE id_pend = ? AND kode_peristiwa = ?", (person.id, DIED))

    def moved_out(self, person: Resident, on: date, address: str) -> None:
        """A move to another city (ref_pindah 3)."""
        with transaction(SIAK.database(self.home)) as siak:
            siak.execute(
                "UPDATE tweb_penduduk SET status_dasar = ?, updated_at = ? WHERE id = ?", (MOVED, now(), person.id)
            )
            siak.execute(
                "INSERT INTO log_penduduk (id_pend, kode_peristiwa, alamat_tujuan, ref_pindah, tgl_peristiwa) VALUES (?, ?, ?, 3, ?)",
                (person.id, MOVED_OUT, address, f"{on} 00:00:00"),
            )

    def moved_in(self, person: Resident, on: date, *, nik: str = "") -> None:
        """A move into the city. ``nik`` is what the clerk typed instead of the right one."""
        with transaction(SIAK.database(self.home)) as siak:
            siak.execute(RESIDENT, resident_row(person, nik=nik))
            siak.execute(
                "INSERT INTO log_penduduk (id_pend, kode_peristiwa, tgl_peristiwa) VALUES (?, ?, ?)",
                (person.id, MOVED_IN, f"{on} 00:00:00"),
            )
