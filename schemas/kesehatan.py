"""Health facilities: walidata are the RSUD and the Dinas Kesehatan (of the puskesmas). All of it is health data.

A newborn has no NIK yet, so a birth is keyed by the mother's: registration finds the family by it, and everything about
her is found together. Twins are two facts with one key; the father, and the child where its NIK is known, are parties.

Patients without a NIK exist (newborns, strangers, the unconscious). What happens to a patient is therefore keyed by the
facility's own number with the facility's code before it, since every facility counts from 1: ``3571015/000123``. The
NIK is a party where it is known. Terms follow SIMRS Khanza, HL7 v2 ADT (A28 and A31 patient, A01 and A04 visit, A03
discharge) and FHIR R4 (Patient, Encounter, Immunization).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from schemas.base import EventData, Pembatalan, correction, event, pribadi, pribadi_spesifik, umum
from schemas.types import (
    Icd10,
    Jam,
    JenisKelamin,
    KodeWilayah,
    Nama,
    Nik,
    Nomor,
    Opsional,
    Tanggal,
    Teks,
    choice,
    coded,
    digits,
    number,
)

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
NomorFaskes = Annotated[
    str,
    coded(
        "nomor-faskes",
        "[A-Za-z0-9]{4,15}/[A-Za-z0-9][A-Za-z0-9./-]{0,39}",
        "harus kode fasilitas kesehatan, garis miring, lalu nomornya; misalnya 3571015/000123",
    ),
]
"""``<facility code of the Ministry of Health>/<number>``: a medical record (Khanza: ``no_rkm_medis``, HL7: PID-3) or a
visit (``no_rawat``, PV1-19). The form of the code is unconfirmed: 4 to 15 letters and digits."""
JenisKunjungan = Annotated[
    str,
    choice(
        "jenis-kunjungan",
        {
            "RAWAT JALAN": ("RALAN", "O", "AMB"),
            "RAWAT INAP": ("RANAP", "I", "IMP"),
            "GAWAT DARURAT": ("IGD", "UGD", "E", "EMER"),
        },
    ),
]
"""Khanza's ``status_lanjut``, HL7 table 0004 and FHIR's ActCode are understood."""
CaraKeluar = Annotated[
    str,
    choice(
        "cara-keluar",
        {
            "SEMBUH": ("SEHAT",),
            "MEMBAIK": ("ATAS PERSETUJUAN DOKTER", "01", "HOME"),
            "DIRUJUK": ("RUJUK", "02", "OTHER-HCF"),
            "ATAS PERMINTAAN SENDIRI": ("APS", "PULANG PAKSA", "07", "AADVICE"),
            "ISOLASI MANDIRI": ("ISOMAN",),
            "MENINGGAL": ("+", "20", "EXP"),
            "LAINNYA": ("LAIN-LAIN", "OTH"),
        },
    ),
]
"""Khanza's ``stts_pulang``, HL7 table 0112 and FHIR's discharge disposition are understood. Khanza's ``Pindah Kamar``
and ``Status Belum Lengkap`` are no discharge: leave such rows out."""
KodeCvx = Annotated[
    str,
    coded("cvx", "[0-9]{2,3}", "harus kode CVX, 2 atau 3 angka, misalnya 08", normal=lambda code: code.zfill(2)),
]
KodeKfa = Annotated[str, digits("kfa", 8)]
DosisKe = Annotated[int, number("dosis", 1, 20)]


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


@event(
    "kesehatan.pasien.terdaftar.v1",
    kind="state",
    key="no_pasien",
    entity="pasien",
    walidata=WALIDATA,
    parties={"nik": "nik", "nik_ibu": "nik"},
)
class PasienTerdaftar(EventData):
    """Seorang pasien sebagaimana terdaftar di fasilitas kesehatan; yang terakhir berlaku."""

    contoh: ClassVar = {
        "no_pasien": "3571015/000123",
        "nik": "3571020508800002",
        "jenis_kelamin": "L",
        "tanggal_lahir": "1980-08-05",
        "kode_wilayah": "35.71.02.1012",
        "tanggal_daftar": "2026-03-15",
    }

    no_pasien: Annotated[NomorFaskes, pribadi_spesifik("Kode fasilitas kesehatan dan nomor rekam medis")]
    nik: Annotated[Opsional[Nik], pribadi_spesifik("NIK pasien; kosong bila belum ada atau belum diketahui")] = None
    nama: Annotated[Opsional[Nama], pribadi("Nama pasien")] = None
    jenis_kelamin: Annotated[Opsional[JenisKelamin], pribadi("Jenis kelamin")] = None
    tempat_lahir: Annotated[Opsional[Nama], pribadi("Kota atau kabupaten tempat lahir")] = None
    tanggal_lahir: Annotated[Opsional[Tanggal], pribadi("Tanggal lahir menurut rekam medis")] = None
    nama_ibu: Annotated[Opsional[Nama], pribadi("Nama ibu kandung")] = None
    nik_ibu: Annotated[Opsional[Nik], pribadi("NIK ibu, bagi bayi tanpa NIK")] = None
    alamat: Annotated[Opsional[Teks], pribadi("Alamat tempat tinggal")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], pribadi("Kelurahan tempat tinggal")] = None
    tanggal_daftar: Annotated[Opsional[Tanggal], pribadi_spesifik("Tanggal pertama terdaftar")] = None


class PembatalanKunjungan(Pembatalan):
    """A correction about one visit."""

    no_kunjungan: Annotated[NomorFaskes, pribadi_spesifik("Kunjungan yang peristiwanya dibatalkan")]


@event(
    "kesehatan.kunjungan.tercatat.v1",
    kind="fact",
    key="no_kunjungan",
    entity="kunjungan",
    walidata=WALIDATA,
    parties={"no_pasien": "pasien", "nik": "nik"},
)
class KunjunganTercatat(EventData):
    """Seorang pasien berkunjung ke fasilitas kesehatan, atau masuk untuk dirawat."""

    contoh: ClassVar = {
        "no_kunjungan": "3571015/2026/03/15/000042",
        "no_pasien": "3571015/000123",
        "nik": "3571020508800002",
        "tanggal": "2026-03-15",
        "jam": "08:10",
        "jenis": "RAWAT JALAN",
        "layanan": "Poli Penyakit Dalam",
        "diagnosa": "A09.9",
    }

    no_kunjungan: Annotated[NomorFaskes, pribadi_spesifik("Kode fasilitas kesehatan dan nomor rawat")]
    no_pasien: Annotated[NomorFaskes, pribadi_spesifik("Kode fasilitas kesehatan dan nomor rekam medis")]
    tanggal: Annotated[Tanggal, pribadi_spesifik("Tanggal kunjungan atau masuk")]
    jam: Annotated[Opsional[Jam], pribadi_spesifik("Jam kunjungan atau masuk")] = None
    nik: Annotated[Opsional[Nik], pribadi_spesifik("NIK pasien; kosong bila belum ada atau belum diketahui")] = None
    jenis: Annotated[Opsional[JenisKunjungan], pribadi_spesifik("Jenis kunjungan")] = None
    layanan: Annotated[Opsional[Nama], pribadi_spesifik("Poliklinik, bangsal atau unit")] = None
    diagnosa: Annotated[Opsional[Icd10], pribadi_spesifik("Diagnosis utama, ICD-10")] = None
    jenis_kelamin: Annotated[Opsional[JenisKelamin], pribadi("Jenis kelamin")] = None
    tanggal_lahir: Annotated[Opsional[Tanggal], pribadi("Tanggal lahir menurut rekam medis")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], pribadi("Kelurahan tempat tinggal pasien")] = None


@correction(KunjunganTercatat)
class KunjunganTercatatDibatalkan(PembatalanKunjungan):
    """Kunjungan dibatalkan: pasien tidak jadi dilayani, atau salah catat."""


@event(
    "kesehatan.rawat-inap.selesai.v1",
    kind="fact",
    key="no_kunjungan",
    entity="kunjungan",
    walidata=WALIDATA,
    parties={"no_pasien": "pasien", "nik": "nik"},
)
class RawatInapSelesai(EventData):
    """Seorang pasien keluar dari rawat inap; kematian juga menjadi ``kematian.tercatat``."""

    contoh: ClassVar = {
        "no_kunjungan": "3571015/2026/03/15/000043",
        "no_pasien": "3571015/000123",
        "nik": "3571020508800002",
        "tanggal_masuk": "2026-03-15",
        "tanggal_keluar": "2026-03-18",
        "jam_keluar": "11:00",
        "cara_keluar": "MEMBAIK",
        "diagnosa": "A09.9",
    }

    no_kunjungan: Annotated[NomorFaskes, pribadi_spesifik("Kode fasilitas kesehatan dan nomor rawat")]
    no_pasien: Annotated[NomorFaskes, pribadi_spesifik("Kode fasilitas kesehatan dan nomor rekam medis")]
    tanggal_keluar: Annotated[Tanggal, pribadi_spesifik("Tanggal keluar")]
    jam_keluar: Annotated[Opsional[Jam], pribadi_spesifik("Jam keluar")] = None
    tanggal_masuk: Annotated[Opsional[Tanggal], pribadi_spesifik("Tanggal masuk")] = None
    nik: Annotated[Opsional[Nik], pribadi_spesifik("NIK pasien; kosong bila belum ada atau belum diketahui")] = None
    cara_keluar: Annotated[Opsional[CaraKeluar], pribadi_spesifik("Cara keluar")] = None
    layanan: Annotated[Opsional[Nama], pribadi_spesifik("Bangsal atau kamar terakhir")] = None
    diagnosa: Annotated[Opsional[Icd10], pribadi_spesifik("Diagnosis utama akhir, ICD-10")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], pribadi("Kelurahan tempat tinggal pasien")] = None


@correction(RawatInapSelesai)
class RawatInapSelesaiDibatalkan(PembatalanKunjungan):
    """Kepulangan dibatalkan: pasien masih dirawat, atau salah catat."""


@event(
    "kesehatan.imunisasi.diberikan.v1",
    kind="fact",
    key="no_pasien",
    entity="pasien",
    walidata=WALIDATA,
    parties={"nik": "nik", "nik_ibu": "nik"},
)
class ImunisasiDiberikan(EventData):
    """Satu dosis vaksin diberikan kepada seorang pasien; setiap dosis satu peristiwa."""

    contoh: ClassVar = {
        "no_pasien": "P3571010/004711",
        "nik": "3571011503260001",
        "vaksin": "Hepatitis B (HB-0)",
        "kode_cvx": "08",
        "dosis_ke": 1,
        "tanggal": "2026-03-15",
        "tempat": "Puskesmas Contoh",
    }

    no_pasien: Annotated[NomorFaskes, pribadi_spesifik("Kode fasilitas kesehatan dan nomor rekam medis")]
    vaksin: Annotated[Nama, pribadi_spesifik("Nama vaksin")]
    tanggal: Annotated[Tanggal, pribadi_spesifik("Tanggal pemberian")]
    dosis_ke: Annotated[Opsional[DosisKe], pribadi_spesifik("Dosis keberapa dari vaksin ini")] = None
    kode_kfa: Annotated[Opsional[KodeKfa], pribadi_spesifik("Kode vaksin menurut KFA (SATUSEHAT), 8 angka")] = None
    kode_cvx: Annotated[Opsional[KodeCvx], pribadi_spesifik("Kode vaksin menurut CVX")] = None
    no_batch: Annotated[Opsional[Nomor], pribadi_spesifik("Nomor batch vaksin")] = None
    nik: Annotated[Opsional[Nik], pribadi_spesifik("NIK penerima; kosong bila belum ada")] = None
    nik_ibu: Annotated[Opsional[Nik], pribadi("NIK ibu, bagi bayi tanpa NIK")] = None
    nama: Annotated[Opsional[Nama], pribadi_spesifik("Nama penerima")] = None
    jenis_kelamin: Annotated[Opsional[JenisKelamin], pribadi_spesifik("Jenis kelamin")] = None
    tanggal_lahir: Annotated[Opsional[Tanggal], pribadi_spesifik("Tanggal lahir")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], pribadi_spesifik("Kelurahan tempat tinggal")] = None
    tempat: Annotated[Opsional[Teks], pribadi_spesifik("Fasilitas kesehatan, posyandu atau sekolah")] = None


@correction(ImunisasiDiberikan)
class ImunisasiDiberikanDibatalkan(Pembatalan):
    """Pencatatan imunisasi dibatalkan."""

    no_pasien: Annotated[NomorFaskes, pribadi_spesifik("Pasien yang imunisasinya dibatalkan")]
