"""Nothing of any person is seen outside of bodies: not in logs, spans, subjects, headers, names, errors or answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.bad_input.day import Day
from tests.bad_input.persons import GUEST, HIDDEN, PERSONS, PLANTED, Person, found

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("bad_day")]

BODIES = ("dlq.", "opd.")  #: subjects of dead letters and events, whose bodies are what they are for


def outputs(day: Day) -> dict[str, str]:
    """What every process said, at DEBUG level."""
    return day.outputs


def spans(day: Day) -> dict[str, str]:
    """Every span: names, attributes, events, links, status texts, resources."""
    return {"spans": day.traced}


def subjects(day: Day) -> dict[str, str]:
    """Every subject, and every consumer with its filters."""
    return {"subjects": "\n".join(each.subject for each in day.messages), "consumers": "\n".join(day.consumers)}


def headers(day: Day) -> dict[str, str]:
    """Every message's headers."""
    return {f"{each.subject} {number}": str(each.headers) for number, each in enumerate(day.messages)}


def other_bodies(day: Day) -> dict[str, str]:
    """Cursors, leases, receipts, advisories."""
    return {
        each.subject: each.body.decode(errors="replace")
        for each in day.messages
        if not each.subject.startswith(BODIES) or ".cursor." in each.subject
    }


def answers(day: Day) -> dict[str, str]:
    """What the commands of operations answer."""
    return {name: answer.out + answer.err for name, answer in day.answers.items()}


def reasons(day: Day) -> dict[str, str]:
    """What dead letters say beside the body: reason, place and key token."""
    return {each.id: f"{each.reason} {each.where} {each.key_token} {each.subject}" for each in day.letters}


def files(day: Day) -> dict[str, str]:
    """What the bus leaves on the disk: ledgers, journals, the index, the server's log, reports."""
    return day.files


PLACES: list[Callable[[Day], dict[str, str]]] = [
    outputs,
    spans,
    subjects,
    headers,
    other_bodies,
    answers,
    reasons,
    files,
]


def leaks(texts: dict[str, str], persons: list[Person]) -> dict[str, list[str]]:
    """Where something of these persons stands."""
    return {where: traces for where, text in texts.items() if (traces := found(text, persons))}


@pytest.mark.parametrize("place", PLACES, ids=[each.__name__ for each in PLACES])
def test_nobody_is_seen(day: Day, place: Callable[[Day], dict[str, str]]) -> None:
    texts = place(day)
    assert any(texts.values())
    assert leaks(texts, HIDDEN) == {}


def test_what_is_planted_is_found(day: Day) -> None:
    logged = leaks(outputs(day), [PLANTED])
    assert len(logged) == 2  # in JSON before noon, as text after
    assert all({PLANTED.nama, PLANTED.alamat} <= set(traces) for traces in logged.values())
    assert PLANTED.nama in leaks(spans(day), [PLANTED])["spans"]
    assert any(PLANTED.nama in traces for traces in leaks(headers(day), [PLANTED]).values())


@pytest.mark.parametrize("person", PERSONS, ids=[each.nik for each in PERSONS])
def test_every_person_is_there_to_be_found(day: Day, person: Person) -> None:
    bodies = "\n".join(each.body.decode(errors="replace") for each in day.messages)
    letters = "\n".join(each.data.decode(errors="replace") for each in day.letters)
    traces = set(found(bodies + letters, [person]))
    assert {person.nik, person.nama} <= traces


def test_what_a_foreign_client_puts_into_a_header_goes_no_further(day: Day) -> None:
    (where,) = leaks(headers(day), [GUEST])
    assert "TOKENASING" in where  # its own message, and that alone
    for place in PLACES:
        if place is not headers:
            assert leaks(place(day), [GUEST]) == {}, place.__name__


def test_the_search_sees_every_way_of_writing() -> None:
    person = PERSONS[0]
    year, month, day = person.lahir.split("-")
    for text in (
        f'"nik": {person.nik}',
        f"detail: Key (nik)=({person.nik}) already exists",
        person.nama.upper(),
        f"tidak ada {person.nama.split()[1].lower()}.",
        f"[type=string, input_value='{person.alamat}']",
        f"datetime.date({year}, {int(month)}, {int(day)})",
        f"+62 {person.telepon}",
    ):
        assert found(text, [person]), text
    assert not found("2026-03-15 wiro sableng 357101", [person])


def test_the_answers_were_given(day: Day) -> None:
    codes = {name: answer.code for name, answer in day.answers.items()}
    assert {name for name, code in codes.items() if code} == {"where --key, short", "where, no event"}
    assert "10 events about the key" in day.answers["where --key"].out
    assert "harus 16 angka, ada 15" in day.answers["where --key, short"].err
    assert "the handler failed (ValueError)" in day.answers["dlq show event"].out
