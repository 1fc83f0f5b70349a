"""Contracts written into a temporary tree of departments, to be spoiled one line at a time."""

from pathlib import Path

from bus.contracts.lint import Fault, check
from bus.events import Catalogue

TAX = """\
app     = "pajak"
opd     = "bppkad"
title   = "Pendapatan daerah"
owner   = "Bidang Penagihan"
contact = "pajak@bppkad.example"
stage   = "pilot"

[source.bank]
connector = "file_drop"
folder    = "env:PAJAK_FOLDER"
key       = ["no_transaksi"]

[[publish]]
event = "pajak.pembayaran.diterima.v1"
from  = "bank"
basis = "UU 1/2022"
map   = { nop = "nop", tahun_pajak = "tahun", jumlah = "jumlah", tanggal_bayar = "tanggal" }
"""

AID = """\
app     = "bansos"
opd     = "dinsos"
title   = "Bantuan sosial"
owner   = "Bidang Perlindungan"
contact = "bansos@dinsos.example"
stage   = "pilot"

[[publish]]
event = "sosial.penerima.dihentikan.v1"
basis = "UU 13/2011"

[[subscribe]]
event   = "pajak.pembayaran.diterima.v1"
from    = ["bppkad/pajak"]
purpose = "Penetapan penerima"
basis   = "UU 13/2011"
fields  = ["nop", "nik_wajib_pajak"]
handler = "mapping:terima"
"""

HANDLER = """\
from collections.abc import Sequence

from schemas.pajak import PembayaranDiterima
from schemas.sosial import PenerimaDihentikan


async def terima(event: PembayaranDiterima) -> Sequence[PenerimaDihentikan]:
    return [] if event.nop else []
"""


def write(root: Path, name: str, contract: str, mapping: str = "") -> Path:
    """One department's folder; returns the path of its contract."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter.toml").write_text(contract, encoding="utf-8")
    if mapping:
        (folder / "mapping.py").write_text(mapping, encoding="utf-8")
    return folder / "adapter.toml"


def faults(root: Path, catalogue: Catalogue, *, tax: str = TAX, aid: str = AID, mapping: str = HANDLER) -> list[Fault]:
    write(root, "bppkad/pajak", tax)
    write(root, "dinsos/bansos", aid, mapping)
    return check([root], catalogue)
