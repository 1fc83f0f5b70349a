"""The residents are the same for the same seed, and their identifiers are possible ones."""

from __future__ import annotations

from datetime import date

from pydantic import TypeAdapter

from adapters.demo.city import RESIDENTS, build
from schemas.types import KodeWilayah, Nik, NoKk
from schemas.wilayah import KELURAHAN

TODAY = date(2026, 3, 2)


def test_two_thousand_residents_with_possible_identifiers() -> None:
    city = build(today=TODAY)
    nik, no_kk, code = TypeAdapter[str](Nik), TypeAdapter[str](NoKk), TypeAdapter[str](KodeWilayah)

    assert len(city.residents) >= RESIDENTS
    assert [each.id for each in city.residents] == list(range(1, len(city.residents) + 1))
    for person in city.residents:
        assert nik.validate_python(person.nik) == person.nik
        assert code.validate_python(person.cluster.code) in KELURAHAN
        assert person.born < TODAY
    for household in city.households:
        assert no_kk.validate_python(household.number) == household.number
    assert len({each.nik for each in city.residents}) == len(city.residents)
    assert len({each.number for each in city.households}) == len(city.households)


def test_the_nik_of_a_woman_has_her_day_raised_by_forty() -> None:
    person = next(each for each in build(residents=50, today=TODAY).residents if each.sex == 2)

    assert int(person.nik[6:8]) == person.born.day + 40


def test_equal_seeds_give_equal_cities() -> None:
    assert build(residents=200, today=TODAY).residents == build(residents=200, today=TODAY).residents
    assert build(seed=1, residents=200, today=TODAY).residents != build(residents=200, today=TODAY).residents


def test_who_comes_later_gets_numbers_of_their_own() -> None:
    city = build(residents=50, today=TODAY)
    known = {each.nik for each in city.residents}
    household = city.households[0]

    child, newcomer = city.newborn(household, TODAY), city.newcomer(household, date(1990, 5, 5))

    assert len(known | {child.nik, newcomer.nik}) == len(known) + 2
    assert newcomer.nik.startswith("357801"), "a NIK names the region of first registration"
    assert TypeAdapter[str](Nik).validate_python(newcomer.nik)
