"""Permits: walidata is the Dinas Penanaman Modal dan PTSP. Keyed by the permit's number
(an application by its own, until a permit has one); the holder or applicant is a party.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from schemas.base import EventData, Pembatalan, correction, event, pribadi, umum
from schemas.types import Kbli, KodeWilayah, Nama, Nib, Nik, Nomor, Npwp, Opsional, Tanggal, Teks, choice

WALIDATA = ("dpmptsp",)
PIHAK = {"nik_pemegang": "nik", "nib": "nib"}

JenisPermohonan = Annotated[
    str,
    choice("jenis-permohonan", {"BARU": (), "PERPANJANGAN": ("HERREGISTRASI",), "PERUBAHAN": (), "PENCABUTAN": ()}),
]


class PembatalanIzin(Pembatalan):
    """A correction about one permit."""

    nomor_izin: Annotated[Nomor, umum("Nomor izin yang peristiwanya dibatalkan")]


@event("perizinan.izin.terbit.v1", kind="fact", key="nomor_izin", entity="izin", walidata=WALIDATA, parties=PIHAK)
class IzinTerbit(EventData):
    """Suatu izin diterbitkan bagi pemegangnya."""

    contoh: ClassVar = {
        "nomor_izin": "503/0123/419.104/2026",
        "jenis_izin": "Izin Apotek",
        "tanggal_terbit": "2026-03-15",
        "berlaku_sampai": "2031-03-15",
        "nik_pemegang": "3571020508800002",
        "nib": "0220100123456",
        "kbli": "47721",
        "kode_wilayah": "35.71.02.1012",
    }

    nomor_izin: Annotated[Nomor, umum("Nomor izin")]
    jenis_izin: Annotated[Nama, umum("Jenis izin")]
    tanggal_terbit: Annotated[Tanggal, umum("Tanggal terbit")]
    berlaku_sampai: Annotated[Opsional[Tanggal], umum("Tanggal terakhir berlaku; kosong berarti tanpa batas")] = None
    nik_pemegang: Annotated[Opsional[Nik], pribadi("NIK pemegang izin atau penanggung jawab usaha")] = None
    nama_pemegang: Annotated[Opsional[Nama], pribadi("Nama pemegang izin")] = None
    npwp_pemegang: Annotated[Opsional[Npwp], pribadi("NPWP pemegang izin")] = None
    nib: Annotated[Opsional[Nib], umum("Nomor induk berusaha")] = None
    kbli: Annotated[Opsional[Kbli], umum("Kegiatan usaha menurut KBLI, 5 angka")] = None
    nama_usaha: Annotated[Opsional[Nama], umum("Nama usaha")] = None
    alamat_usaha: Annotated[Opsional[Teks], pribadi("Alamat usaha; dapat sama dengan rumah pemegang")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], umum("Kelurahan tempat usaha")] = None


@correction(IzinTerbit)
class IzinTerbitDibatalkan(PembatalanIzin):
    """Penerbitan izin dibatalkan karena salah catat; pencabutan izin yang sah adalah ``izin.dicabut``."""


@event("perizinan.izin.dicabut.v1", kind="fact", key="nomor_izin", entity="izin", walidata=WALIDATA, parties=PIHAK)
class IzinDicabut(EventData):
    """Suatu izin dicabut sebelum masa berlakunya habis."""

    contoh: ClassVar = {"nomor_izin": "503/0123/419.104/2026", "tanggal_dicabut": "2026-09-01", "alasan": "Usaha tutup"}

    nomor_izin: Annotated[Nomor, umum("Nomor izin")]
    tanggal_dicabut: Annotated[Tanggal, umum("Tanggal pencabutan berlaku")]
    alasan: Annotated[Teks, umum("Alasan pencabutan")]
    jenis_izin: Annotated[Opsional[Nama], umum("Jenis izin")] = None
    no_sk: Annotated[Opsional[Nomor], umum("Nomor surat keputusan pencabutan")] = None
    nik_pemegang: Annotated[Opsional[Nik], pribadi("NIK pemegang izin")] = None
    nib: Annotated[Opsional[Nib], umum("Nomor induk berusaha")] = None


@correction(IzinDicabut)
class IzinDicabutDibatalkan(PembatalanIzin):
    """Pencabutan dibatalkan: izin berlaku kembali."""


@event(
    "perizinan.permohonan.diterima.v1",
    kind="fact",
    key="nomor_permohonan",
    entity="permohonan",
    walidata=WALIDATA,
    parties={"nik_pemohon": "nik", "nib": "nib", "nomor_izin": "izin"},
)
class PermohonanDiterima(EventData):
    """Suatu permohonan izin diterima lengkap dan mulai diproses."""

    contoh: ClassVar = {
        "nomor_permohonan": "PMH-2026-000321",
        "jenis_izin": "Izin Apotek",
        "tanggal": "2026-03-01",
        "jenis_permohonan": "BARU",
        "nik_pemohon": "3571020508800002",
        "nib": "0220100123456",
        "kbli": "47721",
        "kode_wilayah": "35.71.02.1012",
    }

    nomor_permohonan: Annotated[Nomor, umum("Nomor permohonan")]
    jenis_izin: Annotated[Nama, umum("Jenis izin yang dimohon")]
    tanggal: Annotated[Tanggal, umum("Tanggal permohonan diterima lengkap")]
    jenis_permohonan: Annotated[Opsional[JenisPermohonan], umum("Jenis permohonan")] = None
    nomor_izin: Annotated[Opsional[Nomor], umum("Izin yang diperpanjang, diubah atau dicabut")] = None
    nik_pemohon: Annotated[Opsional[Nik], pribadi("NIK pemohon atau penanggung jawab usaha")] = None
    nama_pemohon: Annotated[Opsional[Nama], pribadi("Nama pemohon")] = None
    npwp_pemohon: Annotated[Opsional[Npwp], pribadi("NPWP pemohon")] = None
    nib: Annotated[Opsional[Nib], umum("Nomor induk berusaha")] = None
    kbli: Annotated[Opsional[Kbli], umum("Kegiatan usaha menurut KBLI, 5 angka")] = None
    nama_usaha: Annotated[Opsional[Nama], umum("Nama usaha")] = None
    alamat_usaha: Annotated[Opsional[Teks], pribadi("Alamat usaha; dapat sama dengan rumah pemohon")] = None
    kode_wilayah: Annotated[Opsional[KodeWilayah], umum("Kelurahan tempat usaha")] = None


@correction(PermohonanDiterima)
class PermohonanDiterimaDibatalkan(Pembatalan):
    """Penerimaan permohonan dibatalkan: ditarik pemohon, atau salah catat."""

    nomor_permohonan: Annotated[Nomor, umum("Nomor permohonan yang dibatalkan")]
