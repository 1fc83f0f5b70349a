"""What must be where at the end of the day: for each flow of events, SQL for what is expected and for what is there.

The databases are attached under their applications' names; ``warga`` and ``kematian`` are views over the registry
(see ``audit.py``). Each query yields (key, content); ``origin`` yields (key, time of the write in the source).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flow:
    """One event type on its way into one application, or what several together must have made of it."""

    name: str
    expected: str
    actual: str
    target: str = ""  #: application.table whose writes are timed; empty: none
    origin: str = ""


def _log(code: int, content: str) -> str:
    return (
        f"SELECT w.nik, {content} FROM siak.log_penduduk l JOIN warga w ON w.id = l.id_pend "  # noqa: S608
        f"WHERE l.kode_peristiwa = {code} AND w.nik_sah"
    )


def _logged(code: int) -> str:
    return (
        "SELECT w.nik, c.waktu FROM siak.catatan_sumber c JOIN siak.log_penduduk l ON l.id = c.kunci "  # noqa: S608
        f"JOIN warga w ON w.id = l.id_pend WHERE c.tabel = 'log_penduduk' AND l.kode_peristiwa = {code}"
    )


def _deaths(what: str, join: str, key: str, content: str) -> str:
    return f"SELECT {key}, {content} FROM kematian k {join} WHERE k.apa = '{what}'"  # noqa: S608


_RECIPIENT = "JOIN bansos.penerima p ON p.nik = k.nik"
_RECIPIENT_KEY = "p.nik || ' ' || p.program"
_BAD_NIK = "LENGTH(nik) <> 16 OR nik GLOB '*[^0-9]*'"
_PERMIT = "SELECT c.kunci, c.waktu FROM perizinan.catatan_sumber c WHERE c.tabel = 'izin' AND c.apa = '{}'"
_REJECTED = "SELECT COUNT(*) FROM siak.log_penduduk l JOIN warga w ON w.id = l.id_pend WHERE l.kode_peristiwa = {}"
_NEW_PERMIT = "SELECT kunci FROM perizinan.catatan_sumber WHERE tabel = 'izin' AND apa = 'insert'"

FLOWS = (
    Flow(
        "penduduk.tercatat > dinsos/bansos",
        "SELECT w.nik, w.nama || s.nama FROM warga w JOIN siak.tweb_status_dasar s ON s.id = w.status_dasar "
        "WHERE w.nik_sah",
        "SELECT nik, nama || status FROM bansos.bus_penduduk",
        "bansos.bus_penduduk",
        "SELECT w.nik, c.waktu FROM siak.catatan_sumber c JOIN warga w ON w.id = c.kunci "
        "WHERE c.tabel = 'tweb_penduduk'",
    ),
    Flow(
        "penduduk.lahir > dinsos/bansos",
        _log(1, "w.tanggallahir") + " AND w.tanggal_sah",
        "SELECT nik, tanggal_lahir FROM bansos.bus_kelahiran",
        "bansos.bus_kelahiran",
        _logged(1),
    ),
    Flow(
        "penduduk.pindah-keluar > dinsos/bansos",
        _log(3, "SUBSTR(l.tgl_peristiwa, 1, 10)"),
        "SELECT nik, tanggal_pindah FROM bansos.bus_pindah",
        "bansos.bus_pindah",
        _logged(3),
    ),
    Flow(
        "penduduk.pindah-keluar > bppkad/pajak",
        _log(3, "SUBSTR(l.tgl_peristiwa, 1, 10)"),
        "SELECT nik, tanggal_pindah FROM pajak.bus_pindah_keluar",
        "pajak.bus_pindah_keluar",
        _logged(3),
    ),
    Flow(
        "penduduk.pindah-datang > dinsos/bansos",
        _log(5, "SUBSTR(l.tgl_peristiwa, 1, 10)"),
        "SELECT nik, tanggal_datang FROM bansos.bus_kedatangan",
        "bansos.bus_kedatangan",
        _logged(5),
    ),
    Flow(
        "penduduk.meninggal > dpmptsp/perizinan",
        _deaths("meninggal", "", "k.nik", "''"),
        "SELECT nik, '' FROM perizinan.bus_kematian",
        "perizinan.bus_kematian",
        _deaths("meninggal", "", "k.nik", "k.waktu"),
    ),
    Flow(
        "penduduk.meninggal-dibatalkan > dpmptsp/perizinan",
        _deaths("batal", "", "k.nik", "''"),
        "SELECT k.nik, '' FROM perizinan.bus_kematian_batal b "
        "JOIN perizinan.bus_kematian k ON k.event_id = b.membatalkan",
    ),
    Flow(
        "permits whose holder is dead",
        "SELECT i.nomor, i.nik_pemohon FROM perizinan.izin i JOIN warga w ON w.nik = i.nik_pemohon "
        "WHERE i.status = 'terbit' AND w.status_dasar = 2",
        "SELECT nomor, nik FROM perizinan.pemegang_meninggal",
    ),
    Flow(
        "penduduk.meninggal > dinsos/bansos (aid stops, resumes)",
        f"SELECT {_RECIPIENT_KEY}, CASE w.status_dasar WHEN 2 THEN 'dihentikan' ELSE 'aktif' END "  # noqa: S608
        "FROM bansos.penerima p JOIN warga w ON w.nik = p.nik",
        f"SELECT {_RECIPIENT_KEY}, p.status FROM bansos.penerima p",  # noqa: S608
        "bansos.penerima",
        _deaths("meninggal", _RECIPIENT, _RECIPIENT_KEY, "k.waktu"),
    ),
    Flow(
        "penerima.dihentikan > bppkad/pajak (follow-up)",
        _deaths("meninggal", _RECIPIENT, _RECIPIENT_KEY, "''"),
        "SELECT nik || ' ' || program, '' FROM pajak.bus_penerima_berhenti",
        "pajak.bus_penerima_berhenti",
        _deaths("meninggal", _RECIPIENT, _RECIPIENT_KEY, "k.waktu"),
    ),
    Flow(
        "penerima.ditetapkan > bppkad/pajak (follow-up)",
        _deaths("batal", _RECIPIENT, _RECIPIENT_KEY, "p.periode"),
        "SELECT nik || ' ' || program, periode FROM pajak.bus_penerima",
        "pajak.bus_penerima",
        _deaths("batal", _RECIPIENT, _RECIPIENT_KEY, "k.waktu"),
    ),
    Flow(
        "izin.terbit > bppkad/pajak",
        f"SELECT i.nomor, i.nama_usaha || i.kbli FROM perizinan.izin i WHERE i.nomor IN ({_NEW_PERMIT})",  # noqa: S608
        "SELECT nomor_izin, nama_usaha || kbli FROM pajak.bus_izin",
        "pajak.bus_izin",
        _PERMIT.format("insert"),
    ),
    Flow(
        "izin.dicabut > bppkad/pajak",
        "SELECT nomor, tanggal_cabut FROM perizinan.izin WHERE status = 'dicabut'",
        "SELECT nomor_izin, tanggal_dicabut FROM pajak.bus_izin_dicabut",
        "pajak.bus_izin_dicabut",
        _PERMIT.format("update"),
    ),
    Flow(
        "pembayaran.diterima > dpmptsp/perizinan",
        f"SELECT nop || ' ' || tahun, tanggal_bayar FROM bank.setoran WHERE NOT ({_BAD_NIK})",  # noqa: S608
        "SELECT nop || ' ' || tahun_pajak, tanggal_bayar FROM perizinan.bus_pembayaran",
        "perizinan.bus_pembayaran",
        "SELECT nop, waktu FROM bank.setoran",
    ),
)

#: (application, place) -> how many rows of that source no event can be made of.
REJECTS = {
    ("dukcapil/siak", "source-kelahiran"): _REJECTED.format(1) + " AND NOT (w.nik_sah AND w.tanggal_sah)",
    ("dukcapil/siak", "source-kedatangan"): _REJECTED.format(5) + " AND NOT w.nik_sah",
    ("dukcapil/siak", "source-penduduk"): "SELECT COUNT(*) FROM warga WHERE NOT nik_sah",
    ("bppkad/pajak", "source-bank"): (
        f"SELECT COUNT(*) FROM bank.setoran WHERE {_BAD_NIK}"  # noqa: S608
    ),
}
