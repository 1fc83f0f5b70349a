"""Civil servants (UU 20/2023): walidata is the Badan Kepegawaian dan Pengembangan Sumber Daya Manusia. Keyed by NIP.

PNS and PPPK both have a NIP of 18 digits, with different layouts behind the birth date: nothing is derived from it.
Who passes from PPPK to PNS gets another NIP; the NIK is the party by which the person is found.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from schemas.base import EventData, Pembatalan, correction, event, pribadi, pribadi_spesifik, umum
from schemas.types import JenisKelamin, Nama, Nik, Nip, Nomor, Opsional, Tanggal, choice, text

WALIDATA = ("bkpsdm",)
PIHAK = {"nik": "nik"}

JenisPegawai = Annotated[
    str,
    choice(
        "jenis-pegawai",
        {
            "PNS": ("PEGAWAI NEGERI SIPIL",),
            "CPNS": ("CALON PNS",),
            "PPPK": ("P3K", "PPPK PENUH WAKTU"),
            "PPPK PARUH WAKTU": (),
        },
    ),
]
JenisMutasi = Annotated[
    str,
    choice(
        "jenis-mutasi",
        {
            "UNIT KERJA": ("PINDAH UNIT", "INTERNAL"),
            "JABATAN": ("PROMOSI", "ROTASI"),
            "GOLONGAN": ("KENAIKAN PANGKAT",),
            "MASUK": ("PINDAH MASUK",),
            "KELUAR": ("PINDAH KELUAR",),
        },
    ),
]
"""MASUK and KELUAR: from or to another government."""
SebabPensiun = Annotated[
    str,
    choice(
        "sebab-pensiun",
        {
            "BATAS USIA": ("BUP", "BATAS USIA PENSIUN"),
            "PERMINTAAN SENDIRI": ("APS", "ATAS PERMINTAAN SENDIRI"),
            "MENINGGAL": ("MENINGGAL DUNIA", "WAFAT"),
            "SAKIT": ("UZUR", "TIDAK CAKAP JASMANI DAN ROHANI"),
            "PERAMPINGAN": (),
            "AKHIR PERJANJIAN": ("KONTRAK BERAKHIR",),
            "LAINNYA": (),
        },
    ),
]
Golongan = Annotated[str, text("golongan-asn", 10)]
"""``III/a`` of a PNS, ``IX`` of a PPPK, as the decree writes it."""


class PembatalanPegawai(Pembatalan):
    """A correction about one civil servant."""

    nip: Annotated[Nip, pribadi("NIP pegawai yang peristiwanya dibatalkan")]


@event("kepegawaian.pegawai.diangkat.v1", kind="fact", key="nip", entity="nip", walidata=WALIDATA, parties=PIHAK)
class PegawaiDiangkat(EventData):
    """Seseorang diangkat menjadi pegawai ASN kota."""

    contoh: ClassVar = {
        "nip": "198008052006041002",
        "nik": "3571020508800002",
        "nama": "Contoh Pegawai",
        "jenis": "PNS",
        "tmt": "2006-04-01",
        "golongan": "III/a",
        "unit_kerja": "Dinas Contoh",
    }

    nip: Annotated[Nip, pribadi("NIP, 18 angka")]
    jenis: Annotated[JenisPegawai, umum("Jenis pegawai")]
    tmt: Annotated[Tanggal, umum("Terhitung mulai tanggal")]
    nik: Annotated[Opsional[Nik], pribadi("NIK pegawai")] = None
    nama: Annotated[Opsional[Nama], pribadi("Nama pegawai tanpa gelar")] = None
    jenis_kelamin: Annotated[Opsional[JenisKelamin], pribadi("Jenis kelamin")] = None
    tanggal_lahir: Annotated[Opsional[Tanggal], pribadi("Tanggal lahir; jangan diturunkan dari NIP atau NIK")] = None
    golongan: Annotated[Opsional[Golongan], umum("Golongan ruang")] = None
    jabatan: Annotated[Opsional[Nama], umum("Jabatan")] = None
    unit_kerja: Annotated[Opsional[Nama], umum("Unit kerja")] = None
    tmt_akhir: Annotated[Opsional[Tanggal], umum("Akhir perjanjian kerja PPPK")] = None
    no_sk: Annotated[Opsional[Nomor], umum("Nomor surat keputusan")] = None


@correction(PegawaiDiangkat)
class PegawaiDiangkatDibatalkan(PembatalanPegawai):
    """Pengangkatan dibatalkan."""


@event("kepegawaian.pegawai.mutasi.v1", kind="fact", key="nip", entity="nip", walidata=WALIDATA, parties=PIHAK)
class PegawaiMutasi(EventData):
    """Unit kerja, jabatan atau golongan seorang pegawai berubah."""

    contoh: ClassVar = {
        "nip": "198008052006041002",
        "jenis": "UNIT KERJA",
        "tmt": "2026-04-01",
        "unit_asal": "Dinas Contoh",
        "unit_kerja": "Kecamatan Mojoroto",
    }

    nip: Annotated[Nip, pribadi("NIP, 18 angka")]
    tmt: Annotated[Tanggal, umum("Terhitung mulai tanggal")]
    jenis: Annotated[Opsional[JenisMutasi], umum("Jenis mutasi")] = None
    nik: Annotated[Opsional[Nik], pribadi("NIK pegawai")] = None
    nama: Annotated[Opsional[Nama], pribadi("Nama pegawai tanpa gelar")] = None
    unit_asal: Annotated[Opsional[Nama], umum("Unit kerja sebelumnya")] = None
    unit_kerja: Annotated[Opsional[Nama], umum("Unit kerja yang baru")] = None
    jabatan: Annotated[Opsional[Nama], umum("Jabatan yang baru")] = None
    golongan: Annotated[Opsional[Golongan], umum("Golongan ruang yang baru")] = None
    no_sk: Annotated[Opsional[Nomor], umum("Nomor surat keputusan")] = None


@correction(PegawaiMutasi)
class PegawaiMutasiDibatalkan(PembatalanPegawai):
    """Mutasi dibatalkan."""


@event("kepegawaian.pegawai.pensiun.v1", kind="fact", key="nip", entity="nip", walidata=WALIDATA, parties=PIHAK)
class PegawaiPensiun(EventData):
    """Seorang pegawai berhenti dengan hormat: pensiun, atau perjanjian kerjanya berakhir."""

    contoh: ClassVar = {"nip": "198008052006041002", "tmt": "2038-09-01", "sebab": "BATAS USIA"}

    nip: Annotated[Nip, pribadi("NIP, 18 angka")]
    tmt: Annotated[Tanggal, umum("Terhitung mulai tanggal; dapat di masa depan")]
    sebab: Annotated[Opsional[SebabPensiun], pribadi_spesifik("Sebab berhenti; dapat tentang kesehatan")] = None
    nik: Annotated[Opsional[Nik], pribadi("NIK pegawai")] = None
    nama: Annotated[Opsional[Nama], pribadi("Nama pegawai tanpa gelar")] = None
    jenis: Annotated[Opsional[JenisPegawai], umum("Jenis pegawai")] = None
    golongan: Annotated[Opsional[Golongan], umum("Golongan ruang terakhir")] = None
    jabatan: Annotated[Opsional[Nama], umum("Jabatan terakhir")] = None
    unit_kerja: Annotated[Opsional[Nama], umum("Unit kerja terakhir")] = None
    no_sk: Annotated[Opsional[Nomor], umum("Nomor surat keputusan")] = None


@correction(PegawaiPensiun)
class PegawaiPensiunDibatalkan(PembatalanPegawai):
    """Pensiun dibatalkan."""
