"""Reference data that all departments share. Walidata within the city is the Dinas Kominfo (Perpres 39/2019).

Codes and names of regions are those of the Ministry of Home Affairs (Kepmendagri 300.2.2-2430/2025); the BPS code
beside them serves what counts by it, such as the NOP of property tax.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from schemas.base import EventData, event, umum
from schemas.types import KodeDaerah, Nama, Nomor, Opsional, Tanggal, choice, coded

WALIDATA = ("kominfo",)

TingkatWilayah = Annotated[
    str,
    choice(
        "tingkat-wilayah",
        {
            "PROVINSI": ("1",),
            "KOTA": ("2", "KABUPATEN", "KABUPATEN/KOTA"),
            "KECAMATAN": ("3",),
            "KELURAHAN": ("4", "DESA"),
        },
    ),
]
StatusWilayah = Annotated[str, choice("status-wilayah", {"BERLAKU": ("1", "AKTIF"), "DIHAPUS": ("0", "TIDAK AKTIF")})]
KodeBps = Annotated[
    str, coded("kode-bps", "[1-9][0-9](?:[0-9]{2}(?:[0-9]{3}(?:[0-9]{3})?)?)?", "harus kode BPS: 2, 4, 7 atau 10 angka")
]


@event("referensi.wilayah.berubah.v1", kind="state", key="kode_wilayah", entity="wilayah", walidata=WALIDATA)
class WilayahBerubah(EventData):
    """Suatu wilayah administrasi sebagaimana berlaku setelah perubahan; yang terakhir berlaku."""

    contoh: ClassVar = {
        "kode_wilayah": "35.71.03.1011",
        "nama": "Tempurejo",
        "tingkat": "KELURAHAN",
        "kode_induk": "35.71.03",
        "status": "BERLAKU",
        "nama_sebelumnya": "Tampurejo",
        "dasar_hukum": "Kepmendagri 300.2.2-2430/2025",
    }

    kode_wilayah: Annotated[KodeDaerah, umum("Kode wilayah Kemendagri, tingkat mana pun")]
    nama: Annotated[Nama, umum("Nama wilayah tanpa sebutan tingkatnya")]
    tingkat: Annotated[TingkatWilayah, umum("Tingkat wilayah; kabupaten sama dengan kota, desa dengan kelurahan")]
    kode_induk: Annotated[Opsional[KodeDaerah], umum("Kode wilayah setingkat di atasnya")] = None
    status: Annotated[Opsional[StatusWilayah], umum("Apakah kode masih berlaku")] = None
    kode_pengganti: Annotated[Opsional[KodeDaerah], umum("Kode yang menggantikan bila dihapus")] = None
    nama_sebelumnya: Annotated[Opsional[Nama], umum("Nama atau ejaan sebelum perubahan")] = None
    kode_bps: Annotated[Opsional[KodeBps], umum("Kode BPS wilayah ini; berbeda dengan kode Kemendagri")] = None
    berlaku_sejak: Annotated[Opsional[Tanggal], umum("Tanggal perubahan berlaku")] = None
    dasar_hukum: Annotated[Opsional[Nomor], umum("Peraturan yang menetapkan")] = None
