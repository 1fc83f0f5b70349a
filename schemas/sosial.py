"""Social aid: walidata is the Dinas Sosial. Recipients are keyed by NIK and ranked by DTSEN (Inpres 4/2025), which is
refreshed quarterly: each event says which period its decile is of. What someone receives is a matter of their personal
finances, hence specific personal data.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from schemas.base import EventData, Pembatalan, correction, event, pribadi, pribadi_spesifik, umum
from schemas.types import Desil, KodeWilayah, Nama, Nik, NoKk, Nomor, Opsional, Periode, Rupiah, Tanggal, Teks, choice

WALIDATA = ("dinsos",)

BentukBantuan = Annotated[
    str, choice("bentuk-bantuan", {"TUNAI": (), "NONTUNAI": ("NON TUNAI",), "BARANG": (), "JASA": ()})
]


class PembatalanBantuan(Pembatalan):
    """A correction about one recipient."""

    nik: Annotated[Nik, pribadi("NIK penerima yang peristiwanya dibatalkan")]


@event("sosial.penerima.ditetapkan.v1", kind="fact", key="nik", entity="nik", walidata=WALIDATA)
class PenerimaDitetapkan(EventData):
    """Seseorang ditetapkan sebagai penerima suatu program bantuan."""

    contoh: ClassVar = {
        "nik": "3571015205700001",
        "program": "BPNT",
        "periode": "2026-TW1",
        "desil": 2,
        "tanggal_ditetapkan": "2026-01-05",
        "nominal": 200000,
    }

    nik: Annotated[Nik, pribadi("NIK penerima")]
    program: Annotated[Nama, pribadi_spesifik("Nama program bantuan")]
    periode: Annotated[Periode, umum("Periode data DTSEN yang menjadi dasar")]
    desil: Annotated[Opsional[Desil], pribadi_spesifik("Desil DTSEN, 1 sampai 10; kosong pada bantuan darurat")] = None
    tanggal_ditetapkan: Annotated[Opsional[Tanggal], umum("Tanggal penetapan")] = None
    no_sk: Annotated[Opsional[Nomor], umum("Nomor surat keputusan penetapan")] = None
    nominal: Annotated[Opsional[Rupiah], pribadi_spesifik("Nilai bantuan setiap penyaluran, rupiah")] = None
    nama: Annotated[Opsional[Nama], pribadi("Nama penerima")] = None
    no_kk: Annotated[Opsional[NoKk], pribadi("Nomor kartu keluarga saat ditetapkan")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], pribadi("Kelurahan tempat tinggal")] = None


@correction(PenerimaDitetapkan)
class PenerimaDitetapkanDibatalkan(PembatalanBantuan):
    """Penetapan penerima dibatalkan."""


@event("sosial.penerima.dihentikan.v1", kind="fact", key="nik", entity="nik", walidata=WALIDATA)
class PenerimaDihentikan(EventData):
    """Bantuan kepada seorang penerima dihentikan."""

    contoh: ClassVar = {
        "nik": "3571015205700001",
        "program": "BPNT",
        "alasan": "Meninggal dunia",
        "tanggal": "2026-03-16",
    }

    nik: Annotated[Nik, pribadi("NIK penerima")]
    program: Annotated[Nama, pribadi_spesifik("Nama program bantuan")]
    alasan: Annotated[Teks, pribadi("Alasan penghentian")]
    tanggal: Annotated[Tanggal, umum("Tanggal penghentian berlaku")]
    periode: Annotated[Opsional[Periode], umum("Periode terakhir yang masih dibayarkan")] = None
    no_sk: Annotated[Opsional[Nomor], umum("Nomor surat keputusan penghentian")] = None


@correction(PenerimaDihentikan)
class PenerimaDihentikanDibatalkan(PembatalanBantuan):
    """Penghentian dibatalkan: bantuan berjalan kembali."""


@event("sosial.bantuan.disalurkan.v1", kind="fact", key="nik", entity="nik", walidata=WALIDATA)
class BantuanDisalurkan(EventData):
    """Satu penyaluran bantuan diterima oleh penerimanya."""

    contoh: ClassVar = {
        "nik": "3571015205700001",
        "program": "BPNT",
        "periode": "2026-03",
        "tanggal_disalurkan": "2026-03-10",
        "bentuk": "NONTUNAI",
        "nominal": 200000,
    }

    nik: Annotated[Nik, pribadi("NIK penerima")]
    program: Annotated[Nama, pribadi_spesifik("Nama program bantuan")]
    periode: Annotated[Periode, umum("Periode yang dibayarkan")]
    tanggal_disalurkan: Annotated[Tanggal, pribadi_spesifik("Tanggal diterima")]
    bentuk: Annotated[Opsional[BentukBantuan], pribadi_spesifik("Bentuk bantuan")] = None
    nominal: Annotated[Opsional[Rupiah], pribadi_spesifik("Nilai bantuan, rupiah")] = None
    barang: Annotated[Opsional[Teks], pribadi_spesifik("Jenis dan jumlah barang, misalnya beras 10 kg")] = None
    penyalur: Annotated[Opsional[Nama], umum("Bank, pos atau lembaga penyalur")] = None
    no_bukti: Annotated[Opsional[Nomor], pribadi_spesifik("Nomor bukti penyaluran")] = None


@correction(BantuanDisalurkan)
class BantuanDisalurkanDibatalkan(PembatalanBantuan):
    """Penyaluran dibatalkan, misalnya dikembalikan atau salah orang."""
