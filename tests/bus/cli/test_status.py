"""``bus status``: what a person sees, what a script gets, and what neither may see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from bus.cli import status
from bus.cli.standing import City, Instance
from bus.observability.index import AppTotals

from .office import DIED, PLACE, STOPPED, Office, eventually

ERROR = "dukcapil/siak source.mutasi: the database does not answer (is it reachable?)"

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_all_applications_stand_in_one_table(office: Office) -> None:
    text = (await office.bus("status")).stdout
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert {"bppkad/pajak", "dinsos/bansos", "dukcapil/siak"} <= rows.keys()
    assert rows["dukcapil/siak"].split()[-1].isdigit()
    assert rows["bppkad/pajak"].split() == ["bppkad/pajak", "no", "instance", "is", "running"]


async def test_a_script_gets_numbers(office: Office) -> None:
    found = {each["app"]: each for each in await office.json("status")}
    assert found["dukcapil/siak"]["published"] >= 2
    assert found["dukcapil/siak"]["active"] is True
    assert found["dukcapil/siak"]["dead_letters"] >= 1
    assert found["dinsos/bansos"]["follow_ups"] >= 1
    assert found["bppkad/pajak"]["active"] is False
    assert found["bppkad/pajak"]["pending"] >= 2
    assert found["bppkad/pajak"]["oldest_ms"] <= found["dukcapil/siak"]["last_published_ms"]


async def test_an_owner_sees_who_applied_it_and_what_was_rejected(office: Office) -> None:
    found = await eventually(
        lambda: office.json("status", "dukcapil/siak"),
        lambda it: (it["places"] or {}).get("source-mutasi", {}).get("position"),
    )
    assert [each["type"] for each in found["types"]] == [DIED]
    assert {"app": "dinsos/bansos", "outcome": "applied"}.items() <= found["applied_by"][0].items()
    late = {each["app"]: each for each in found["receivers"]}
    assert late["bppkad/pajak"]["events"] >= 2
    assert any(each["reason"] == "kolom nik: harus 16 angka, ada 15" for each in found["rejected"])
    mutasi = found["places"]["source-mutasi"]
    assert mutasi["last_read"]
    assert mutasi["waiting"] == 0
    assert mutasi["position"]
    text = (await office.bus("status", "dukcapil/siak")).stdout
    assert "harus 16 angka, ada 15" in text
    assert "bppkad/pajak" in text
    assert "357101010155" not in text
    assert ["source-mutasi", mutasi["position"], "0"] in [line.split()[:3] for line in text.splitlines()]


async def test_how_far_behind_a_source_is_and_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    says = {"position": "0/16B3748", "waiting": 4711, "or_more": False, "oldest": hour_ago}
    says |= {"last_problem": ERROR, "last_problem_at": hour_ago, "problem": ""}
    places = {"source-mutasi": says, "sub-lain": {}, "source-penduduk": says | {"waiting": 10_000, "or_more": True}}
    status._sources(SimpleNamespace(app="dukcapil/siak", instance=SimpleNamespace(places=places)))

    head, row, more = capsys.readouterr().out.strip().splitlines()[-3:]
    assert more.split()[:3] == ["source-penduduk", "0/16B3748", "10,000+"]
    assert [name for name in ("READ UP TO", "TO READ", "LAG", "LAST ERROR") if name not in head] == []
    assert row.split()[:3] == ["source-mutasi", "0/16B3748", "4,711"]
    assert row.count("1 h") == 2
    assert row.rstrip().endswith("the database does not answer (is it reachable?)")
    assert "dukcapil/siak" not in row


@pytest.mark.parametrize(
    ("waiting", "problem", "read", "shown"),
    [(0, ERROR, "09:59", "-"), (35, ERROR, "09:59", "35+"), (0, "", "09:59", "0"), (0, ERROR, "10:01", "0")],
)
async def test_a_source_that_is_read_no_more_does_not_say_that_nothing_waits(
    waiting: int, problem: str, read: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    says = {"position": "0/16B3748", "waiting": waiting, "or_more": False, "oldest": "", "last_problem": ERROR}
    says |= {"problem": problem, "last_read": f"2026-03-01T{read}Z", "last_problem_at": "2026-03-01T10:00Z"}
    places = {"source-mutasi": says}
    status._sources(SimpleNamespace(app="dukcapil/siak", instance=SimpleNamespace(places=places)))

    assert capsys.readouterr().out.splitlines()[-1].split()[:3] == ["source-mutasi", "0/16B3748", shown]


async def test_on_80_columns_every_application_has_a_line_and_every_problem_is_below(
    on_80_columns: None, capsys: pytest.CaptureFixture[str]
) -> None:
    siak, penertiban, simrs = apps = ["dukcapil/siak", "satpolpp/penertiban", "rsud/simrs"]
    refused = "dinas/tabel: the user may not read the table (its owner grants SELECT on it to the user of the bus)"
    places = {"source-mutasi": {"problem": ERROR}, PLACE: {"problem": refused}, "source-lain": {"problem": ""}}
    instances = {
        siak: Instance("a", 1_234_567, 0, places),
        penertiban: Instance("b", 12, 0, {"source-mutasi": {"problem": ""}}),
    }
    totals = {app: AppTotals(app, 1_234_567, 0, 0, 1_234_567, 1_234) for app in apps}
    status._all(City(SimpleNamespace(), totals, instances, []), as_json=False)  # type: ignore[arg-type]

    table, _, below = capsys.readouterr().out.partition("\n\n")
    rows = [line.split() for line in table.splitlines()]
    assert max(map(len, (*table.splitlines(), *below.splitlines()))) <= 80
    assert [row[0] for row in rows[2:]] == sorted(apps)
    assert [row[-1] for row in rows] == ["PID", rows[1][0], "1234567", "-", "12"]
    said = " ".join(below.split())
    assert f"{siak} source-mutasi: the database does not answer (is it reachable?) {siak} {PLACE}: {refused}" in said
    assert said.endswith(f"{simrs} no instance is running")
    assert penertiban not in said


async def test_on_80_columns_an_owner_can_copy_places_and_ids(office: Office, on_80_columns: None) -> None:
    ids = {each["id"][:10] for each in (await office.json("status", "dinsos/bansos"))["rejected"]}
    lines = (await office.bus("status", "dinsos/bansos")).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert {PLACE, *ids} <= {word for line in lines for word in line.split()}


async def test_a_subscribers_places_show_what_waits(office: Office) -> None:
    found = await eventually(
        lambda: office.json("status", "dinsos/bansos"), lambda it: it["places"] and PLACE in it["places"]
    )
    assert [each["type"] for each in found["types"]] == [STOPPED]
    assert PLACE in (await office.bus("status", "dinsos/bansos")).stdout


async def test_an_unknown_application_is_named_with_those_that_exist(office: Office) -> None:
    result = await office.bus("status", "dinkes/epuskesmas", code=2)
    assert "dinkes/epuskesmas: this bus knows no such application" in result.stderr
    assert "dukcapil/siak" in result.stderr
    assert "write OPD/APP" in (await office.bus("status", "siak", code=2)).stderr


async def test_without_a_bus_it_says_how_to_start_one(office: Office, tmp_path: Path) -> None:
    result = await office.bus("status", code=3, BUS_HOME=str(tmp_path))
    assert result.stderr.count("\n") == 1
    assert "start `bus up`" in result.stderr


async def test_an_external_server_is_asked_with_a_credential(office: Office, tmp_path: Path) -> None:
    """Nobody feeds an index in that home: it is read from the streams first."""
    settings = {"BUS_NATS_URL": office.url, "BUS_CREDENTIAL": str(office.home / "creds/ops.creds")}
    found = await office.json("status", BUS_HOME=str(tmp_path), **settings)
    assert {each["app"]: each["published"] for each in found}["dukcapil/siak"] >= 2
    again = await office.json("status", BUS_HOME=str(tmp_path), **settings)
    assert {each["app"]: each["applied"] for each in again}["dinsos/bansos"] >= 1
