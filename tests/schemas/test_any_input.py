"""Whatever a source holds, a type reads it or refuses it; nothing else happens, and what was read can be written."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas import kebencanaan, kependudukan, kesehatan, pajak, pendidikan, referensi, sosial, types

KINDS: dict[str, Any] = {
    name: getattr(types, name) for name in types.__all__ if name[0].isupper() and name != "Opsional"
}
KINDS |= {
    "Agama": kependudukan.Agama,
    "LingkupPindah": kependudukan.LingkupPindah,
    "BentukBantuan": sosial.BentukBantuan,
    "MeterPersegi": pajak.MeterPersegi,
    "Gram": kesehatan.Gram,
    "NomorFaskes": kesehatan.NomorFaskes,
    "CaraKeluar": kesehatan.CaraKeluar,
    "KodeCvx": kesehatan.KodeCvx,
    "KodeSensor": kebencanaan.KodeSensor,
    "NilaiUkur": kebencanaan.NilaiUkur,
    "TahunAjaran": pendidikan.TahunAjaran,
    "KodeBps": referensi.KodeBps,
}
OFFSETS = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(),
    st.text("0123456789 .,-/:'RpEe+TZ", max_size=40),
    st.characters(categories=["Cs", "Cc", "Cf"]),
    st.binary(),
    st.dates(),
    st.datetimes(timezones=st.one_of(st.none(), OFFSETS)),
    st.times(),
    st.timedeltas(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.dates().map(date.isoformat),
    st.datetimes(timezones=OFFSETS).map(datetime.isoformat),
)


@pytest.mark.parametrize("name", KINDS)
def test_a_type_reads_or_refuses_and_reads_its_own_writing(name: str) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(KINDS[name])

    @given(ANYTHING)
    @example(Decimal("sNaN"))
    @example(Decimal("1E+999999999"))
    @example(Decimal("-1E-999999999"))
    @example(10**5000)
    @example(float("inf"))
    @example(1_773_540_000_123)
    @example(datetime.max.replace(tzinfo=UTC))
    @example("9999-12-31T23:59:59Z")
    @example("Siti\x00Contoh")
    @example("Siti \ud800")
    @example("9" * 30)
    def holds(value: object) -> None:
        try:
            read = adapter.validate_python(value)
        except ValidationError:
            return
        written = adapter.dump_json(read)
        assert adapter.validate_python(json.loads(written)) == read

    holds()
