"""What must be where at the end of the day: for each flow of events, SQL for what is expected and for what is there.

The databases are attached under their applications' names; `main` are the books of those outside the city's offices.
``warga`` and ``kematian`` are views over the registry (see ``audit.py``). Each query yields (key, content); ``origin``
yields (key, time of the write in the source).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flow:
    """What happens in one office on its way into another, or what several events together must have made of it."""

    story: str  #: what a citizen would call it
    name: str
    expected: str
    actual: str
    target: str = ""  #: application.table whose writes are timed, or temp.list whose rows are counted; empty: neither
    origin: str = ""
    about: str = "%"  #: of several flows into one table: a pattern of this one's keys


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


RESIDENT = "every resident is known to the aid office"
BIRTH = "a birth in hospital reaches registry, immunisation and aid"
DEATH = "a death stops aid and pension, flags permits and tax, or is undone"
MOVE = "a move reaches school, health, aid and tax"
PERMIT = "a permit opens a tax object and tells enforcement"
COMPLAINT = "a complaint reaches its department, and the answer the desk"
RIVER = "a river's alarm reaches BPBD's list and the complaint desk"
BAD = "bad rows become dead letters, and nothing else does"
TAX = "a tax payment is known to the permit counter"

_RECIPIENT = "JOIN bansos.penerima p ON p.nik = k.nik"
_RECIPIENT_KEY = "p.nik || ' ' || p.program"
_PENSIONER = "JOIN simpeg.pensiunan p ON p.nik = k.nik"
_BAD_NIK = "LENGTH(nik) <> 16 OR nik GLOB '*[^0-9]*'"
_PERMIT = "SELECT c.kunci, c.waktu FROM perizinan.catatan_sumber c WHERE c.tabel = 'izin' AND c.apa = '{}'"
_REJECTED = "SELECT COUNT(*) FROM siak.log_penduduk l JOIN warga w ON w.id = l.id_pend WHERE l.kode_peristiwa = {}"
_NEW_PERMIT = "SELECT kunci FROM perizinan.catatan_sumber WHERE tabel = 'izin' AND apa = 'insert'"
# Rooming-in leads from a child (v) to its mother (m), also where the child's record was deleted.
_MOTHER = (
    "simrs.ranap_gabung g JOIN simrs.reg_periksa u ON u.no_rawat = g.no_rawat "
    "JOIN simrs.pasien m ON m.no_rkm_medis = u.no_rkm_medis JOIN simrs.reg_periksa v ON v.no_rawat = g.no_rawat2"
)
_BORN = (
    f"SELECT m.no_ktp, c.tgl_lahir || c.jk FROM {_MOTHER} JOIN simrs.pasien c ON c.no_rkm_medis = v.no_rkm_medis "  # noqa: S608
    "WHERE {}"
)
_KEPT = "EXISTS (SELECT 1 FROM simrs.pasien_bayi b WHERE b.no_rkm_medis = v.no_rkm_medis) AND LENGTH(m.no_ktp) = 16"
_DELIVERED = (
    f"SELECT m.no_ktp, s.waktu FROM {_MOTHER} JOIN simrs.catatan_sumber s "  # noqa: S608
    "ON s.tabel = 'pasien_bayi' AND s.kunci = v.no_rkm_medis"
)
_WITHDRAWN = "SELECT k.nik, '' FROM {0}.bus_kematian_batal b JOIN {0}.bus_kematian k ON k.event_id = b.membatalkan"

_CITIZENS = (
    Flow(
        RESIDENT,
        "residents in the aid office's register",
        "SELECT w.nik, w.nama || s.nama FROM warga w JOIN siak.tweb_status_dasar s ON s.id = w.status_dasar "
        "WHERE w.nik_sah",
        "SELECT nik, nama || status FROM bansos.bus_penduduk",
        "bansos.bus_penduduk",
        "SELECT w.nik, c.waktu FROM siak.catatan_sumber c JOIN warga w ON w.id = c.kunci "
        "WHERE c.tabel = 'tweb_penduduk'",
    ),
    Flow(
        BIRTH,
        "births of the hospital, told to the registry",
        _BORN.format("LENGTH(m.no_ktp) = 16"),
        "SELECT nik_ibu, tanggal_lahir || jenis_kelamin FROM siak.bus_kelahiran",
        "siak.bus_kelahiran",
        _DELIVERED,
    ),
    Flow(
        BIRTH,
        "births that no parent has reported yet, on the clerks' list",
        _BORN.format(f"{_KEPT} AND m.no_ktp NOT IN (SELECT ibu_nik FROM siak.tweb_penduduk WHERE ibu_nik IS NOT NULL)"),  # noqa: S608
        "SELECT nik_ibu, tanggal_lahir || jenis_kelamin FROM siak.kelahiran_dari_faskes",
    ),
    Flow(
        BIRTH,
        "newborns at the health centre, without the withdrawn one",
        _BORN.format(_KEPT),
        "SELECT nik_ibu, tanggal_lahir || jenis_kelamin FROM epuskesmas.kelahiran",
        "epuskesmas.kelahiran",
        _DELIVERED,
    ),
    Flow(
        BIRTH,
        "registered children on the health centre's immunisation list",
        _log(1, "w.tanggallahir") + " AND w.tanggal_sah",
        "SELECT nik, tanggal_lahir FROM epuskesmas.sasaran",
        "epuskesmas.sasaran",
        _logged(1),
    ),
    Flow(
        BIRTH,
        "registered children on the aid office's list",
        _log(1, "w.tanggallahir") + " AND w.tanggal_sah",
        "SELECT nik, tanggal_lahir FROM bansos.bus_kelahiran",
        "bansos.bus_kelahiran",
        _logged(1),
    ),
    Flow(
        DEATH,
        "aid of the dead stops, that of the living goes on",
        f"SELECT {_RECIPIENT_KEY}, CASE w.status_dasar WHEN 2 THEN 'dihentikan' ELSE 'aktif' END "  # noqa: S608
        "FROM bansos.penerima p JOIN warga w ON w.nik = p.nik",
        f"SELECT {_RECIPIENT_KEY}, p.status FROM bansos.penerima p",  # noqa: S608
        "bansos.penerima",
        _deaths("meninggal", _RECIPIENT, _RECIPIENT_KEY, "k.waktu"),
    ),
    Flow(
        DEATH,
        "aid that stopped, told to the tax office",
        _deaths("meninggal", _RECIPIENT, _RECIPIENT_KEY, "''"),
        "SELECT nik || ' ' || program, '' FROM pajak.bus_penerima",
        "pajak.bus_penerima",
        _deaths("meninggal", _RECIPIENT, _RECIPIENT_KEY, "k.waktu"),
    ),
    Flow(
        DEATH,
        "aid that goes on again, told to the tax office",
        _deaths("batal", _RECIPIENT, _RECIPIENT_KEY, "p.periode"),
        "SELECT nik || ' ' || program, periode FROM pajak.bus_penerima WHERE status = 'aktif'",
        "pajak.bus_penerima",
        _deaths("batal", _RECIPIENT, _RECIPIENT_KEY, "k.waktu"),
    ),
    Flow(
        DEATH,
        "pensions of the dead stop, those of the living go on",
        "SELECT p.nip, CASE w.status_dasar WHEN 2 THEN 'dihentikan' ELSE 'aktif' END "
        "FROM simpeg.pensiunan p JOIN warga w ON w.nik = p.nik",
        "SELECT nip, status FROM simpeg.pensiunan",
        "simpeg.pensiunan",
        _deaths("meninggal", _PENSIONER, "p.nip", "k.waktu"),
    ),
    Flow(
        DEATH,
        "civil servants who died, on the personnel office's list",
        "SELECT p.nip, p.nik FROM simpeg.pegawai p JOIN warga w ON w.nik = p.nik WHERE w.status_dasar = 2",
        "SELECT nip, nik FROM simpeg.bus_kematian_pegawai",
        "simpeg.bus_kematian_pegawai",
        _deaths("meninggal", "JOIN simpeg.pegawai p ON p.nik = k.nik", "p.nip", "k.waktu"),
    ),
    Flow(
        DEATH,
        "deaths known to the permit office",
        _deaths("meninggal", "", "k.nik", "''"),
        "SELECT nik, '' FROM perizinan.bus_kematian",
        "perizinan.bus_kematian",
        _deaths("meninggal", "", "k.nik", "k.waktu"),
    ),
    Flow(
        DEATH,
        "permits whose holder is dead, flagged",
        "SELECT i.nomor, i.nik_pemohon FROM perizinan.izin i JOIN warga w ON w.nik = i.nik_pemohon "
        "WHERE i.status = 'terbit' AND w.status_dasar = 2",
        "SELECT nomor, nik FROM perizinan.pemegang_meninggal",
    ),
    Flow(
        DEATH,
        "deaths known to the tax office",
        _deaths("meninggal", "", "k.nik", "''"),
        "SELECT nik, '' FROM pajak.bus_kematian",
        "pajak.bus_kematian",
        _deaths("meninggal", "", "k.nik", "k.waktu"),
    ),
    Flow(
        DEATH,
        "tax bills of the dead, flagged",
        "SELECT s.no_sppt, s.nik FROM pajak.sppt s JOIN warga w ON w.nik = s.nik WHERE w.status_dasar = 2",
        "SELECT no_sppt, nik FROM pajak.tagihan_almarhum",
    ),
    *(
        Flow(DEATH, f"a withdrawn death, told to {office}", _deaths("batal", "", "k.nik", "''"), _WITHDRAWN.format(app))
        for office, app in (("the permit office", "perizinan"), ("the tax office", "pajak"))
    ),
    Flow(
        MOVE,
        "who moved out, on the school office's daily list",
        _log(3, "SUBSTR(l.tgl_peristiwa, 1, 10)"),
        "SELECT kunci, isi FROM temp.keluar",
        "temp.keluar",
    ),
    Flow(
        MOVE,
        "who moved in, on the school office's daily list",
        _log(5, "SUBSTR(l.tgl_peristiwa, 1, 10)"),
        "SELECT kunci, isi FROM temp.datang",
        "temp.datang",
    ),
    *(
        Flow(
            MOVE,
            f"who moved {way}, known to the health centre",
            _log(code, "SUBSTR(l.tgl_peristiwa, 1, 10)"),
            f"SELECT nik, tanggal FROM epuskesmas.kepindahan WHERE arah = '{arah}'",  # noqa: S608
            "epuskesmas.kepindahan",
            f"SELECT '{arah} ' || nik, waktu FROM ({_logged(code)})",  # noqa: S608
            f"{arah} %",
        )
        for way, arah, code in (("out", "keluar", 3), ("in", "datang", 5))
    ),
    Flow(
        MOVE,
        "who moved out, on the aid office's list",
        _log(3, "SUBSTR(l.tgl_peristiwa, 1, 10)"),
        "SELECT nik, tanggal_pindah FROM bansos.bus_pindah",
        "bansos.bus_pindah",
        _logged(3),
    ),
    Flow(
        MOVE,
        "who moved out, on the tax office's list",
        _log(3, "SUBSTR(l.tgl_peristiwa, 1, 10)"),
        "SELECT nik, tanggal_pindah FROM pajak.bus_pindah_keluar",
        "pajak.bus_pindah_keluar",
        _logged(3),
    ),
    Flow(
        MOVE,
        "who moved in, on the aid office's list",
        _log(5, "SUBSTR(l.tgl_peristiwa, 1, 10)"),
        "SELECT nik, tanggal_datang FROM bansos.bus_kedatangan",
        "bansos.bus_kedatangan",
        _logged(5),
    ),
)

_OFFICES = (
    Flow(
        PERMIT,
        "objects of new permits, to be registered by the tax office",
        f"SELECT i.nomor, i.nama_usaha || i.kbli FROM perizinan.izin i WHERE i.nomor IN ({_NEW_PERMIT}) "  # noqa: S608
        "AND i.status = 'terbit'",
        "SELECT nomor_izin, nama_usaha || kbli FROM pajak.pendataan_objek WHERE status = 'perlu didata'",
        "pajak.calon_objek_pajak",
        _PERMIT.format("insert"),
    ),
    Flow(
        PERMIT,
        "revoked permits at the tax office",
        "SELECT nomor, tanggal_cabut FROM perizinan.izin WHERE status = 'dicabut'",
        "SELECT nomor_izin, tanggal_dicabut FROM pajak.bus_izin_dicabut",
        "pajak.bus_izin_dicabut",
        _PERMIT.format("update"),
    ),
    Flow(
        PERMIT,
        "new permits on the enforcement office's daily list",
        f"SELECT i.nomor, i.nama_usaha FROM perizinan.izin i WHERE i.nomor IN ({_NEW_PERMIT})",  # noqa: S608
        "SELECT kunci, isi FROM temp.izin_terbit",
        "temp.izin_terbit",
    ),
    Flow(
        PERMIT,
        "revoked permits on the enforcement office's daily list",
        "SELECT nomor, tanggal_cabut FROM perizinan.izin WHERE status = 'dicabut'",
        "SELECT kunci, isi FROM temp.izin_dicabut",
        "temp.izin_dicabut",
    ),
    Flow(
        TAX,
        "payments in the bank's files, at the permit counter",
        f"SELECT nop || ' ' || tahun, tanggal_bayar FROM main.setoran WHERE NOT ({_BAD_NIK})",  # noqa: S608
        "SELECT nop || ' ' || tahun_pajak, tanggal_bayar FROM perizinan.bus_pembayaran",
        "perizinan.bus_pembayaran",
        "SELECT nop, waktu FROM main.setoran",
    ),
)

_HANDLED = "SELECT '{0} ' || c.kunci, c.waktu FROM penertiban.catatan_sumber c WHERE c.tabel = '{1}'"

_COMPLAINTS = (
    Flow(
        COMPLAINT,
        "complaints for the enforcement office, on its officers' list",
        "SELECT nomor, judul || lokasi FROM pengaduan.laporan WHERE opd_tujuan = 'satpolpp' AND judul <> ''",
        "SELECT nomor, judul || lokasi FROM penertiban.laporan",
        "penertiban.laporan",
        "SELECT c.kunci, c.waktu FROM pengaduan.catatan_sumber c",
    ),
    Flow(
        COMPLAINT,
        "what the officers did, known to the desk",
        "SELECT nomor_laporan, uraian FROM penertiban.tindak_lanjut",
        "SELECT nomor, isi FROM pengaduan.kabar WHERE kejadian = 'ditindaklanjuti'",
        "pengaduan.kabar",
        _HANDLED.format("ditindaklanjuti", "tindak_lanjut"),
        "ditindaklanjuti %",
    ),
    Flow(
        COMPLAINT,
        "their answers, known to the desk",
        "SELECT nomor_laporan, jawaban FROM penertiban.penyelesaian",
        "SELECT nomor, isi FROM pengaduan.kabar WHERE kejadian = 'selesai'",
        "pengaduan.kabar",
        _HANDLED.format("selesai", "penyelesaian"),
        "selesai %",
    ),
)

# An alarm is a reading whose level is another one than that of the post's reading before.
_LEVEL = (
    "SELECT u.*, CASE WHEN nilai >= awas THEN 'AWAS' WHEN nilai >= siaga THEN 'SIAGA' "
    "WHEN nilai >= waspada THEN 'WASPADA' ELSE 'NORMAL' END AS tingkat "
    "FROM main.ukuran u JOIN main.pos p ON p.sensor = u.sensor WHERE typeof(nilai) <> 'text'"
)
_CHANGES = f"SELECT *, LAG(tingkat) OVER (PARTITION BY sensor ORDER BY nomor) AS sebelum FROM ({_LEVEL})"  # noqa: S608
_ALARM = f"SELECT {{0}}sensor || printf(' %.1f', nilai), {{1}} FROM ({_CHANGES}) WHERE sebelum IS NOT tingkat"  # noqa: S608
_ALARMS = (
    Flow(
        RIVER,
        "changes of a post's level, on BPBD's list",
        _ALARM.format("", "tingkat"),
        "SELECT sensor || printf(' %.1f', nilai), tingkat FROM sensor.bus_peringatan",
        "sensor.bus_peringatan",
        _ALARM.format("", "waktu"),
    ),
    Flow(
        RIVER,
        "changes of a post's level, at the complaint desk",
        _ALARM.format("", "tingkat"),
        "SELECT nomor, isi FROM pengaduan.kabar WHERE kejadian = 'peringatan'",
        "pengaduan.kabar",
        _ALARM.format("'peringatan ' || ", "waktu"),
        "peringatan %",
    ),
)

FLOWS = (*_CITIZENS, *_OFFICES, *_COMPLAINTS, *_ALARMS)

#: (application, place) -> rows of which no event can be made, and how many there are.
REJECTS = {
    ("dukcapil/siak", "source-kelahiran"): (
        "births with an impossible date or NIK",
        _REJECTED.format(1) + " AND NOT (w.nik_sah AND w.tanggal_sah)",
    ),
    ("dukcapil/siak", "source-kedatangan"): (
        "arrivals with an impossible NIK",
        _REJECTED.format(5) + " AND NOT w.nik_sah",
    ),
    ("dukcapil/siak", "source-penduduk"): (
        "residents with an impossible NIK",
        "SELECT COUNT(*) FROM warga WHERE NOT nik_sah",
    ),
    ("rsud/simrs", "source-kelahiran"): (
        "births whose mother has no NIK",
        f"SELECT COUNT(*) FROM {_MOTHER} WHERE LENGTH(m.no_ktp) <> 16",  # noqa: S608
    ),
    ("bppkad/pajak", "source-bank"): (
        "tax payments with a NIK that a spreadsheet spoiled",
        f"SELECT COUNT(*) FROM main.setoran WHERE {_BAD_NIK}",  # noqa: S608
    ),
    ("kominfo/pengaduan", "source-laporan"): (
        "complaints without a title",
        "SELECT COUNT(*) FROM pengaduan.laporan WHERE judul = ''",
    ),
    ("bpbd/sensor", "source-sensor"): (
        "readings that are no number",
        "SELECT COUNT(*) FROM main.ukuran WHERE typeof(nilai) = 'text'",
    ),
}
