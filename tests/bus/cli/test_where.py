"""``bus where``: one event's way, and everything about a key, whose value nobody gets to see."""

from __future__ import annotations

import pytest

from .office import DIED, PLACE, STOPPED, Office

pytestmark = pytest.mark.asyncio(loop_scope="session")

NIK = "3571010101550001"


async def first(office: Office) -> dict[str, object]:
    """The death that the social office has applied."""
    found = await office.json("where", "--key", f"nik={NIK}")
    return next(each for each in found["events"] if each["type"] == DIED)


async def test_an_event_is_found_by_the_beginning_of_its_id(office: Office) -> None:
    event_id = str((await first(office))["id"])
    found = await office.json("where", event_id[:14])
    assert (found["id"], found["stream"], found["source"]) == (event_id, "OPD_DUKCAPIL", "dukcapil/siak")
    assert found["trace"] == event_id
    stations = {each["app"]: each["standing"] for each in found["stations"]}
    assert stations == {"dinsos/bansos": "applied", "bppkad/pajak": "not yet"}
    assert found["not_yet"] == ["bppkad/pajak"]
    assert [each["type"] for each in found["follow_ups"]] == [STOPPED]


async def test_a_person_sees_the_same(office: Office) -> None:
    text = (await office.bus("where", str((await first(office))["id"]))).stdout
    for words in (DIED, "OPD_DUKCAPIL, sequence", PLACE, "applied", "not yet", "Followed by", STOPPED):
        assert words in text
    assert NIK not in text


async def test_a_refused_event_names_its_dead_letter(office: Office) -> None:
    found = await office.json("where", "--key", "nik=3571010101550002")
    refused = next(each for each in found["events"] if each["type"] == DIED)
    letter = refused["dead_letters"][0]
    assert letter["app"] == "dinsos/bansos"
    assert f"bus dlq show {letter['id'][:10]}" in (await office.bus("where", refused["id"])).stdout


async def test_a_key_is_read_as_the_catalogue_writes_it(office: Office) -> None:
    plain = await office.json("where", "--key", f"nik={NIK}")
    spaced = await office.json("where", "--key", "nik=-", given=" 3571010101550001 \n")
    assert plain["token"] == spaced["token"]
    assert {each["type"] for each in plain["events"]} == {DIED, STOPPED}
    text = (await office.bus("where", "--key", f"nik={NIK}")).output
    assert STOPPED in text
    assert NIK not in text


async def test_nothing_found_is_exit_code_1(office: Office) -> None:
    assert "no such event" in (await office.bus("where", "ffffffffffffffff", code=1)).stderr
    result = await office.bus("where", "--key", "nik=3571010101990009", code=1)
    assert "nothing is known about the key" in result.stderr
    assert "3571010101990009" not in result.output
    assert (await office.json("where", "--key", "nik=3571010101990009", code=1))["events"] == []


async def test_an_ambiguous_beginning_asks_for_more(office: Office) -> None:
    assert "write more of the id" in (await office.bus("where", "", code=2)).stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name an event's id, or --key"),
        (("4f", "--key", "nik=1"), "name an event's id, or --key"),
        (("--key", "3571010101990009"), "KIND=VALUE"),
        (("--key", "ktp=3571010101990009"), "there is"),
        (("--key", "nik=357101010199000"), "harus 16 angka, ada 15"),
    ],
)
async def test_a_wrong_question_gets_one_line_without_the_value(
    office: Office, arguments: tuple[str, ...], says: str
) -> None:
    result = await office.bus("where", *arguments, code=2)
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert "357101010199" not in result.output
