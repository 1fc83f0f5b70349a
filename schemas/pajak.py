"""Property tax (PBB-P2): walidata is the Badan Pendapatan, Pengelolaan Keuangan dan Aset Daerah. Keyed by NOP.

What somebody owns and pays concerns their personal finances, hence specific personal data (UU 27/2022 art. 4 (2)).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from schemas.base import EventData, Pembatalan, correction, event, pribadi, pribadi_spesifik, umum
from schemas.types import KodeWilayah, Nama, Nik, Nomor, Nop, Npwp, Opsional, Rupiah, Tahun, Tanggal, Teks, number

WALIDATA = ("bppkad",)
PIHAK = {"nik_wajib_pajak": "nik"}

MeterPersegi = Annotated[int, number("m2", 0, 100_000_000)]


@event("pajak.pembayaran.diterima.v1", kind="fact", key="nop", entity="nop", walidata=WALIDATA, parties=PIHAK)
class PembayaranDiterima(EventData):
    """Satu pembayaran PBB-P2 diterima di kas daerah."""

    contoh: ClassVar = {
        "nop": "357101000100501230",
        "tahun_pajak": 2026,
        "jumlah": 185000,
        "tanggal_bayar": "2026-03-15",
        "no_transaksi": "BJ-2026-0000123",
        "kanal": "Bank Jatim",
    }

    nop: Annotated[Nop, pribadi_spesifik("Nomor objek pajak")]
    tahun_pajak: Annotated[Tahun, umum("Tahun pajak yang dibayar")]
    jumlah: Annotated[Rupiah, pribadi_spesifik("Jumlah yang diterima termasuk denda, rupiah")]
    tanggal_bayar: Annotated[Tanggal, pribadi_spesifik("Tanggal pembayaran")]
    denda: Annotated[Opsional[Rupiah], pribadi_spesifik("Denda di dalam jumlah itu, rupiah")] = None
    no_transaksi: Annotated[Opsional[Nomor], pribadi_spesifik("Nomor transaksi bank, atau NTPD")] = None
    kanal: Annotated[Opsional[Nama], umum("Bank, pos, gerai atau aplikasi tempat membayar")] = None
    nik_wajib_pajak: Annotated[Opsional[Nik], pribadi("NIK wajib pajak")] = None
    nama_wajib_pajak: Annotated[Opsional[Nama], pribadi("Nama wajib pajak")] = None


@correction(PembayaranDiterima)
class PembayaranDiterimaDibatalkan(Pembatalan):
    """Penerimaan pembayaran dibatalkan, misalnya dibalik oleh bank."""

    nop: Annotated[Nop, pribadi_spesifik("Nomor objek pajak yang pembayarannya dibatalkan")]


@event("pajak.objek-pajak.berubah.v1", kind="state", key="nop", entity="nop", walidata=WALIDATA, parties=PIHAK)
class ObjekPajakBerubah(EventData):
    """Suatu objek pajak sebagaimana tercatat setelah perubahan; yang terakhir berlaku."""

    contoh: ClassVar = {
        "nop": "357101000100501230",
        "nik_wajib_pajak": "3571020508800002",
        "nama_wajib_pajak": "Contoh Warga",
        "alamat_objek": "Jalan Contoh 2",
        "kode_wilayah": "35.71.01.1011",
        "luas_bumi": 120,
        "luas_bangunan": 60,
        "njop_bumi": 240000000,
        "njop_bangunan": 90000000,
        "tahun_pajak": 2026,
    }

    nop: Annotated[Nop, pribadi_spesifik("Nomor objek pajak")]
    nik_wajib_pajak: Annotated[Opsional[Nik], pribadi("NIK wajib pajak")] = None
    npwp_wajib_pajak: Annotated[Opsional[Npwp], pribadi("NPWP wajib pajak")] = None
    nama_wajib_pajak: Annotated[Opsional[Nama], pribadi("Nama wajib pajak")] = None
    alamat_objek: Annotated[Opsional[Teks], pribadi("Letak objek pajak")] = None
    kode_wilayah: Annotated[
        Opsional[KodeWilayah], umum("Kelurahan letak objek, kode Kemendagri; NOP memakai kode BPS")
    ] = None
    luas_bumi: Annotated[Opsional[MeterPersegi], pribadi_spesifik("Luas bumi, m2")] = None
    luas_bangunan: Annotated[Opsional[MeterPersegi], pribadi_spesifik("Luas bangunan, m2")] = None
    njop_bumi: Annotated[Opsional[Rupiah], pribadi_spesifik("NJOP seluruh bumi, rupiah")] = None
    njop_bangunan: Annotated[Opsional[Rupiah], pribadi_spesifik("NJOP seluruh bangunan, rupiah")] = None
    pbb_terutang: Annotated[Opsional[Rupiah], pribadi_spesifik("PBB-P2 terutang tahun itu, rupiah")] = None
    tahun_pajak: Annotated[Opsional[Tahun], umum("Tahun pajak dari nilai-nilai ini")] = None


@event("pajak.tagihan.terbit.v1", kind="fact", key="nop", entity="nop", walidata=WALIDATA, parties=PIHAK)
class TagihanTerbit(EventData):
    """Tagihan PBB-P2 (SPPT) satu objek pajak untuk satu tahun diterbitkan."""

    contoh: ClassVar = {
        "nop": "357101000100501230",
        "tahun_pajak": 2026,
        "jumlah": 185000,
        "tanggal_terbit": "2026-01-15",
        "jatuh_tempo": "2026-09-30",
        "nik_wajib_pajak": "3571020508800002",
    }

    nop: Annotated[Nop, pribadi_spesifik("Nomor objek pajak")]
    tahun_pajak: Annotated[Tahun, umum("Tahun pajak yang ditagih")]
    jumlah: Annotated[Rupiah, pribadi_spesifik("Jumlah yang harus dibayar, rupiah")]
    tanggal_terbit: Annotated[Tanggal, umum("Tanggal tagihan terbit")]
    jatuh_tempo: Annotated[Opsional[Tanggal], umum("Tanggal terakhir membayar tanpa denda")] = None
    no_tagihan: Annotated[Opsional[Nomor], pribadi_spesifik("Nomor SPPT atau surat ketetapan")] = None
    nik_wajib_pajak: Annotated[Opsional[Nik], pribadi("NIK wajib pajak")] = None
    npwp_wajib_pajak: Annotated[Opsional[Npwp], pribadi("NPWP wajib pajak")] = None
    nama_wajib_pajak: Annotated[Opsional[Nama], pribadi("Nama wajib pajak")] = None
    kode_wilayah: Annotated[
        Opsional[KodeWilayah], umum("Kelurahan letak objek, kode Kemendagri; NOP memakai kode BPS")
    ] = None


@correction(TagihanTerbit)
class TagihanTerbitDibatalkan(Pembatalan):
    """Tagihan dibatalkan, misalnya dihitung ulang atau salah objek."""

    nop: Annotated[Nop, pribadi_spesifik("Nomor objek pajak yang tagihannya dibatalkan")]
