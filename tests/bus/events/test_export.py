"""What a published schema looks like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bus.errors import ConfigError
from bus.events import Catalogue
from bus.events.export import DRAFT, dumps, export, next_minor, published

MENINGGAL = Catalogue.load()["kependudukan.penduduk.meninggal.v1"]


def test_a_schema_says_what_the_bus_must_know() -> None:
    schema = export(MENINGGAL)
    assert schema["$schema"] == DRAFT
    assert schema["$id"] == MENINGGAL.dataschema == "urn:kediri:schema:kependudukan.penduduk.meninggal.v1:1.0"
    assert schema["title"] == "PendudukMeninggal"
    assert schema["x-event"] == {
        "name": "kependudukan.penduduk.meninggal.v1",
        "kind": "fact",
        "key": "nik",
        "entity": "nik",
        "walidata": ["dukcapil"],
        "parties": {},
    }
    assert schema["required"] == ["nik", "tanggal_meninggal"]
    assert "additionalProperties" not in schema  # readers are open
    assert schema["examples"] == [MENINGGAL.example]
    assert json.loads(dumps(schema)) == schema


def test_a_correction_names_what_it_corrects() -> None:
    schema = export(Catalogue.load()["kependudukan.penduduk.meninggal-dibatalkan.v1"])
    assert schema["x-event"]["corrects"] == "kependudukan.penduduk.meninggal.v1"
    assert set(schema["properties"]) == {"nik", "membatalkan", "alasan"}


def test_versions_are_numbers(tmp_path: Path) -> None:
    assert next_minor(MENINGGAL, tmp_path) == "1.0"
    folder = tmp_path / str(MENINGGAL.name)
    folder.mkdir()
    for version in ("1.9", "1.10"):
        (folder / f"{version}.json").write_text("{}")
    assert next_minor(MENINGGAL, tmp_path) == "1.11"
    assert list(published(MENINGGAL.name, tmp_path)) == [(1, 9), (1, 10)]
    (folder / "latest.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"latest\.json: the name is not"):
        published(MENINGGAL.name, tmp_path)
