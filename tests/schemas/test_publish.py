"""Publishing: new versions are added, published files are never edited, breaks are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest

from bus.errors import ConfigError
from bus.events import Catalogue, event_type_of
from bus.events.export import differences, export
from schemas.base import EventData, event, pribadi, umum
from schemas.publish import publish
from schemas.types import Nik, Opsional, Teks

NAME = "uji.benda.terjadi.v1"


class First(EventData):
    """Versi pertama."""

    contoh: ClassVar = {"nik": "3571010101800001"}

    nik: Annotated[Nik, pribadi("NIK")]
    catatan: Annotated[Opsional[Teks], umum("Catatan")] = None


class Wider(First):
    """Versi kedua."""

    tambahan: Annotated[Opsional[Teks], umum("Bidang tambahan")] = None


class Renamed(EventData):
    """Bidang yang berganti nama."""

    contoh: ClassVar = {"nik": "3571010101800001"}

    nik: Annotated[Nik, pribadi("NIK")]
    keterangan: Annotated[Opsional[Teks], umum("Catatan")] = None


def catalogue(model: type[EventData], version: str, kind: Literal["fact", "state"] = "state") -> Catalogue:
    """A catalogue of one type."""
    event(NAME, kind=kind, key="nik", entity="nik", walidata=("dukcapil",), schema_version=version)(model)
    declared = event_type_of(model)
    assert declared is not None
    return Catalogue({NAME: declared})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which the first version is published."""
    assert publish(catalogue(First, "1.0"), tmp_path) == [tmp_path / NAME / "1.0.json"]
    return tmp_path


def test_what_is_published_stays_and_nothing_more_is_due(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*.json")}
    assert publish(catalogue(First, "1.0"), folder) == []
    assert differences(catalogue(First, "1.0"), folder) == []
    assert {path: path.read_bytes() for path in folder.rglob("*.json")} == before


def test_a_changed_type_is_told_its_next_version(folder: Path) -> None:
    assert publish(catalogue(Wider, "1.0"), folder) == []
    (line,) = differences(catalogue(Wider, "1.0"), folder)
    assert line == f'{NAME}: differs from its published version 1.0 (declare schema_version="1.1")'


def test_an_allowed_change_is_added_as_the_next_minor_file(folder: Path) -> None:
    first = (folder / NAME / "1.0.json").read_bytes()
    wider = catalogue(Wider, "1.1")
    assert differences(wider, folder) == [f"{NAME}: version 1.1 is not published"]
    assert publish(wider, folder) == [folder / NAME / "1.1.json"]
    assert json.loads((folder / NAME / "1.1.json").read_text()) == export(wider[NAME])
    assert (folder / NAME / "1.0.json").read_bytes() == first
    assert differences(wider, folder) == []
    assert differences(catalogue(First, "1.0"), folder) == [f"{NAME}: declares version 1.0, but 1.1 is published"]


def test_a_breaking_change_is_not_published(folder: Path) -> None:
    with pytest.raises(ConfigError, match="catatan: the field is gone or was renamed"):
        publish(catalogue(Renamed, "1.1"), folder)
    assert [path.name for path in folder.rglob("*.json")] == ["1.0.json"]


def test_a_fact_is_not_published_without_its_correction(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a fact that nothing withdraws \(declare its @correction"):
        publish(catalogue(First, "1.0", "fact"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_versions_follow_each_other(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"declares version 1\.3; the next one is 1\.1"):
        publish(catalogue(Wider, "1.3"), folder)


def test_a_type_that_left_the_catalogue_is_noticed(folder: Path) -> None:
    assert differences(Catalogue({}), folder) == [f"{NAME}: published and no longer in the catalogue"]


def test_a_broken_file_is_named(folder: Path) -> None:
    (folder / NAME / "1.0.json").write_text("{")
    with pytest.raises(ConfigError, match=r"1\.0\.json: not valid JSON"):
        publish(catalogue(Wider, "1.1"), folder)


def test_the_command_has_nothing_to_do() -> None:
    done = subprocess.run([sys.executable, "-m", "schemas.publish"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
