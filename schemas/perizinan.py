"""Permits: walidata is the Dinas Penanaman Modal dan PTSP. Keyed by the permit's number; its holder is a party."""

from __future__ import annotations

from typing import Annotated, ClassVar

from schemas.base import EventData, Pembatalan, correction, event, pribadi, umum
from schemas.types import Kbli, KodeWilayah, Nama, Nib, Nik, Nomor, Npwp, Opsional, Tanggal, Teks

WALIDATA = ("dpmptsp",)
PIHAK = {"nik_pemegang": "nik", "nib": "nib"}


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
