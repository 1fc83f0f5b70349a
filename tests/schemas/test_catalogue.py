"""The whole catalogue: every type is found, complete, classified, published, and silent about values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.demo.applications import DEPARTMENTS
from bus.contracts import load_all
from bus.events import Catalogue, EventType, reason
from bus.events.compatibility import check
from bus.events.export import State, differences, export, state
from schemas.pengaduan import PENANGAN
from schemas.publish import FOLDER

CATALOGUE = Catalogue.load()
README = Path(__file__).parents[2] / "schemas" / "README.md"
WALIDATA = {
    "kependudukan": ("dukcapil",),
    "sosial": ("dinsos",),
    "perizinan": ("dpmptsp",),
    "pajak": ("bppkad",),
    "kesehatan": ("rsud", "dinkes"),
    "kebencanaan": ("bpbd",),
    "pengaduan": ("kominfo",),
    "kepegawaian": ("bkpsdm",),
    "pendidikan": ("pendidikan",),
    "referensi": ("kominfo",),
}
HANDLED = {"ditindaklanjuti", "selesai"}  # published by whoever handles the complaint
OWN = {"buku-induk": ("kelurahan",)}  # entities whose walidata is not their domain's
STATES = {
    "kependudukan.buku-induk.tercatat.v1",
    "kependudukan.kartu-keluarga.berubah.v1",
    "kependudukan.penduduk.tercatat.v1",
    "kesehatan.pasien.terdaftar.v1",
    "pajak.objek-pajak.berubah.v1",
    "referensi.wilayah.berubah.v1",
}
FACTS = {
    "kependudukan.penduduk.lahir.v1": "nik",
    "kependudukan.penduduk.meninggal.v1": "nik",
    "kependudukan.penduduk.pindah-keluar.v1": "nik",
    "kependudukan.penduduk.pindah-datang.v1": "nik",
    "sosial.penerima.ditetapkan.v1": "nik",
    "sosial.penerima.dihentikan.v1": "nik",
    "sosial.bantuan.disalurkan.v1": "nik",
    "perizinan.izin.terbit.v1": "izin",
    "perizinan.izin.dicabut.v1": "izin",
    "pajak.pembayaran.diterima.v1": "nop",
    "kesehatan.kematian.tercatat.v1": "nik",
    "kesehatan.kelahiran.tercatat.v1": "nik",
    "kesehatan.kunjungan.tercatat.v1": "kunjungan",
    "kesehatan.rawat-inap.selesai.v1": "kunjungan",
    "kesehatan.imunisasi.diberikan.v1": "pasien",
    "perizinan.permohonan.diterima.v1": "permohonan",
    "pajak.tagihan.terbit.v1": "nop",
    "kebencanaan.peringatan.dikeluarkan.v1": "sensor",
    "kebencanaan.kejadian.dilaporkan.v1": "kejadian",
    "pengaduan.laporan.diterima.v1": "laporan",
    "pengaduan.laporan.ditindaklanjuti.v1": "laporan",
    "pengaduan.laporan.selesai.v1": "laporan",
    "kepegawaian.pegawai.diangkat.v1": "nip",
    "kepegawaian.pegawai.mutasi.v1": "nip",
    "kepegawaian.pegawai.pensiun.v1": "nip",
    "pendidikan.siswa.terdaftar.v1": "nisn",
    "pendidikan.siswa.pindah.v1": "nisn",
}
every_type = pytest.mark.parametrize("event_type", CATALOGUE.values(), ids=lambda each: str(each.name))


def _ids() -> Iterator[str]:
    for name in FACTS:
        yield from (name, name.replace(".v1", "-dibatalkan.v1"))


def test_the_entry_points_find_every_type_and_each_fact_has_its_correction() -> None:
    assert set(CATALOGUE) == STATES | set(_ids())
    for name, entity in FACTS.items():
        fact = CATALOGUE[name]
        corrected = CATALOGUE[str(fact.name.cancelled)]
        assert (fact.kind, fact.entity) == ("fact", entity)
        assert corrected.corrects == fact.name
        assert (corrected.kind, corrected.key, corrected.entity) == ("fact", fact.key, fact.entity)
        assert corrected.model.__name__ == f"{fact.model.__name__}Dibatalkan"
        assert corrected.required == {fact.key, "membatalkan", "alasan"}
    assert {CATALOGUE[name].kind for name in STATES} == {"state"}


def test_every_type_has_a_publisher_or_a_word_who_will_be_it() -> None:
    published = {str(entry.event) for contract in load_all([DEPARTMENTS]) for entry in contract.publish}
    promised = re.findall(r"^\| `([^`]+)` \| (\w+/\w+), when ", README.read_text(encoding="utf-8"), re.MULTILINE)

    assert set(CATALOGUE) - published == {name for name, _ in promised}
    for name, publisher in promised:
        assert publisher.partition("/")[0] in CATALOGUE[name].walidata


@every_type
def test_a_type_is_complete(event_type: EventType) -> None:
    domain, entity = event_type.name.domain, event_type.name.entity
    handled = domain == "pengaduan" and event_type.name.event.partition("-")[0] in HANDLED
    assert event_type.walidata == (PENANGAN if handled else OWN.get(entity, WALIDATA[domain]))
    assert event_type.key in event_type.required
    assert set(event_type.parties) <= event_type.fields
    assert set(event_type.classification) == event_type.fields
    assert set(event_type.classification.values()) <= {"umum", "pribadi", "pribadi_spesifik"}
    assert CATALOGUE.of_model(event_type.model) is event_type


@every_type
def test_an_example_survives_the_way_over_the_wire(event_type: EventType) -> None:
    written = event_type.model.model_validate(event_type.example, extra="forbid")
    body = written.model_dump_json(exclude_none=True)
    assert json.loads(body) == event_type.example  # examples are in the form that the wire has
    assert event_type.model.model_validate_json(body, extra="forbid") == written
    assert event_type.warnings(written) == ()


@every_type
def test_every_field_of_the_schema_is_described(event_type: EventType) -> None:
    schema = export(event_type)
    assert schema["description"]
    for name, field in schema["properties"].items():
        assert len(field["description"]) >= 3, name
        assert field["x-klasifikasi"] == event_type.classification[name]
        shape = next(each for each in field.get("anyOf", [field]) if each.get("type") != "null")
        assert {"format", "x-satuan"} & shape.keys(), name


@every_type
def test_a_type_is_published_as_it_is(event_type: EventType) -> None:
    assert state(event_type, FOLDER) is State.SAME
    assert check(event_type, FOLDER) == []


def test_nothing_else_is_published() -> None:
    assert differences(CATALOGUE, FOLDER) == []


SENTINELS: list[Any] = [
    "RAHASIA-7731",
    "3571019999997731",
    357101999999773199999,
    7731.7731,
    ["RAHASIA-7731"],
    {"RAHASIA-7731": 7731},
]


@every_type
@pytest.mark.parametrize("sentinel", SENTINELS, ids=lambda value: type(value).__name__)
def test_no_error_text_repeats_a_value(event_type: EventType, sentinel: object) -> None:
    with pytest.raises(ValidationError) as caught:
        event_type.model.model_validate(dict.fromkeys(event_type.fields, sentinel), extra="forbid")
    shown = f"{caught.value} {caught.value.errors(include_input=False, include_url=False)} {reason(caught.value)}"
    assert "7731" not in shown
    assert len(reason(caught.value)) > 10


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ValidationError) as caught:
        CATALOGUE["kependudukan.penduduk.meninggal.v1"].model.model_validate({"nik": "357101010180001"})
    assert reason(caught.value) == "nik: harus 16 angka, ada 15; tanggal_meninggal: belum diisi"
