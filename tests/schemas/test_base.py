"""Declaring an event type: what is missing stops the import, and values stay out of texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field, ValidationError

from bus.errors import ConfigError
from bus.events import event_type_of
from schemas.base import EventData, Pembatalan, correction, event, pribadi, umum
from schemas.kependudukan import PendudukMeninggal, PendudukTercatat
from schemas.types import Nik, Opsional, Teks

declare = event("uji.benda.terjadi.v1", kind="fact", key="nik", entity="nik", walidata=("dukcapil",))
EXAMPLE = {"nik": "3571010101800001"}


class Good(EventData):
    """Contoh yang lengkap."""

    contoh: ClassVar = EXAMPLE

    nik: Annotated[Nik, pribadi("NIK")]
    catatan: Annotated[Opsional[Teks], umum("Catatan")] = None


class NoDescription(Good):
    """Tanpa keterangan."""

    catatan: Annotated[Opsional[Teks], Field(json_schema_extra={"x-klasifikasi": "umum"})] = None


class NoClassification(Good):
    """Tanpa klasifikasi."""

    catatan: Annotated[Opsional[Teks], Field(description="Catatan")] = None


class WrongClassification(Good):
    """Klasifikasi yang tidak ada."""

    catatan: Annotated[Opsional[Teks], Field(description="Catatan", json_schema_extra={"x-klasifikasi": "rahasia"})] = (
        None
    )


class NoForm(Good):
    """Tanpa satuan atau bentuk."""

    catatan: Annotated[str | None, umum("Catatan")] = None


class Bare(Good):
    """Bidang polos."""

    catatan: str | None = None


class NoDocstring(Good):
    pass


class WrongExample(Good):
    """Contoh yang salah."""

    contoh: ClassVar = {"nik": "357101"}


class ExtraInExample(Good):
    """Contoh dengan bidang asing."""

    contoh: ClassVar = EXAMPLE | {"asing": "x"}


class Fingerprint(Good):
    """Data yang dilarang."""

    sidik_jari: Annotated[Opsional[Teks], pribadi("Sidik jari")] = None


class OptionalKey(EventData):
    """Kunci yang boleh kosong."""

    contoh: ClassVar = EXAMPLE

    nik: Annotated[Opsional[Nik], pribadi("NIK")] = None


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (NoDescription, "NoDescription.catatan: no description"),
        (NoClassification, "NoClassification.catatan: no classification"),
        (WrongClassification, "WrongClassification.catatan: no classification"),
        (NoForm, "NoForm.catatan: no unit or format"),
        (Bare, "Bare.catatan: no description"),
        (NoDocstring, "NoDocstring: an event type needs a docstring"),
        (WrongExample, "WrongExample: contoh does not validate: nik: harus 16 angka, ada 6"),
        (ExtraInExample, "ExtraInExample: contoh does not validate: asing: tidak dikenal"),
        (Fingerprint, "Fingerprint.sidik_jari: this must never be in a payload"),
        (OptionalKey, "OptionalKey: the key nik must be a required field"),
    ],
)
def test_an_incomplete_declaration_names_class_and_field(model: type[EventData], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        declare(model)
    assert str(caught.value).startswith(says)
    assert "__event_type__" not in model.__dict__


@pytest.mark.parametrize(
    "arguments",
    [
        {"parties": {"nik_ibu": "nik"}},
        {"walidata": ()},
        {"schema_version": "2.0"},
        {"key": "nomor"},
        {"name": "uji.terjadi"},
    ],
)
def test_a_declaration_fits_its_class(arguments: dict[str, Any]) -> None:
    usual: dict[str, Any] = {
        "name": "uji.benda.terjadi.v1",
        "kind": "fact",
        "key": "nik",
        "entity": "nik",
        "walidata": ("dukcapil",),
    }
    with pytest.raises(ConfigError):
        event(**usual | arguments)(Good)


def test_a_correction_belongs_to_a_fact_and_has_three_fields() -> None:
    class Wrong(Pembatalan):
        """Tanpa kunci."""

    class Right(Pembatalan):
        """Dengan kunci."""

        nik: Annotated[Nik, pribadi("NIK")]

    cases: list[tuple[type[EventData], type[EventData]]] = [
        (PendudukMeninggal, Wrong),
        (PendudukTercatat, Right),
        (Good, Right),
    ]
    for corrected, model in cases:
        with pytest.raises(ConfigError):
            correction(corrected)(model)
    declared = event_type_of(correction(PendudukMeninggal)(Right))
    assert declared is not None
    assert str(declared.name) == "kependudukan.penduduk.meninggal-dibatalkan.v1"
    assert str(declared.corrects) == "kependudukan.penduduk.meninggal.v1"


@pytest.mark.parametrize("show", [str, repr, "{}".format])
def test_data_does_not_show_its_values(show: Callable[[object], str]) -> None:
    died = PendudukMeninggal.model_validate(PendudukMeninggal.contoh)
    assert show(died) == "PendudukMeninggal(nik, no_akta, tanggal_meninggal, tempat)"


def test_writers_refuse_unknown_fields_and_readers_ignore_them() -> None:
    later = PendudukMeninggal.contoh | {"bidang_baru": 1}
    assert PendudukMeninggal.model_validate(later) == PendudukMeninggal.model_validate(PendudukMeninggal.contoh)
    with pytest.raises(ValidationError):
        PendudukMeninggal.model_validate(later, extra="forbid")


def test_data_does_not_change() -> None:
    died = PendudukMeninggal.model_validate(PendudukMeninggal.contoh)
    with pytest.raises(ValidationError):
        died.nik = "3571010101800001"  # type: ignore[misc]
