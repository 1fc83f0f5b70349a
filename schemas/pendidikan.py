"""Schools (UU 20/2003): walidata is the Dinas Pendidikan. Pupils are keyed by NISN, their NIK is a party where known.

Pupils are children: everything about one of them is specific personal data (UU 27/2022 art. 4 (2)).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from schemas.base import EventData, Pembatalan, correction, event, pribadi, pribadi_spesifik, umum
from schemas.types import (
    JenisKelamin,
    KodeDaerah,
    KodeWilayah,
    Nama,
    Nik,
    Nisn,
    Npsn,
    Opsional,
    Tanggal,
    Teks,
    choice,
    coded,
    number,
)

WALIDATA = ("pendidikan",)
PIHAK = {"nik": "nik", "nik_ibu": "nik"}

TahunAjaran = Annotated[
    str,
    coded(
        "tahun-ajaran",
        "20[0-9]{2}/20[0-9]{2}",
        "harus tahun ajaran, misalnya 2026/2027",
        normal=lambda code: code.replace("-", "/"),
    ),
]
Tingkat = Annotated[int, number("tingkat kelas", 0, 13)]
"""Class 1 to 12, 13 in four-year vocational schools; 0 before class 1."""
JenisDaftar = Annotated[
    str,
    choice(
        "jenis-pendaftaran",
        {
            "BARU": ("1", "SISWA BARU"),
            "PINDAHAN": ("2", "MUTASI"),
            "KEMBALI": ("3", "KEMBALI BERSEKOLAH", "PUTUS SEKOLAH"),
        },
    ),
]


class PembatalanSiswa(Pembatalan):
    """A correction about one pupil."""

    nisn: Annotated[Nisn, pribadi_spesifik("NISN siswa yang peristiwanya dibatalkan")]


@event("pendidikan.siswa.terdaftar.v1", kind="fact", key="nisn", entity="nisn", walidata=WALIDATA, parties=PIHAK)
class SiswaTerdaftar(EventData):
    """Seorang anak terdaftar sebagai siswa di suatu sekolah."""

    contoh: ClassVar = {
        "nisn": "0123456789",
        "npsn": "20534301",
        "tanggal": "2026-07-13",
        "nik": "3571011503190001",
        "tahun_ajaran": "2026/2027",
        "tingkat": 1,
        "jenis_pendaftaran": "BARU",
    }

    nisn: Annotated[Nisn, pribadi_spesifik("NISN, 10 angka")]
    npsn: Annotated[Npsn, pribadi_spesifik("NPSN sekolah, 8 angka")]
    tanggal: Annotated[Tanggal, pribadi_spesifik("Tanggal masuk sekolah")]
    nik: Annotated[Opsional[Nik], pribadi_spesifik("NIK siswa; kosong bila belum diketahui sekolah")] = None
    nama: Annotated[Opsional[Nama], pribadi_spesifik("Nama siswa")] = None
    jenis_kelamin: Annotated[Opsional[JenisKelamin], pribadi_spesifik("Jenis kelamin")] = None
    tempat_lahir: Annotated[Opsional[Nama], pribadi_spesifik("Kota atau kabupaten tempat lahir")] = None
    tanggal_lahir: Annotated[Opsional[Tanggal], pribadi_spesifik("Tanggal lahir menurut sekolah")] = None
    nama_ibu: Annotated[Opsional[Nama], pribadi("Nama ibu kandung")] = None
    nik_ibu: Annotated[Opsional[Nik], pribadi("NIK ibu kandung")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], pribadi_spesifik("Kelurahan tempat tinggal")] = None
    tahun_ajaran: Annotated[Opsional[TahunAjaran], umum("Tahun ajaran")] = None
    tingkat: Annotated[Opsional[Tingkat], pribadi_spesifik("Tingkat kelas, 1 sampai 13; 0 sebelum kelas 1")] = None
    rombel: Annotated[Opsional[Nama], pribadi_spesifik("Rombongan belajar")] = None
    jenis_pendaftaran: Annotated[Opsional[JenisDaftar], umum("Jenis pendaftaran")] = None
    nama_sekolah: Annotated[Opsional[Nama], pribadi_spesifik("Nama sekolah")] = None


@correction(SiswaTerdaftar)
class SiswaTerdaftarDibatalkan(PembatalanSiswa):
    """Pendaftaran dibatalkan karena salah catat."""


@event("pendidikan.siswa.pindah.v1", kind="fact", key="nisn", entity="nisn", walidata=WALIDATA, parties={"nik": "nik"})
class SiswaPindah(EventData):
    """Seorang siswa pindah dari sekolahnya; sekolah tujuan mendaftarkannya dengan ``siswa.terdaftar``."""

    contoh: ClassVar = {
        "nisn": "0123456789",
        "npsn_asal": "20534301",
        "tanggal": "2026-10-01",
        "npsn_tujuan": "20534302",
    }

    nisn: Annotated[Nisn, pribadi_spesifik("NISN, 10 angka")]
    npsn_asal: Annotated[Npsn, pribadi_spesifik("NPSN sekolah yang ditinggalkan")]
    tanggal: Annotated[Tanggal, pribadi_spesifik("Tanggal pindah")]
    nik: Annotated[Opsional[Nik], pribadi_spesifik("NIK siswa; kosong bila belum diketahui sekolah")] = None
    npsn_tujuan: Annotated[Opsional[Npsn], pribadi_spesifik("NPSN sekolah tujuan")] = None
    wilayah_tujuan: Annotated[Opsional[KodeDaerah], pribadi_spesifik("Wilayah tujuan, setingkat yang diketahui")] = None
    tingkat: Annotated[Opsional[Tingkat], pribadi_spesifik("Tingkat kelas saat pindah")] = None
    alasan: Annotated[Opsional[Teks], pribadi_spesifik("Alasan pindah")] = None


@correction(SiswaPindah)
class SiswaPindahDibatalkan(PembatalanSiswa):
    """Kepindahan dibatalkan: siswa tetap di sekolahnya."""
