"""The report beside a file that was read, in plain Bahasa Indonesia for the clerk who made it. It holds no values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from adapters.connectors.drop_journal import RejectedRow

LISTED = 1000  #: rejected rows that the report lists; all of them are in the file of rejected rows


def done(
    name: str,
    moment: datetime,
    *,
    read: int,
    rejected: int,
    rows: Iterable[RejectedRow],
    numbered: str,
    repair: str,
    folder: str,
) -> str:
    """The report of a file read to its end.

    ``numbered`` says what a row's number is, ``repair`` has the rejected rows, ``folder`` is where to drop it."""
    kind = repair.rpartition(".")[2].upper()
    lines = [*_head(name, moment, "SELESAI dibaca" if not rejected else "SELESAI dibaca, ada baris yang DITOLAK")]
    lines += [f"Baris dibaca  : {read}", f"Diterima      : {read - rejected}", f"Ditolak       : {rejected}", ""]
    if not read:
        lines += ["Berkas ini tidak berisi baris data di bawah judul kolom."]
    elif not rejected:
        lines += ["Semua baris diterima. Tidak ada yang perlu dilakukan."]
    else:
        lines += [
            f"Baris yang ditolak ({numbered}):",
            *_listed(rows, rejected),
            "",
            "Yang perlu dilakukan:",
            f"1. Buka berkas {repair} di folder ini. Isinya hanya baris yang ditolak.",
            "2. Perbaiki setiap baris menurut alasan di atas. Judul kolom jangan diubah.",
            f"3. Simpan dengan jenis berkas yang sama ({kind}) dan taruh di folder {folder}.",
            "Baris yang sudah diterima tidak perlu dikirim lagi.",
        ]
    return _text(lines)


def failed(name: str, moment: datetime, *, reason: str, advice: str, folder: str) -> str:
    """The report of a file that could not be read at all."""
    return _text(
        [
            *_head(name, moment, "GAGAL dibaca; tidak ada baris yang diterima"),
            "",
            f"Sebab         : {reason}.",
            f"Perbaikan     : {advice or 'perbaiki berkas, lalu taruh lagi'}.",
            f"Taruh di      : folder {folder}",
        ]
    )


def _head(name: str, moment: datetime, result: str) -> Iterator[str]:
    yield "LAPORAN PEMBACAAN BERKAS"
    yield ""
    yield f"Berkas        : {name}"
    yield f"Waktu         : {moment:%d-%m-%Y %H:%M %Z}"
    yield f"Hasil         : {result}"


def _listed(rows: Iterable[RejectedRow], total: int) -> Iterator[str]:
    for row in islice(rows, LISTED):
        yield f"  Baris {row.number}: {row.reason}"
    if total > LISTED:
        yield f"  … dan {total - LISTED} baris lain"


def _text(lines: Iterable[str]) -> str:
    """Line ends as the editor of every office PC wants them."""
    return "\r\n".join(lines) + "\r\n"
