"""Disasters (UU 24/2007; early warning: PP 21/2008 art. 19): walidata is the Badan Penanggulangan Bencana Daerah.

A warning is keyed by the sensor or post that gave it, so that AWAS, SIAGA and the return to NORMAL of one place are in
order; the latest does not replace the others, since each was acted upon.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from schemas.base import EventData, Pembatalan, correction, event, pribadi, umum
from schemas.types import (
    Bujur,
    KodeWilayah,
    Lintang,
    Nama,
    Nomor,
    Opsional,
    Teks,
    UraianPanjang,
    Waktu,
    choice,
    coded,
    number,
    real,
    text,
)

WALIDATA = ("bpbd",)

KodeSensor = Annotated[
    str,
    coded(
        "kode-sensor",
        "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        "harus kode sensor: huruf, angka, titik, garis; misalnya tma-brantas-01",
    ),
]
TingkatSiaga = Annotated[
    str,
    choice(
        "tingkat-siaga",
        {
            "AWAS": ("SIAGA 1", "SIAGA I", "SIAGA MERAH", "MERAH"),
            "SIAGA": ("SIAGA 2", "SIAGA II", "SIAGA KUNING", "KUNING"),
            "WASPADA": ("SIAGA 3", "SIAGA III", "SIAGA HIJAU", "HIJAU"),
            "NORMAL": ("SIAGA 4", "SIAGA IV", "AMAN"),
        },
    ),
]
"""From the highest to none. Offices number or colour the same steps."""
JenisBahaya = Annotated[
    str,
    choice(
        "jenis-bahaya",
        {
            "BANJIR": ("TINGGI MUKA AIR", "TMA", "LUAPAN SUNGAI"),
            "CUACA EKSTREM": ("CURAH HUJAN", "HUJAN LEBAT", "ANGIN KENCANG", "PUTING BELIUNG"),
            "TANAH LONGSOR": ("LONGSOR", "GERAKAN TANAH"),
            "GEMPA BUMI": ("GEMPA",),
            "LETUSAN GUNUNG API": ("ERUPSI", "HUJAN ABU"),
            "KEBAKARAN": (),
            "KEKERINGAN": (),
            "KUALITAS UDARA": ("ISPU", "PENCEMARAN UDARA"),
            "LAINNYA": (),
        },
    ),
]
NilaiUkur = Annotated[float, real("menurut bidang satuan", -1_000_000, 1_000_000)]
Satuan = Annotated[str, text("satuan", 20)]
JumlahOrang = Annotated[int, number("orang", 0, 10_000_000)]


@event("kebencanaan.peringatan.dikeluarkan.v1", kind="fact", key="sensor", entity="sensor", walidata=WALIDATA)
class PeringatanDikeluarkan(EventData):
    """Tingkat siaga di suatu sensor atau pos pengamatan berubah, termasuk kembali menjadi NORMAL."""

    contoh: ClassVar = {
        "sensor": "tma-brantas-01",
        "jenis": "BANJIR",
        "tingkat": "SIAGA",
        "nilai": 245.5,
        "satuan": "cm",
        "waktu": "2026-03-15T17:40:00+07:00",
        "kode_wilayah": "35.71.02.1001",
        "lokasi": "Kali Brantas, Jembatan Semampir",
    }

    sensor: Annotated[KodeSensor, umum("Kode sensor atau pos pengamatan")]
    jenis: Annotated[JenisBahaya, umum("Jenis bahaya yang diperingatkan")]
    tingkat: Annotated[TingkatSiaga, umum("Tingkat siaga sekarang")]
    waktu: Annotated[Waktu, umum("Saat diukur atau ditetapkan")]
    nilai: Annotated[Opsional[NilaiUkur], umum("Nilai yang diukur, dalam satuan yang disebut")] = None
    satuan: Annotated[Opsional[Satuan], umum("Satuan nilai, misalnya cm, mm/jam, ug/m3")] = None
    tingkat_sebelumnya: Annotated[Opsional[TingkatSiaga], umum("Tingkat siaga sebelum ini")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], umum("Kelurahan tempat sensor")] = None
    lokasi: Annotated[Opsional[Teks], umum("Tempat sensor")] = None
    lintang: Annotated[Opsional[Lintang], umum("Lintang tempat sensor")] = None
    bujur: Annotated[Opsional[Bujur], umum("Bujur tempat sensor")] = None
    imbauan: Annotated[Opsional[Teks], umum("Yang perlu dilakukan warga, tanpa data pribadi")] = None


@correction(PeringatanDikeluarkan)
class PeringatanDikeluarkanDibatalkan(Pembatalan):
    """Peringatan dibatalkan: sensor rusak, diuji, atau salah baca."""

    sensor: Annotated[KodeSensor, umum("Sensor yang peringatannya dibatalkan")]


@event("kebencanaan.kejadian.dilaporkan.v1", kind="fact", key="nomor_kejadian", entity="kejadian", walidata=WALIDATA)
class KejadianDilaporkan(EventData):
    """Suatu kejadian bencana dilaporkan dan dicatat; laporan susulan adalah peristiwa baru dengan nomor yang sama."""

    contoh: ClassVar = {
        "nomor_kejadian": "360/0017/419.57/2026",
        "jenis": "BANJIR",
        "waktu": "2026-03-15T19:05:00+07:00",
        "kode_wilayah": "35.71.02.1001",
        "jumlah_terdampak": 120,
        "jumlah_mengungsi": 35,
    }

    nomor_kejadian: Annotated[Nomor, umum("Nomor laporan kejadian")]
    jenis: Annotated[JenisBahaya, umum("Jenis bencana")]
    waktu: Annotated[Waktu, umum("Saat kejadian")]
    kode_wilayah: Annotated[Opsional[KodeWilayah], umum("Kelurahan kejadian")] = None
    lokasi: Annotated[Opsional[Teks], pribadi("Tempat kejadian; dapat berupa rumah seseorang")] = None
    lintang: Annotated[Opsional[Lintang], pribadi("Lintang tempat kejadian")] = None
    bujur: Annotated[Opsional[Bujur], pribadi("Bujur tempat kejadian")] = None
    uraian: Annotated[Opsional[UraianPanjang], pribadi("Uraian kejadian; dapat menyebut orang")] = None
    tingkat: Annotated[Opsional[TingkatSiaga], umum("Tingkat siaga yang ditetapkan")] = None
    jumlah_terdampak: Annotated[Opsional[JumlahOrang], umum("Banyaknya orang terdampak")] = None
    jumlah_mengungsi: Annotated[Opsional[JumlahOrang], umum("Banyaknya orang mengungsi")] = None
    jumlah_luka: Annotated[Opsional[JumlahOrang], umum("Banyaknya orang luka")] = None
    jumlah_meninggal: Annotated[Opsional[JumlahOrang], umum("Banyaknya orang meninggal")] = None
    sumber: Annotated[Opsional[Nama], umum("Unit atau saluran asal laporan, bukan nama pelapor")] = None


@correction(KejadianDilaporkan)
class KejadianDilaporkanDibatalkan(Pembatalan):
    """Laporan kejadian dibatalkan: tidak benar, atau tercatat dua kali."""

    nomor_kejadian: Annotated[Nomor, umum("Nomor laporan kejadian yang dibatalkan")]
