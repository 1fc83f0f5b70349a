"""The gate finds each planted break and lets each allowed change pass."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from bus.errors import ConfigError
from bus.events import Catalogue
from bus.events.compatibility import breaks
from bus.events.export import export

Schema = dict[str, Any]
Change = Callable[[Schema], None]


def base() -> Schema:
    """A schema with one field of each kind that the catalogue has, and some that it may get."""
    return {
        "x-event": {
            "name": "uji.benda.terjadi.v1",
            "kind": "fact",
            "key": "nik",
            "entity": "nik",
            "parties": {"ibu": "nik"},
        },
        "type": "object",
        "properties": {
            "nik": {"type": "string", "pattern": "^[0-9]{16}$", "format": "nik", "x-klasifikasi": "pribadi"},
            "ibu": optional({"type": "string", "pattern": "^[0-9]{16}$", "format": "nik"}, "pribadi"),
            "tanggal": {"type": "string", "format": "date", "x-klasifikasi": "umum"},
            "kode": {"type": "string", "enum": ["A", "B"], "x-klasifikasi": "pribadi_spesifik"},
            "jumlah": optional({"type": "integer", "minimum": 0, "maximum": 100, "x-satuan": "rupiah"}, "umum"),
            "teks": optional({"type": "string", "minLength": 1, "maxLength": 50}, "umum"),
            "daftar": {"type": "array", "items": {"type": "string", "pattern": "^x$"}, "x-klasifikasi": "umum"},
            "alamat": {
                "type": "object",
                "properties": {"jalan": {"type": "string"}, "rt": {"type": "string", "pattern": "^[0-9]{3}$"}},
                "required": ["jalan"],
            },
            "bukti": union("foto", "surat"),
        },
        "required": ["nik", "tanggal", "kode"],
    }


def optional(shape: Schema, classification: str) -> Schema:
    """A field as ``Opsional`` makes it."""
    return {"anyOf": [shape, {"type": "null"}], "default": None, "x-klasifikasi": classification}


def union(*tags: str) -> Schema:
    """A discriminated union as pydantic writes it, its members inline."""
    return {
        "discriminator": {"propertyName": "jenis"},
        "oneOf": [
            {
                "type": "object",
                "properties": {
                    "jenis": {"const": tag, "type": "string"},
                    "nomor": {"type": "string", "pattern": "^[0-9]$"},
                },
                "required": ["jenis"],
            }
            for tag in tags
        ],
    }


def put(value: object, *path: str | int) -> Change:
    """A change: sets one place of the schema."""

    def change(schema: Schema) -> None:
        *way, last = path
        node: Any = schema
        for step in way:
            node = node[step]
        node[last] = value

    return change


def drop(*path: str) -> Change:
    """A change: removes one place of the schema."""

    def change(schema: Schema) -> None:
        *way, last = path
        node: Any = schema
        for step in way:
            node = node[step]
        del node[last]

    return change


def rename(schema: Schema) -> None:
    """A change: an optional field gets another name."""
    schema["properties"]["catatan"] = schema["properties"].pop("teks")


def changed(change: Change) -> Schema:
    """The base schema after a change."""
    schema = copy.deepcopy(base())
    change(schema)
    return schema


P = "properties"
MORE = optional({"type": "string"}, "umum")

BREAKS: dict[str, tuple[Change, str, str]] = {  # name -> change, rule, field
    "a required field is removed": (drop(P, "tanggal"), "removed", "tanggal"),
    "an optional field is removed": (drop(P, "teks"), "removed", "teks"),
    "an optional field is renamed": (rename, "removed", "teks"),
    "a field inside an object is removed": (drop(P, "alamat", P, "rt"), "removed", "alamat.rt"),
    "a required field is added": (
        lambda schema: (put(MORE, P, "baru")(schema), put([*schema["required"], "baru"], "required")(schema))[0],
        "required",
        "baru",
    ),
    "an optional field becomes required": (put(["nik", "tanggal", "kode", "teks"], "required"), "required", "teks"),
    "a required field becomes optional": (put(["nik", "tanggal"], "required"), "optional", "kode"),
    "a type changes": (put({"type": "integer", "x-klasifikasi": "pribadi_spesifik"}, P, "kode"), "forward", "kode"),
    "a field may be null now": (
        put({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, P, "tanggal"),
        "forward",
        "tanggal",
    ),
    "a field may no longer be null": (
        put({"type": "string", "minLength": 1, "maxLength": 50}, P, "teks"),
        "backward",
        "teks",
    ),
    "a pattern is tightened": (put("^35[0-9]{14}$", P, "nik", "pattern"), "pattern", "nik"),
    "a pattern is loosened": (put("^[0-9]{15,16}$", P, "nik", "pattern"), "pattern", "nik"),
    "a pattern is dropped": (drop(P, "nik", "pattern"), "pattern", "nik"),
    "a pattern is tightened in an optional field": (
        put({"type": "string", "pattern": "^35[0-9]{14}$", "format": "nik"}, P, "ibu", "anyOf", 0),
        "pattern",
        "ibu",
    ),
    "a pattern is tightened in a list": (put("^xx$", P, "daftar", "items", "pattern"), "pattern", "daftar"),
    "a pattern is tightened in an object": (put("^00[0-9]$", P, "alamat", P, "rt", "pattern"), "pattern", "alamat.rt"),
    "a pattern is tightened in a union": (
        put("^[0-4]$", P, "bukti", "oneOf", 0, P, "nomor", "pattern"),
        "pattern",
        "bukti.nomor",
    ),
    "a format is tightened": (put("email", P, "teks", "anyOf", 0, "format"), "format", "teks"),
    "a format changes": (put("date-time", P, "tanggal", "format"), "format", "tanggal"),
    "a unit changes": (put("ribu rupiah", P, "jumlah", "anyOf", 0, "x-satuan"), "x-satuan", "jumlah"),
    "a code is added": (put(["A", "B", "C"], P, "kode", "enum"), "forward", "kode"),
    "a code is removed": (put(["A"], P, "kode", "enum"), "backward", "kode"),
    "a minimum is raised": (put(1, P, "jumlah", "anyOf", 0, "minimum"), "backward", "jumlah"),
    "a maximum is raised": (put(200, P, "jumlah", "anyOf", 0, "maximum"), "forward", "jumlah"),
    "a text may be longer": (put(60, P, "teks", "anyOf", 0, "maxLength"), "forward", "teks"),
    "a text must be shorter": (put(40, P, "teks", "anyOf", 0, "maxLength"), "backward", "teks"),
    "a member of a union is removed": (put(union("foto"), P, "bukti"), "removed", "bukti"),
    "a member of a union is exchanged": (put(union("foto", "video"), P, "bukti"), "removed", "bukti"),
    "a classification is lowered": (put("pribadi", P, "kode", "x-klasifikasi"), "classification", "kode"),
    "a classification is dropped": (drop(P, "nik", "x-klasifikasi"), "classification", "nik"),
    "the key changes": (put("ibu", "x-event", "key"), "identity", ""),
    "the kind of key changes": (put("kk", "x-event", "entity"), "identity", ""),
    "a fact becomes a state": (put("state", "x-event", "kind"), "identity", ""),
    "a party is no longer one": (put({}, "x-event", "parties"), "identity", "ibu"),
}

ALLOWED: dict[str, Change] = {
    "nothing changes": lambda _schema: None,
    "an optional field is added": put(MORE, P, "baru"),
    "an optional field is added inside an object": put({"type": "string"}, P, "alamat", P, "nomor"),
    "an optional object is added": put(optional({"type": "object", "properties": {"a": MORE}}, "umum"), P, "baru"),
    "a member is added to a union": put(union("foto", "surat", "video"), P, "bukti"),
    "an optional field is added to a member of a union": put({"type": "string"}, P, "bukti", "oneOf", 0, P, "warna"),
    "a description changes": put("Kata lain", P, "nik", "description"),
    "an example changes": put([{"nik": "1"}], "examples"),
    "a title changes": put("Lain", "title"),
    "a classification is raised": put("pribadi_spesifik", P, "nik", "x-klasifikasi"),
    "a party is added": put({"ibu": "nik", "nik": "nik"}, "x-event", "parties"),
    "another walidata may publish": put(["rsud", "dinkes"], "x-event", "walidata"),
    "the order of fields changes": lambda schema: schema.update(properties=dict(reversed(schema[P].items()))),
    "the order of required fields changes": put(["kode", "tanggal", "nik"], "required"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_each_planted_break_is_found_where_it_is(name: str) -> None:
    change, rule, field = BREAKS[name]
    found = breaks(base(), changed(change))
    assert (rule, field) in {(each.rule, each.where) for each in found}
    assert {each.where.partition(".")[0] for each in found} == {field.partition(".")[0]}  # and nothing else is accused


@pytest.mark.parametrize("name", ALLOWED)
def test_each_allowed_change_passes(name: str) -> None:
    assert breaks(base(), changed(ALLOWED[name])) == []


def test_a_union_made_by_pydantic_may_grow() -> None:
    class Foto(BaseModel):
        jenis: Literal["foto"]

    class Surat(BaseModel):
        jenis: Literal["surat"]
        nomor: str | None = None

    class Before(BaseModel):
        bukti: Annotated[Foto | Surat, Field(discriminator="jenis")]

    class Video(BaseModel):
        jenis: Literal["video"]

    class After(BaseModel):
        bukti: Annotated[Foto | Surat | Video, Field(discriminator="jenis")]

    assert breaks(Before.model_json_schema(), After.model_json_schema()) == []
    assert {each.rule for each in breaks(After.model_json_schema(), Before.model_json_schema())} == {"removed"}


def test_a_schema_that_refers_to_itself_is_told_so() -> None:
    schema = {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"properties": {"a": {"$ref": "#/$defs/A"}}}}}
    with pytest.raises(ConfigError, match="recursive"):
        breaks(schema, schema)


def test_every_type_is_compatible_with_itself() -> None:
    for event_type in Catalogue.load().values():
        assert breaks(export(event_type), export(event_type)) == []


def test_the_engine_is_not_needed_at_run_time() -> None:
    code = "import sys; from bus.events import Catalogue; Catalogue.load(); sys.exit('jsoncompat' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
