"""Regions: the 46 kelurahan of the city, and codes of every level."""

from __future__ import annotations

from collections import Counter

import pytest

from schemas.types import KodeDaerah, KodeWilayah
from schemas.wilayah import KECAMATAN, KELURAHAN
from tests.schemas.test_identifiers import check, refusal


def test_the_city_has_46_kelurahan_in_three_kecamatan() -> None:
    assert Counter(each.kecamatan for each in KELURAHAN.values()) == {"Mojoroto": 14, "Kota": 17, "Pesantren": 15}
    assert len({each.nama for each in KELURAHAN.values()}) == 46
    for code, kelurahan in KELURAHAN.items():
        assert check(KodeWilayah, code) == kelurahan.kode == code
        assert KECAMATAN[code[:8]] == kelurahan.kecamatan


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("35.71.01.1011", "Mojoroto"),
        ("35.71.02.1012", "Banjaran"),
        ("35.71.03.1013", "Pesantren"),
        ("35.71.03.1011", "Tempurejo"),
    ],
)
def test_known_codes_have_their_names(code: str, name: str) -> None:
    assert KELURAHAN[code].nama == name


def test_codes_without_dots_get_them() -> None:
    assert check(KodeWilayah, 3571011001) == check(KodeWilayah, "3571011001") == "35.71.01.1001"
    assert check(KodeDaerah, "3506") == check(KodeDaerah, 3506) == "35.06"
    assert [check(KodeDaerah, code) for code in ("35", "35.71", "35.71.01")] == ["35", "35.71", "35.71.01"]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (KodeWilayah, "3571010001", "ini tampaknya kode BPS; pakai kode Kemendagri (bagian terakhir mulai dari 1001)"),
        (KodeWilayah, "35.71", "harus kode sampai kelurahan (10 angka), misalnya 35.71.01.1001"),
        (KodeWilayah, "Mojoroto", "harus kode wilayah Kemendagri, misalnya 35.71.01.1001"),
        (KodeDaerah, "357", "harus kode wilayah Kemendagri, misalnya 35.71.01.1001"),
        (KodeDaerah, "35.00", "harus kode wilayah Kemendagri, misalnya 35.71 atau 35.71.01.1001"),
        (KodeWilayah, None, "belum diisi"),
    ],
)
def test_refused_codes(kind: object, value: object, text: str) -> None:
    assert refusal(kind, value) == text
