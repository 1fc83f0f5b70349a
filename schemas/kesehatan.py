"""Births and deaths in health facilities: walidata are the RSUD and the Dinas Kesehatan. All of it is health data.

A newborn has no NIK yet, so a birth is keyed by the mother's: registration finds the family by it, and everything about
her is found together. Twins are two facts with one key; the father, and the child where its NIK is known, are parties.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from schemas.base import EventData, Pembatalan, correction, event, pribadi, pribadi_spesifik, umum
from schemas.types import Icd10, Jam, JenisKelamin, Nama, Nik, Nomor, Opsional, Tanggal, Teks, choice, number

WALIDATA = ("rsud", "dinkes")

Gram = Annotated[int, number("gram", 100, 9_999)]
Sentimeter = Annotated[int, number("cm", 10, 80)]
Urutan = Annotated[int, number("urutan", 1, 25)]
CaraLahir = Annotated[
    str,
    choice(
        "cara-lahir", {"NORMAL": ("SPONTAN",), "SESAR": ("SC", "SECTIO CAESAREA"), "BANTUAN ALAT": ("VAKUM", "FORCEP")}
    ),
]


@event("kesehatan.kematian.tercatat.v1", kind="fact", key="nik", entity="nik", walidata=WALIDATA)
class KematianTercatat(EventData):
    """Fasilitas kesehatan mencatat kematian seorang pasien; pencatatan sipilnya menyusul di Dukcapil."""

    contoh: ClassVar = {
        "nik": "3571010101550001",
        "tanggal_meninggal": "2026-03-15",
        "jam_meninggal": "04:30",
        "tempat": "RSUD Gambiran",
        "sebab_dasar": "I21.9",
    }

    nik: Annotated[Nik, pribadi_spesifik("NIK pasien; tanpa NIK kematian tidak dapat dikirim")]
    tanggal_meninggal: Annotated[Tanggal, pribadi_spesifik("Tanggal meninggal")]
    jam_meninggal: Annotated[Opsional[Jam], pribadi_spesifik("Jam meninggal")] = None
    tempat: Annotated[Opsional[Teks], pribadi_spesifik("Fasilitas kesehatan atau tempat meninggal")] = None
    nama: Annotated[Opsional[Nama], pribadi("Nama pasien")] = None
    jenis_kelamin: Annotated[Opsional[JenisKelamin], pribadi("Jenis kelamin")] = None
    tanggal_lahir: Annotated[Opsional[Tanggal], pribadi("Tanggal lahir menurut rekam medis")] = None
    sebab_dasar: Annotated[Opsional[Icd10], pribadi_spesifik("Penyebab dasar kematian, ICD-10")] = None
    sebab_langsung: Annotated[Opsional[Icd10], pribadi_spesifik("Penyebab langsung kematian, ICD-10")] = None
    no_surat: Annotated[Opsional[Nomor], pribadi_spesifik("Nomor surat keterangan kematian")] = None


@correction(KematianTercatat)
class KematianTercatatDibatalkan(Pembatalan):
    """Catatan kematian dibatalkan oleh fasilitas kesehatan."""

    nik: Annotated[Nik, pribadi_spesifik("NIK pasien yang catatannya dibatalkan")]


@event(
    "kesehatan.kelahiran.tercatat.v1",
    kind="fact",
    key="nik_ibu",
    entity="nik",
    walidata=WALIDATA,
    parties={"nik_bayi": "nik", "nik_ayah": "nik"},
)
class KelahiranTercatat(EventData):
    """Fasilitas kesehatan mencatat kelahiran seorang bayi; setiap bayi kembar satu peristiwa."""

    contoh: ClassVar = {
        "nik_ibu": "3571014508950002",
        "tanggal_lahir": "2026-03-15",
        "jam_lahir": "07:30",
        "jenis_kelamin": "L",
        "berat": 3150,
        "panjang": 49,
        "tempat": "RSUD Gambiran",
    }

    nik_ibu: Annotated[Nik, pribadi_spesifik("NIK ibu: kunci peristiwa, karena bayi belum mempunyai NIK")]
    tanggal_lahir: Annotated[Tanggal, pribadi_spesifik("Tanggal lahir")]
    jam_lahir: Annotated[Opsional[Jam], pribadi_spesifik("Jam lahir")] = None
    jenis_kelamin: Annotated[Opsional[JenisKelamin], pribadi_spesifik("Jenis kelamin bayi")] = None
    nama_bayi: Annotated[Opsional[Nama], pribadi_spesifik("Nama bayi bila sudah ada")] = None
    nik_bayi: Annotated[Opsional[Nik], pribadi_spesifik("NIK bayi bila sudah terbit")] = None
    nama_ibu: Annotated[Opsional[Nama], pribadi("Nama ibu")] = None
    nik_ayah: Annotated[Opsional[Nik], pribadi("NIK ayah")] = None
    urutan_kembar: Annotated[Opsional[Urutan], pribadi_spesifik("Urutan lahir pada kelahiran kembar")] = None
    anak_ke: Annotated[Opsional[Urutan], pribadi_spesifik("Anak keberapa dari ibu ini")] = None
    berat: Annotated[Opsional[Gram], pribadi_spesifik("Berat lahir, gram")] = None
    panjang: Annotated[Opsional[Sentimeter], pribadi_spesifik("Panjang lahir, cm")] = None
    cara_lahir: Annotated[Opsional[CaraLahir], pribadi_spesifik("Cara persalinan")] = None
    tempat: Annotated[Opsional[Teks], pribadi_spesifik("Fasilitas kesehatan atau tempat lahir")] = None
    penolong: Annotated[Opsional[Nama], umum("Profesi penolong persalinan, misalnya bidan")] = None
    no_surat: Annotated[Opsional[Nomor], pribadi_spesifik("Nomor surat keterangan lahir")] = None


@correction(KelahiranTercatat)
class KelahiranTercatatDibatalkan(Pembatalan):
    """Catatan kelahiran dibatalkan oleh fasilitas kesehatan."""

    nik_ibu: Annotated[Nik, pribadi_spesifik("NIK ibu pada catatan yang dibatalkan")]
