"""Population administration (UU 23/2006 with UU 24/2013): walidata is the Dinas Kependudukan dan Pencatatan Sipil.

Keyed by NIK. ``tercatat`` is the whole person as registered now; the others are events of a life and count one by one.
A family card is keyed by its number, which names the card and not the family: where a family gets another card, that is
another entity, tied to the old one by ``no_kk_sebelumnya``. Its members are found by the ``no_kk`` of each person.

A kelurahan keeps a book of its own, and its entries are its own too: they are no population data, and never those of
``penduduk.tercatat``, whose one publisher is the registry.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from schemas.base import EventData, Pembatalan, correction, event, pribadi, pribadi_spesifik, umum
from schemas.types import (
    Jam,
    JenisKelamin,
    KodeDaerah,
    KodeWilayah,
    Nama,
    Nik,
    NoKk,
    Nomor,
    Opsional,
    RtRw,
    Tanggal,
    Teks,
    choice,
    number,
)

WALIDATA = ("dukcapil",)

Agama = Annotated[
    str,
    choice(
        "agama",
        {
            "ISLAM": ("1",),
            "KRISTEN": ("2", "PROTESTAN"),
            "KATOLIK": ("3", "KATHOLIK"),
            "HINDU": ("4",),
            "BUDDHA": ("5", "BUDHA"),
            "KONGHUCU": ("6", "KHONGHUCU", "KHUNGHUCU"),
            "KEPERCAYAAN": ("7", "KEPERCAYAAN TERHADAP TUHAN YME / LAINNYA", "LAINNYA"),
        },
    ),
]
StatusKawin = Annotated[
    str,
    choice(
        "status-kawin",
        {
            "BELUM KAWIN": ("1",),
            "KAWIN": ("2", "KAWIN TERCATAT", "KAWIN BELUM TERCATAT"),
            "CERAI HIDUP": ("3", "CERAI HIDUP TERCATAT", "CERAI HIDUP BELUM TERCATAT"),
            "CERAI MATI": ("4",),
        },
    ),
]
StatusPenduduk = Annotated[
    str,
    choice(
        "status-penduduk",
        {
            "HIDUP": ("1",),
            "MATI": ("2", "MENINGGAL"),
            "PINDAH": ("3",),
            "HILANG": ("4",),
            "PERGI": ("6",),
            "TIDAK VALID": ("9",),
        },
    ),
]
LingkupPindah = Annotated[
    str,
    choice(
        "lingkup-pindah",
        {
            "KELURAHAN": ("1", "PINDAH KELUAR DESA/KELURAHAN"),
            "KECAMATAN": ("2", "PINDAH KELUAR KECAMATAN"),
            "KOTA": ("3", "PINDAH KELUAR KABUPATEN/KOTA"),
            "PROVINSI": ("4", "PINDAH KELUAR PROVINSI"),
        },
    ),
]
Kewarganegaraan = Annotated[
    str, choice("kewarganegaraan", {"WNI": ("1",), "WNA": ("2",), "GANDA": ("3", "DUA KEWARGANEGARAAN")})
]
HubunganKeluarga = Annotated[
    str,
    choice(
        "hubungan-keluarga",
        {
            "KEPALA KELUARGA": ("1",),
            "SUAMI": ("2",),
            "ISTRI": ("3", "ISTERI"),
            "ANAK": ("4",),
            "MENANTU": ("5",),
            "CUCU": ("6",),
            "ORANG TUA": ("7", "ORANGTUA"),
            "MERTUA": ("8",),
            "FAMILI LAIN": ("9", "FAMILI"),
            "PEMBANTU": ("10",),
            "LAINNYA": ("11",),
        },
    ),
]
"""The relations of a family card; OpenSID's numbers are understood."""
StatusKartu = Annotated[
    str,
    choice("status-kartu-keluarga", {"BERLAKU": ("1", "AKTIF"), "TIDAK BERLAKU": ("0", "2", "TIDAK AKTIF", "DIGANTI")}),
]
JumlahOrang = Annotated[int, number("orang", 0, 50)]


class PembatalanPenduduk(Pembatalan):
    """A correction about one person."""

    nik: Annotated[Nik, pribadi("NIK orang yang peristiwanya dibatalkan")]


@event(
    "kependudukan.penduduk.lahir.v1",
    kind="fact",
    key="nik",
    entity="nik",
    walidata=WALIDATA,
    parties={"nik_ibu": "nik", "nik_ayah": "nik"},
)
class PendudukLahir(EventData):
    """Kelahiran seorang penduduk dicatat dan NIK-nya diterbitkan. Data anak adalah data pribadi spesifik."""

    contoh: ClassVar = {
        "nik": "3571011503260001",
        "tanggal_lahir": "2026-03-15",
        "nama": "Contoh Anak",
        "jenis_kelamin": "L",
        "tempat_lahir": "Kediri",
        "nik_ibu": "3571014508950002",
        "kode_wilayah": "35.71.01.1011",
    }

    nik: Annotated[Nik, pribadi_spesifik("NIK anak")]
    tanggal_lahir: Annotated[Tanggal, pribadi_spesifik("Tanggal lahir")]
    nama: Annotated[Opsional[Nama], pribadi_spesifik("Nama anak menurut akta")] = None
    jenis_kelamin: Annotated[Opsional[JenisKelamin], pribadi_spesifik("Jenis kelamin anak")] = None
    tempat_lahir: Annotated[Opsional[Nama], pribadi_spesifik("Kota atau kabupaten tempat lahir")] = None
    jam_lahir: Annotated[Opsional[Jam], pribadi_spesifik("Jam lahir")] = None
    nik_ibu: Annotated[Opsional[Nik], pribadi("NIK ibu")] = None
    nik_ayah: Annotated[Opsional[Nik], pribadi("NIK ayah")] = None
    no_kk: Annotated[Opsional[NoKk], pribadi("Nomor kartu keluarga tempat anak dicatat")] = None
    no_akta: Annotated[Opsional[Nomor], pribadi_spesifik("Nomor akta kelahiran")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], pribadi("Kelurahan tempat tinggal")] = None
    tanggal_lapor: Annotated[Opsional[Tanggal], umum("Tanggal kelahiran dilaporkan")] = None


@correction(PendudukLahir)
class PendudukLahirDibatalkan(PembatalanPenduduk):
    """Pencatatan kelahiran dibatalkan."""


@event("kependudukan.penduduk.meninggal.v1", kind="fact", key="nik", entity="nik", walidata=WALIDATA)
class PendudukMeninggal(EventData):
    """Kematian seorang penduduk dicatat (UU 24/2013 pasal 44)."""

    contoh: ClassVar = {
        "nik": "3571010101550001",
        "tanggal_meninggal": "2026-03-15",
        "tempat": "RSUD Gambiran",
        "no_akta": "3571-KM-15032026-0001",
    }

    nik: Annotated[Nik, pribadi("NIK orang yang meninggal")]
    tanggal_meninggal: Annotated[Tanggal, pribadi("Tanggal meninggal")]
    tempat: Annotated[Opsional[Teks], pribadi("Tempat meninggal, misalnya rumah atau nama rumah sakit")] = None
    jam_meninggal: Annotated[Opsional[Jam], pribadi("Jam meninggal")] = None
    nama: Annotated[Opsional[Nama], pribadi("Nama orang yang meninggal")] = None
    no_kk: Annotated[Opsional[NoKk], pribadi("Nomor kartu keluarga terakhir")] = None
    no_akta: Annotated[Opsional[Nomor], pribadi("Nomor akta kematian")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], pribadi("Kelurahan tempat tinggal terakhir")] = None
    tanggal_lapor: Annotated[Opsional[Tanggal], umum("Tanggal kematian dilaporkan")] = None


@correction(PendudukMeninggal)
class PendudukMeninggalDibatalkan(PembatalanPenduduk):
    """Pencatatan kematian dibatalkan: orangnya hidup, atau orang lain yang dimaksud."""


@event("kependudukan.penduduk.pindah-keluar.v1", kind="fact", key="nik", entity="nik", walidata=WALIDATA)
class PendudukPindahKeluar(EventData):
    """Seorang penduduk pindah keluar dari alamatnya; keluarga yang ikut mendapat peristiwa sendiri."""

    contoh: ClassVar = {
        "nik": "3571024107900003",
        "tanggal_pindah": "2026-03-15",
        "lingkup": "KOTA",
        "wilayah_tujuan": "35.78",
        "alamat_tujuan": "Jalan Contoh 1, Surabaya",
    }

    nik: Annotated[Nik, pribadi("NIK orang yang pindah")]
    tanggal_pindah: Annotated[Tanggal, pribadi("Tanggal pindah")]
    lingkup: Annotated[
        Opsional[LingkupPindah], umum("Batas terluas yang dilewati: keluar dari kelurahan, …, provinsi")
    ] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], pribadi("Kelurahan yang ditinggalkan")] = None
    wilayah_tujuan: Annotated[Opsional[KodeDaerah], pribadi("Wilayah tujuan, setingkat yang diketahui")] = None
    alamat_tujuan: Annotated[Opsional[Teks], pribadi("Alamat tujuan")] = None
    no_surat: Annotated[Opsional[Nomor], pribadi("Nomor surat keterangan pindah (SKPWNI)")] = None
    alasan: Annotated[Opsional[Teks], pribadi("Alasan pindah")] = None
    jumlah_pengikut: Annotated[Opsional[JumlahOrang], pribadi("Banyaknya anggota keluarga yang ikut")] = None
    tanggal_lapor: Annotated[Opsional[Tanggal], umum("Tanggal kepindahan dilaporkan")] = None


@correction(PendudukPindahKeluar)
class PendudukPindahKeluarDibatalkan(PembatalanPenduduk):
    """Kepindahan keluar dibatalkan."""


@event("kependudukan.penduduk.pindah-datang.v1", kind="fact", key="nik", entity="nik", walidata=WALIDATA)
class PendudukPindahDatang(EventData):
    """Seorang penduduk datang dan dicatat di alamat barunya."""

    contoh: ClassVar = {
        "nik": "3506014209880001",
        "tanggal_datang": "2026-03-15",
        "kode_wilayah": "35.71.03.1013",
        "wilayah_asal": "35.06",
        "no_kk": "3571031503260004",
    }

    nik: Annotated[Nik, pribadi("NIK orang yang datang")]
    tanggal_datang: Annotated[Tanggal, pribadi("Tanggal datang")]
    kode_wilayah: Annotated[Opsional[KodeWilayah], pribadi("Kelurahan tempat tinggal yang baru")] = None
    wilayah_asal: Annotated[Opsional[KodeDaerah], pribadi("Wilayah asal, setingkat yang diketahui")] = None
    alamat_asal: Annotated[Opsional[Teks], pribadi("Alamat asal")] = None
    alamat: Annotated[Opsional[Teks], pribadi("Alamat yang baru")] = None
    no_kk: Annotated[Opsional[NoKk], pribadi("Nomor kartu keluarga yang baru")] = None
    no_surat: Annotated[Opsional[Nomor], pribadi("Nomor surat keterangan pindah (SKPWNI) dari daerah asal")] = None
    maksud: Annotated[Opsional[Teks], pribadi("Maksud dan tujuan kedatangan")] = None
    tanggal_lapor: Annotated[Opsional[Tanggal], umum("Tanggal kedatangan dilaporkan")] = None


@correction(PendudukPindahDatang)
class PendudukPindahDatangDibatalkan(PembatalanPenduduk):
    """Kedatangan dibatalkan."""


@event("kependudukan.penduduk.tercatat.v1", kind="state", key="nik", entity="nik", walidata=WALIDATA)
class PendudukTercatat(EventData):
    """Seorang penduduk sebagaimana tercatat sekarang; yang terakhir berlaku."""

    contoh: ClassVar = {
        "nik": "3571020508800002",
        "nama": "Contoh Warga",
        "no_kk": "3571020101150007",
        "jenis_kelamin": "L",
        "tempat_lahir": "Kediri",
        "tanggal_lahir": "1980-08-05",
        "agama": "ISLAM",
        "status_kawin": "KAWIN",
        "kode_wilayah": "35.71.02.1012",
        "rt": "003",
        "rw": "001",
        "status": "HIDUP",
    }

    nik: Annotated[Nik, pribadi("NIK")]
    nama: Annotated[Nama, pribadi("Nama lengkap")]
    status: Annotated[Opsional[StatusPenduduk], pribadi("Status dasar kependudukan")] = None
    no_kk: Annotated[Opsional[NoKk], pribadi("Nomor kartu keluarga; berubah dan bukan kunci")] = None
    hubungan_keluarga: Annotated[Opsional[Nama], pribadi("Hubungan dengan kepala keluarga")] = None
    jenis_kelamin: Annotated[Opsional[JenisKelamin], pribadi("Jenis kelamin")] = None
    tempat_lahir: Annotated[Opsional[Nama], pribadi("Kota atau kabupaten tempat lahir")] = None
    tanggal_lahir: Annotated[Opsional[Tanggal], pribadi("Tanggal lahir; jangan diturunkan dari NIK")] = None
    agama: Annotated[Opsional[Agama], pribadi("Agama atau kepercayaan")] = None
    status_kawin: Annotated[Opsional[StatusKawin], pribadi("Status perkawinan")] = None
    pekerjaan: Annotated[Opsional[Nama], pribadi("Jenis pekerjaan menurut daftar Dukcapil")] = None
    pendidikan: Annotated[Opsional[Nama], pribadi("Pendidikan terakhir")] = None
    kewarganegaraan: Annotated[Opsional[Kewarganegaraan], pribadi("Kewarganegaraan")] = None
    alamat: Annotated[Opsional[Teks], pribadi("Alamat tempat tinggal")] = None
    rt: Annotated[Opsional[RtRw], pribadi("RT tempat tinggal")] = None
    rw: Annotated[Opsional[RtRw], pribadi("RW tempat tinggal")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], pribadi("Kelurahan tempat tinggal")] = None


@event("kependudukan.buku-induk.tercatat.v1", kind="state", key="nik", entity="nik", walidata=("kelurahan",))
class BukuIndukTercatat(EventData):
    """Seorang penduduk sebagaimana tertulis sekarang dalam buku induk kelurahan.

    Bahan pencocokan dan pelayanan kelurahan, bukan data kependudukan yang sah: itu ``penduduk.tercatat``.
    """

    contoh: ClassVar = {
        "nik": "3571020508800002",
        "nama": "Contoh Warga",
        "no_kk": "3571020101150007",
        "hubungan_keluarga": "KEPALA KELUARGA",
        "kode_wilayah": "35.71.02.1012",
        "rt": "003",
        "rw": "001",
        "status": "HIDUP",
    }

    nik: Annotated[Nik, pribadi("NIK")]
    nama: Annotated[Nama, pribadi("Nama lengkap")]
    status: Annotated[Opsional[StatusPenduduk], pribadi("Status dasar menurut buku induk")] = None
    no_kk: Annotated[Opsional[NoKk], pribadi("Nomor kartu keluarga; berubah dan bukan kunci")] = None
    hubungan_keluarga: Annotated[Opsional[HubunganKeluarga], pribadi("Hubungan dengan kepala keluarga")] = None
    jenis_kelamin: Annotated[Opsional[JenisKelamin], pribadi("Jenis kelamin")] = None
    tanggal_lahir: Annotated[Opsional[Tanggal], pribadi("Tanggal lahir; jangan diturunkan dari NIK")] = None
    alamat: Annotated[Opsional[Teks], pribadi("Alamat tempat tinggal")] = None
    lingkungan: Annotated[Opsional[Nama], pribadi("Lingkungan atau dusun tempat tinggal")] = None
    rt: Annotated[Opsional[RtRw], pribadi("RT tempat tinggal")] = None
    rw: Annotated[Opsional[RtRw], pribadi("RW tempat tinggal")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], pribadi("Kelurahan tempat tinggal")] = None


@event(
    "kependudukan.kartu-keluarga.berubah.v1",
    kind="state",
    key="no_kk",
    entity="kk",
    walidata=WALIDATA,
    parties={"nik_kepala": "nik", "no_kk_sebelumnya": "kk"},
)
class KartuKeluargaBerubah(EventData):
    """Suatu kartu keluarga sebagaimana tercatat setelah perubahan; yang terakhir berlaku."""

    contoh: ClassVar = {
        "no_kk": "3571020101150007",
        "nik_kepala": "3571020508800002",
        "jumlah_anggota": 4,
        "kode_wilayah": "35.71.02.1012",
        "rt": "003",
        "rw": "001",
        "status": "BERLAKU",
        "tanggal_terbit": "2026-03-16",
    }

    no_kk: Annotated[NoKk, pribadi("Nomor kartu keluarga; keluarga yang sama dapat berganti nomor")]
    nik_kepala: Annotated[Opsional[Nik], pribadi("NIK kepala keluarga")] = None
    jumlah_anggota: Annotated[Opsional[JumlahOrang], pribadi("Banyaknya anggota, termasuk kepala keluarga")] = None
    status: Annotated[Opsional[StatusKartu], pribadi("Apakah kartu masih berlaku")] = None
    no_kk_sebelumnya: Annotated[Opsional[NoKk], pribadi("Kartu yang digantikan oleh kartu ini")] = None
    alamat: Annotated[Opsional[Teks], pribadi("Alamat tempat tinggal")] = None
    rt: Annotated[Opsional[RtRw], pribadi("RT tempat tinggal")] = None
    rw: Annotated[Opsional[RtRw], pribadi("RW tempat tinggal")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], pribadi("Kelurahan tempat tinggal")] = None
    tanggal_terbit: Annotated[Opsional[Tanggal], umum("Tanggal kartu terakhir diterbitkan")] = None
