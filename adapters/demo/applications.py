"""The applications of the demo: whose they are, what their adapters are told, and which of their tables are watched.

The contracts are those of the departments, unchanged but for options of a connector that only make sense where an
application is another machine (``here``).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adapters import departments

DEPARTMENTS = Path(next(iter(departments.__path__)))
DATABASE = "sqlite:///{database}"


@dataclass(frozen=True)
class Application:
    """An application: whose it is, its adapter's settings, and its watched tables with the column that is a row's key.

    In ``settings`` stand the variables that its contract names; {database} and {folder} (of all applications) are
    filled in, and whatever else a demo has made for it.
    """

    opd: str
    app: str
    settings: Mapping[str, str]
    targets: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    here: Mapping[str, str] = field(default_factory=dict)  #: connector -> a line of its options on this machine

    @property
    def name(self) -> str:
        """``opd/app``."""
        return f"{self.opd}/{self.app}"

    @property
    def contract(self) -> Path:
        """The folder of its contract."""
        return DEPARTMENTS / self.opd / self.app

    def contract_here(self, home: Path) -> Path:
        """The folder of the contract that runs: its own, or a copy with the options of this machine."""
        if not self.here:
            return self.contract
        copy = home / "contracts" / self.opd / self.app
        shutil.copytree(self.contract, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        text = (copy / "adapter.toml").read_text(encoding="utf-8")
        for connector, line in self.here.items():
            text = re.sub(rf'^(connector +)= "{connector}"$', rf'\1= "{connector}"\n{line}', text, flags=re.MULTILINE)
        (copy / "adapter.toml").write_text(text, encoding="utf-8")
        return copy

    @property
    def tables(self) -> Path | None:
        """The script that makes its tables: its own, or the demo's; None where it has no database."""
        own, ours = self.contract / "samples" / "application.sql", Path(__file__).with_name(f"{self.app}.sql")
        return next((each for each in (own, ours) if each.exists()), None)

    @property
    def writes(self) -> bool:
        """Whether its adapter writes into its database itself, and not through an interface of it."""
        return bool(self.targets) and DATABASE in self.settings.values()

    def database(self, home: Path) -> Path:
        """Where its database lies."""
        return folder(home) / f"{self.app}.db"

    def environment(self, home: Path, made: Mapping[str, str]) -> dict[str, str]:
        """The settings of its adapter; ``made`` fills what its demo has made."""
        known = {"database": str(self.database(home)), "folder": str(folder(home)), **made}
        return {name: value.format_map(known) for name, value in self.settings.items()}

    def drops(self, home: Path) -> list[Path]:
        """The folders that files are exchanged in."""
        own = (value for value in self.settings.values() if value.startswith("{folder}/"))
        return [Path(each.format(folder=folder(home))) for each in own]


def folder(home: Path) -> Path:
    """Where the applications lie."""
    return home / "applications"


SIAK = Application(
    "dukcapil",
    "siak",
    {"SIAK_URL": DATABASE},
    targets={"bus_kelahiran": "nik_ibu", "bus_kelahiran_batal": "membatalkan"},
    sources={"tweb_penduduk": "id", "log_penduduk": "id"},
)
PERIZINAN = Application(
    "dpmptsp",
    "perizinan",
    {"PERIZINAN_URL": DATABASE},
    targets={"bus_kematian": "nik", "bus_kematian_batal": "membatalkan", "bus_pembayaran": "nop"},
    sources={"izin": "nomor"},
)
PAJAK = Application(
    "bppkad",
    "pajak",
    {"PAJAK_URL": DATABASE, "PAJAK_FOLDER": "{folder}/pajak-bank"},
    targets={
        "calon_objek_pajak": "nomor_izin",
        "bus_izin_dicabut": "nomor_izin",
        "bus_kematian": "nik",
        "bus_kematian_batal": "membatalkan",
        "bus_pindah_keluar": "nik",
        "bus_penerima": "nik || ' ' || new.program",
    },
)
BANSOS = Application(
    "dinsos",
    "bansos",
    {"BANSOS_URL": DATABASE, "BANSOS_FOLDER": "{folder}/bansos-dtsen"},
    targets={
        "bus_penduduk": "nik",
        "bus_kelahiran": "nik",
        "bus_pindah": "nik",
        "bus_kedatangan": "nik",
        "bus_kematian_batal": "membatalkan",
        "penerima": "nik || ' ' || new.program",
    },
)
SIMPEG = Application(
    "bkpsdm",
    "simpeg",
    {"SIMPEG_URL": DATABASE},
    targets={"pensiunan": "nip", "bus_kematian_pegawai": "nip", "bus_kematian_batal": "membatalkan"},
)
SIMRS = Application("rsud", "simrs", {"SIMRS_URL": DATABASE}, sources={"pasien_bayi": "no_rkm_medis"})
EPUSKESMAS = Application(
    "dinkes",
    "epuskesmas",
    {"EPUSKESMAS_URL": "http://{puskesmas}/api/v1", "EPUSKESMAS_KEY": "{puskesmas_key}"},
    targets={"kelahiran": "nik_ibu", "sasaran": "nik", "kepindahan": "arah || ' ' || new.nik"},
    here={"http_push": "allow_local = true", "http_poll": "allow_local = true"},
)
DAPODIK = Application(
    "pendidikan",
    "dapodik",
    {
        "DAPODIK_SISWA_FOLDER": "{folder}/dapodik-siswa",
        "DAPODIK_MUTASI_FOLDER": "{folder}/dapodik-mutasi",
        "DAPODIK_PENDUDUK_FOLDER": "{folder}/dapodik-penduduk",
    },
)
PENERTIBAN = Application(
    "satpolpp",
    "penertiban",
    {"PENERTIBAN_URL": DATABASE, "PENERTIBAN_FOLDER": "{folder}/penertiban-izin"},
    targets={"laporan": "nomor"},
    sources={"tindak_lanjut": "nomor_laporan", "penyelesaian": "nomor_laporan"},
)
PENGADUAN = Application(
    "kominfo",
    "pengaduan",
    {
        "PENGADUAN_LISTEN": "{webhook}",
        "PENGADUAN_SIGNING_KELUAR": "{desk_secret}",
        "PENGADUAN_URL": "http://{desk}/bus",
        "PENGADUAN_SIGNING_MASUK": "{bus_secret}",
    },
    targets={"kabar": "kejadian || ' ' || new.nomor"},
    sources={"laporan": "nomor"},
)
SENSOR = Application(
    "bpbd",
    "sensor",
    {"BPBD_URL": DATABASE, "SENSOR_URL": "mqtt://{broker}", "SENSOR_USER": "pusdalops", "SENSOR_PASSWORD": "-"},
    targets={"bus_peringatan": "sensor || printf(' %.1f', new.nilai)"},
    here={"mqtt": 'protocol = "3.1.1"'},
)

#: Those that share a process: starting one costs two seconds of a processor. The first is killed, the second is away.
GROUPS = ((SIAK,), (BANSOS, PERIZINAN, PAJAK), (SIMRS, SIMPEG, EPUSKESMAS), (DAPODIK, PENERTIBAN, PENGADUAN, SENSOR))
APPLICATIONS = tuple(application for group in GROUPS for application in group)
OUTSIDE = "luar.db"  #: what is no application of the city: the books of the bank and of the rivers' posts


def outside(home: Path) -> Path:
    """The books of those outside the city's offices: what they have sent, and when."""
    return folder(home) / OUTSIDE
