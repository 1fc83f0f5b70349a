"""What looks odd is a warning with a code and never a rejection."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.kebencanaan import PeringatanDikeluarkan
from schemas.kependudukan import PendudukPindahKeluar, PendudukTercatat
from schemas.oddities import warnings_of
from schemas.values import WIB
from tests.schemas.test_identifiers import BIRTHS, niks

WOMAN = {"nik": "3571014508800002", "nama": "Contoh", "tanggal_lahir": "1980-08-05", "jenis_kelamin": "P"}


def test_nothing_odd() -> None:
    assert warnings_of(PendudukTercatat.model_validate(WOMAN)) == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"tanggal_lahir": "1980-08-06"}, "tanggal_lahir:beda-dengan-nik"),
        ({"jenis_kelamin": "L"}, "jenis_kelamin:beda-dengan-nik"),
        ({"kode_wilayah": "35.71.01.1099"}, "kode_wilayah:kelurahan-tidak-dikenal"),
    ],
)
def test_each_oddity_has_a_code_and_passes(change: dict[str, str], code: str) -> None:
    person = PendudukTercatat.model_validate(WOMAN | change, extra="forbid")
    assert warnings_of(person) == (code,)


def test_the_future_is_odd() -> None:
    tomorrow = (datetime.now(WIB) + timedelta(days=2)).date()
    move = PendudukPindahKeluar(nik="3571014508800002", tanggal_pindah=tomorrow, wilayah_tujuan="35.06.01.2001")
    assert warnings_of(move) == ("tanggal_pindah:masa-depan",)

    warning = dict(PeringatanDikeluarkan.contoh)
    for late, codes in ((timedelta(minutes=59), ()), (timedelta(minutes=61), ("waktu:masa-depan",))):
        moment = datetime.now(WIB) + late
        assert warnings_of(PeringatanDikeluarkan.model_validate(warning | {"waktu": moment})) == codes


@given(niks(), BIRTHS, st.sampled_from("LP"))
def test_no_mismatch_with_the_nik_is_a_rejection(nik: str, born: object, sex: str) -> None:
    person = PendudukTercatat.model_validate(
        {"nik": nik, "nama": "Contoh", "tanggal_lahir": born, "jenis_kelamin": sex}
    )
    assert all(nik not in code for code in warnings_of(person))
