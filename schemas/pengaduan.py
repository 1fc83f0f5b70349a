"""Complaints about public services (UU 25/2009 art. 36, Perpres 76/2013), shaped as SP4N-LAPOR keeps them.

Walidata of a complaint's arrival is the Dinas Kominfo, whose desk receives all of them. Its follow-up and its end are
published by whoever handles it: the desk, or a department's own application. The complainant is in none of these
events: the answer goes back through the desk, which alone knows whom it owes it to. What citizens and officers write
may still name persons, hence every free text is personal data.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from schemas.base import EventData, Pembatalan, correction, event, pribadi, umum
from schemas.types import (
    Bujur,
    KodeOpd,
    KodeWilayah,
    Lintang,
    Nama,
    Nomor,
    Opsional,
    Teks,
    UraianPanjang,
    Waktu,
    choice,
    number,
)

WALIDATA = ("kominfo",)
PENANGAN = (
    *WALIDATA,
    *(
        "bkpsdm",
        "bpbd",
        "bppkad",
        "dinkes",
        "dinsos",
        "dpmptsp",
        "dukcapil",
        "kelurahan",
        "pendidikan",
        "rsud",
        "satpolpp",
    ),
)
"""Who answers complaints in an application of its own. A department that has none answers at the desk."""

SifatLaporan = Annotated[
    str, choice("sifat-laporan", {"BIASA": ("TERBUKA", "PUBLIK"), "ANONIM": (), "RAHASIA": ("TERTUTUP",)})
]
"""ANONIM: nobody but the desk knows who complained. RAHASIA: its text may not be shown to the public either."""
StatusTindakLanjut = Annotated[
    str,
    choice(
        "status-tindak-lanjut",
        {
            "DITERUSKAN": ("DISPOSISI", "TERDISPOSISI"),
            "DIPROSES": ("PROSES", "SEDANG DIPROSES"),
            "DITUNDA": (),
            "DIKEMBALIKAN": ("BUKAN KEWENANGAN",),
        },
    ),
]
HasilLaporan = Annotated[
    str,
    choice(
        "hasil-laporan", {"TUNTAS": ("SELESAI",), "TIDAK TERBUKTI": (), "DITOLAK": (), "DICABUT": ("DICABUT PELAPOR",)}
    ),
]
Penilaian = Annotated[int, number("bintang", 1, 5)]


class PembatalanLaporan(Pembatalan):
    """A correction about one complaint."""

    nomor_laporan: Annotated[Nomor, umum("Nomor laporan yang peristiwanya dibatalkan")]


@event("pengaduan.laporan.diterima.v1", kind="fact", key="nomor_laporan", entity="laporan", walidata=WALIDATA)
class LaporanDiterima(EventData):
    """Suatu laporan masyarakat diterima, diverifikasi, dan ditujukan kepada suatu OPD."""

    contoh: ClassVar = {
        "nomor_laporan": "LPR-2026-000123",
        "kategori": "Ketenteraman dan ketertiban umum",
        "judul": "Reklame tanpa izin di trotoar",
        "isi": "Ada papan reklame yang menutup trotoar sehingga pejalan kaki turun ke jalan.",
        "opd_tujuan": "satpolpp",
        "waktu_diterima": "2026-03-15T09:12:00+07:00",
        "kode_wilayah": "35.71.02.1012",
    }

    nomor_laporan: Annotated[Nomor, umum("Nomor laporan")]
    kategori: Annotated[Nama, umum("Kategori laporan")]
    judul: Annotated[Teks, pribadi("Judul laporan; dapat menyebut orang")]
    isi: Annotated[UraianPanjang, pribadi("Isi laporan; dapat menyebut orang")]
    opd_tujuan: Annotated[KodeOpd, umum("OPD yang diminta menangani")]
    waktu_diterima: Annotated[Waktu, umum("Saat laporan diterima")]
    sifat: Annotated[Opsional[SifatLaporan], umum("Sifat laporan")] = None
    saluran: Annotated[Opsional[Nama], umum("Saluran masuk, misalnya aplikasi, SMS, tatap muka")] = None
    waktu_kejadian: Annotated[Opsional[Waktu], umum("Saat kejadian yang dilaporkan")] = None
    lokasi: Annotated[Opsional[Teks], pribadi("Tempat yang dilaporkan")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], umum("Kelurahan tempat yang dilaporkan")] = None
    lintang: Annotated[Opsional[Lintang], pribadi("Lintang tempat yang dilaporkan")] = None
    bujur: Annotated[Opsional[Bujur], pribadi("Bujur tempat yang dilaporkan")] = None
    tenggat: Annotated[Opsional[Waktu], umum("Batas waktu tindak lanjut")] = None


@correction(LaporanDiterima)
class LaporanDiterimaDibatalkan(PembatalanLaporan):
    """Laporan ditarik: tercatat dua kali, salah tujuan, atau bukan laporan."""


@event("pengaduan.laporan.ditindaklanjuti.v1", kind="fact", key="nomor_laporan", entity="laporan", walidata=PENANGAN)
class LaporanDitindaklanjuti(EventData):
    """Suatu langkah penanganan laporan dicatat; setiap langkah satu peristiwa."""

    contoh: ClassVar = {
        "nomor_laporan": "LPR-2026-000123",
        "opd": "satpolpp",
        "status": "DIPROSES",
        "tindak_lanjut": "Petugas memeriksa lokasi dan memanggil pemilik reklame.",
        "waktu": "2026-03-16T10:00:00+07:00",
    }

    nomor_laporan: Annotated[Nomor, umum("Nomor laporan")]
    opd: Annotated[KodeOpd, umum("OPD yang menangani")]
    tindak_lanjut: Annotated[UraianPanjang, pribadi("Yang dilakukan; dapat menyebut orang")]
    waktu: Annotated[Waktu, umum("Saat langkah ini dicatat")]
    status: Annotated[Opsional[StatusTindakLanjut], umum("Keadaan laporan setelah langkah ini")] = None


@correction(LaporanDitindaklanjuti)
class LaporanDitindaklanjutiDibatalkan(PembatalanLaporan):
    """Langkah penanganan dibatalkan karena salah catat."""


@event("pengaduan.laporan.selesai.v1", kind="fact", key="nomor_laporan", entity="laporan", walidata=PENANGAN)
class LaporanSelesai(EventData):
    """Penanganan laporan selesai dan jawabannya diberikan."""

    contoh: ClassVar = {
        "nomor_laporan": "LPR-2026-000123",
        "opd": "satpolpp",
        "jawaban": "Papan reklame sudah diturunkan.",
        "hasil": "TUNTAS",
        "waktu": "2026-03-18T14:30:00+07:00",
    }

    nomor_laporan: Annotated[Nomor, umum("Nomor laporan")]
    opd: Annotated[KodeOpd, umum("OPD yang menangani")]
    jawaban: Annotated[UraianPanjang, pribadi("Jawaban kepada pelapor; dapat menyebut orang")]
    waktu: Annotated[Waktu, umum("Saat selesai")]
    hasil: Annotated[Opsional[HasilLaporan], umum("Hasil penanganan")] = None
    penilaian: Annotated[Opsional[Penilaian], umum("Penilaian pelapor, 1 sampai 5 bintang")] = None


@correction(LaporanSelesai)
class LaporanSelesaiDibatalkan(PembatalanLaporan):
    """Penyelesaian dibatalkan: laporan dibuka kembali."""
