"""The catalogue reads OpenSID's sample residents: numbers as numbers, codes as codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from schemas.kependudukan import PendudukTercatat
from schemas.oddities import warnings_of

DUMP = Path(__file__).parents[3] / "shared" / "data" / "opensid-contoh.sql"
FIELDS = {
    "nik": "nik",
    "nama": "nama",
    "jenis_kelamin": "sex",
    "tempat_lahir": "tempatlahir",
    "tanggal_lahir": "tanggallahir",
    "agama": "agama_id",
    "status_kawin": "status_kawin",
    "kewarganegaraan": "warganegara_id",
    "alamat": "alamat_sekarang",
    "status": "status_dasar",
}
_ROW = re.compile(r"INSERT INTO `tweb_penduduk` \((.*?)\) VALUES \((.*)\);")
_VALUE = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|([^,']+))\s*(?:,|$)")


def residents() -> Iterator[dict[str, object]]:
    """The rows of tweb_penduduk as a driver gives them: ``nik`` is decimal(16,0), codes are integers."""
    for line in DUMP.read_text(encoding="utf-8", errors="replace").splitlines():
        if row := _ROW.fullmatch(line):
            names = [name.strip(" `") for name in row[1].split(",")]
            values = [
                value[1] if value[1] is not None else None if value[2] == "NULL" else int(value[2])
                for value in _VALUE.finditer(row[2])
            ]
            yield dict(zip(names, values, strict=True))


@pytest.mark.skipif(not DUMP.exists(), reason="OpenSID's sample data (../shared/data) is not here")
def test_every_sample_resident_is_read() -> None:
    people = list(residents())
    assert len(people) == 97
    for person in people:
        data = {field: person[column] for field, column in FIELDS.items()} | {"nik": Decimal(str(person["nik"]))}
        read = PendudukTercatat.model_validate(data, extra="forbid")
        assert read.nik == str(person["nik"])
        assert read.jenis_kelamin in {"L", "P"}
        # The sample's birth dates were made up apart from its NIKs: odd, and no reason to reject.
        assert set(warnings_of(read)) <= {"tanggal_lahir:beda-dengan-nik", "jenis_kelamin:beda-dengan-nik"}
