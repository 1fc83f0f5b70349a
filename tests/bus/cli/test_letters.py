"""``bus dlq``: listing without values, showing with them on demand, sending again to one place alone."""

from __future__ import annotations

from typing import Any

import pytest

from .office import PLACE, REFUSED_ON, Office, eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def letters(office: Office, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await office.json("dlq", "list", *arguments)
    return found


async def new_letter(office: Office, nik: str, day: str) -> tuple[int, dict[str, Any]]:
    """A row that becomes a dead letter: its number and the dead letter."""
    known = {each["id"] for each in await letters(office, "--all")}
    row = office.register.dies(nik, day)
    found = await eventually(
        lambda: letters(office, "--all"), lambda all_: any(each["id"] not in known for each in all_)
    )
    return row, next(each for each in found if each["id"] not in known)


async def state(office: Office, letter_id: str) -> dict[str, Any]:
    return next(each for each in await letters(office, "--all") if each["id"] == letter_id)


async def test_the_list_says_why_in_a_clerks_words_without_values(office: Office) -> None:
    found = await letters(office)
    reasons = {(each["app"], each["place"], each["reason"]) for each in found}
    assert ("dukcapil/siak", "source-mutasi", "kolom nik: harus 16 angka, ada 15") in reasons
    assert ("dinsos/bansos", PLACE, "tabel penerima belum siap") in reasons
    assert {each["state"] for each in found} <= {"open", "redriven"}
    text = (await office.bus("dlq", "list")).stdout
    assert "tabel penerima belum siap" in text
    assert "35710101015500" not in text


async def test_on_80_columns_ids_and_applications_can_be_copied(office: Office, on_80_columns: None) -> None:
    found = await letters(office)
    lines = (await office.bus("dlq", "list")).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for each in found:
        [at] = [number for number, line in enumerate(lines) if line.startswith(f"{each['id'][:10]}  ")]
        assert each["app"] in lines[at].split()
        assert lines[at + 1].split()[0] == each["place"]
        assert each["reason"] in " ".join(" ".join(lines[at + 1 : at + 3]).split())


async def test_the_list_is_narrowed_by_application_and_place(office: Office) -> None:
    assert {each["app"] for each in await letters(office, "--app", "dinsos/bansos")} == {"dinsos/bansos"}
    assert {each["kind"] for each in await letters(office, "--place", "source-mutasi")} == {"record"}
    assert await letters(office, "--app", "dinsos/bansos", "--place", "source-mutasi") == []
    assert "older ones with --limit 0" in (await office.bus("dlq", "list", "--all", "--limit", "1")).stdout


async def test_values_are_shown_only_when_asked_for(office: Office) -> None:
    record = (await letters(office, "--place", "source-mutasi"))[0]
    quiet = (await office.bus("dlq", "show", record["id"][:9])).output
    assert "harus 16 angka" in quiet
    assert "357101" not in quiet
    loud = await office.json("dlq", "show", record["id"], "--values")
    assert set(loud["columns"]) == {"nik", "tgl"}
    event = (await letters(office, "--app", "dinsos/bansos", "--all"))[0]
    body = (await office.json("dlq", "show", event["id"], "--values"))["body"]
    assert body["tanggal_meninggal"] == REFUSED_ON
    assert body["nik"] in (await office.bus("dlq", "show", event["id"], "--values")).stdout


async def test_a_dry_run_sends_nothing(office: Office) -> None:
    letter = (await letters(office, "--place", "source-mutasi"))[0]
    text = (await office.bus("dlq", "redrive", letter["id"], "--dry-run")).stdout
    assert "redrive.dukcapil.siak.source-mutasi" in text
    assert "nothing was" in text
    would = await office.json("dlq", "redrive", "--app", "dukcapil/siak", "--dry-run")
    assert letter["id"] in {each["id"] for each in would["would_send"]}
    assert (await state(office, letter["id"]))["redrive"] is None


async def test_a_repaired_record_is_read_again(office: Office) -> None:
    row, letter = await new_letter(office, "35710101015", "2026-03-02")
    back = await office.json("dlq", "redrive", letter["id"], "--reason", "coba lagi", "--author", "Rini")
    assert [each["id"] for each in back["sent"]] == [letter["id"]]
    refused = await eventually(lambda: state(office, letter["id"]), lambda it: it["state"] == "back")
    assert (refused["redrive"]["author"], refused["redrive"]["reason"]) == ("Rini", "coba lagi")
    again = refused["came_back"]
    assert (await state(office, again))["again"] == letter["id"]
    office.register.corrects(row, "3571010101550021")
    await office.bus("dlq", "redrive", again, "--reason", "NIK diperbaiki")
    await eventually(lambda: state(office, again), lambda it: it["state"] == "read-again")
    assert again not in {each["id"] for each in await letters(office)}


async def test_a_repaired_application_applies_what_it_refused(office: Office) -> None:
    _, letter = await new_letter(office, "3571010101550031", REFUSED_ON)
    assert (letter["app"], letter["kind"]) == ("dinsos/bansos", "event")
    office.repair()
    try:
        arguments = ("--app", "dinsos/bansos", "--place", PLACE, "--reason", "tabel sudah ada", "--rate", "500")
        text = (await office.bus("dlq", "redrive", *arguments)).stdout
        assert "sent; `bus dlq list --all` shows what becomes of them" in text
        applied = await eventually(lambda: state(office, letter["id"]), lambda it: it["state"] == "applied")
        assert applied["event_id"] == letter["event_id"]
        found = await office.json("where", letter["event_id"])
        assert {each["app"]: each["standing"] for each in found["stations"]}["dinsos/bansos"] == "applied"
        assert [each["source"] for each in found["follow_ups"]] == ["dinsos/bansos"]
        assert "no open dead letter is meant" in (await office.bus("dlq", "redrive", *arguments)).stdout
    finally:
        office.repair(done=False)


async def test_a_discarded_event_is_not_applied(office: Office) -> None:
    _, letter = await new_letter(office, "3571010101550041", REFUSED_ON)
    would = await office.bus("dlq", "redrive", letter["id"], "--discard", "--dry-run")
    assert "1 of 1 would be discarded" in would.stdout
    told = await office.bus("dlq", "redrive", letter["id"], "--reason", "salah catat", "--discard")
    assert told.stdout.startswith("1 to be discarded; ")
    discarded = await eventually(lambda: state(office, letter["id"]), lambda it: it["state"] == "discarded")
    assert discarded["redrive"]["discard"] is True
    assert (await office.json("where", letter["event_id"]))["follow_ups"] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--reason", "x"), "name dead letters, or an application"),
        (("ffff", "--app", "dinsos/bansos", "--reason", "x"), "name dead letters, or an application"),
        (("ffffffff", "--reason", "x"), "no such dead letter"),
        (("--app", "dinsos/bansos"), "no reason"),
        (("--app", "bansos", "--reason", "x"), "write OPD/APP"),
        (("--app", "dinsos/bansos", "--reason", "NIK 3571 0101 0155 0041"), "numbers of persons do not belong here"),
        (("--app", "dinsos/bansos", "--reason", "a\nb: c"), "line breaks"),
    ],
)
async def test_a_wrong_order_sends_nothing(office: Office, arguments: tuple[str, ...], says: str) -> None:
    result = await office.bus("dlq", "redrive", *arguments, code=2)
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


async def test_an_application_may_not_redrive(office: Office) -> None:
    letter = (await letters(office, "--place", "source-mutasi"))[0]
    result = await office.bus(
        *("dlq", "redrive", letter["id"], "--reason", "x"),
        code=2,
        BUS_NATS_URL=office.url,
        BUS_CREDENTIAL=str(office.home / "creds/dukcapil.siak.creds"),
    )
    assert "this credential is another one's" in result.stderr
