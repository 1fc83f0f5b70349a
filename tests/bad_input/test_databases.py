"""Databases that refuse or do not answer: each source says so in one line, and the others of its adapter go on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.bad_input.offices import DEATH, MOVED, head, into, polled, subscribed
from tests.bad_input.persons import PERSONS, found
from tests.bad_input.town import Command, Town, ask
from tests.servers import server

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("databases")]

COLUMNS = "{ nik = 'nik', tanggal_meninggal = 'tgl' }"
MOVES = "{ nik = 'nik', tanggal_pindah = 'tgl' }"
QUERY = "SELECT id, nik, tgl FROM log"
BAD = ("sandi", "jauh", "kosong")  #: a wrong password, nobody there, no such database
CONSUMER = "kependudukan-penduduk-meninggal-v1"
SECRET = "kata-sandi-lama"  #: a password that no server knows


def wrong_password(url: str) -> str:
    """The URL with a password that the server does not know."""
    return url.replace(f"{server.USER}:{server.PASSWORD}@", f"{server.USER}:{SECRET}@")


def nowhere(url: str) -> str:
    """The URL with a port where nobody listens."""
    return url.replace(f":{urlsplit(url).port}/", ":1/")


def no_database(url: str) -> str:
    """The URL with a database that the server does not have."""
    return f"{url.rpartition('/')[0]}/tidak_ada"


def told(command: Command) -> dict[str, list[str]]:
    """What the log says is wrong, by source or application."""
    lines: dict[str, list[str]] = {}
    for line in command.log.read_text().splitlines():
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("event") in {"source pauses", "stopped", "starts again", "subscription pauses"}:
            about = entry.get("source") or f"{entry['app']} {entry['place']}".removeprefix("dukcapil/siak source-")
            lines.setdefault(about, []).append(entry["error"])
    return lines


@dataclass(frozen=True)
class Kind:
    """A kind of server and its codes."""

    name: str
    refused: str  #: of a wrong password
    unknown: str  #: of a database that does not exist
    away: str  #: what is said of a port where nobody listens


KINDS = [
    Kind("postgresql", "28P01", "3D000", "ConnectionRefusedError"),
    Kind("mariadb", "1045", "1049", "code 2003"),
]


@dataclass(frozen=True)
class Expected:
    """The lines of one kind of server."""

    kind: Kind

    def refused(self, where: str) -> str:
        """Of a wrong password."""
        return f"{where}: the database refuses (code {self.kind.refused}) (check user, password and rights)"

    def unknown(self, where: str) -> str:
        """Of a database that does not exist."""
        what = f"there is no such database (code {self.kind.unknown})"
        return f"{where}: {what} (check database, query, table and columns)"


@pytest.mark.parametrize("kind", KINDS, ids=[each.name for each in KINDS])
async def test_what_is_wrong_is_told_and_the_others_go_on(
    kind: Kind, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    good: server.Database = request.getfixturevalue(kind.name)
    person = PERSONS[0]
    good.sql(
        "CREATE TABLE log (id INTEGER PRIMARY KEY, nik VARCHAR(20), tgl VARCHAR(20), nama VARCHAR(100));"
        "CREATE TABLE tujuan (nik VARCHAR(20) PRIMARY KEY, tgl DATE);"
        f"INSERT INTO log VALUES (1, '{person.nik}', '2026-03-15', '{person.nama}')"
    )
    urls = {
        "BAIK_URL": good.url,
        "SANDI_URL": wrong_password(good.url),
        "JAUH_URL": nowhere(good.url),
        "KOSONG_URL": no_database(good.url),
    }
    async with Town(tmp_path, BUS_LOG_LEVEL="DEBUG", **urls) as town:
        town.office(
            head("dukcapil", "siak")
            + polled("baik", "env:BAIK_URL", QUERY, DEATH, COLUMNS)
            + "".join(polled(name, f"env:{name.upper()}_URL", QUERY, MOVED, MOVES) for name in BAD)
        )
        for name in ("baik", *BAD):
            target = into(f"env:{name.upper()}_URL", "tujuan", "{ nik = 'nik', tgl = 'tanggal_meninggal' }")
            town.office(head("dinkes", name) + subscribed(DEATH, ["nik", "tanggal_meninggal"], target))
        await town.start()
        adapters = town.command("all", "run", town.departments)
        await adapters.start()
        await town.until(lambda: len(good.sql("SELECT nik FROM tujuan")) == 1, "the good target has the good row")
        await town.until(lambda: len(told(adapters)) == 2 * len(BAD), "every fault is told")
        code, lines = await adapters.stop(), told(adapters)
        said = adapters.log.read_text()
        letters = await town.dead_letters()

    assert code == 2  # for what only a person can repair
    expected = Expected(kind)
    assert lines["sandi"] == [expected.refused("dukcapil/siak source.sandi")]
    assert lines["kosong"] == [expected.unknown("dukcapil/siak source.kosong")]
    assert kind.away in lines["jauh"][0]
    assert len(lines["jauh"]) == 1  # tried again and again, told once
    assert lines[f"dinkes/sandi {CONSUMER}"] == [expected.refused("dinkes/sandi database")]
    assert lines[f"dinkes/kosong {CONSUMER}"] == [expected.unknown("dinkes/kosong database")]
    assert kind.away in lines[f"dinkes/jauh {CONSUMER}"][0]
    assert f"bus: {expected.refused('dinkes/sandi database')}" in said.splitlines()
    assert not letters  # nothing is wrong with the data
    for word in (SECRET, "Traceback", "unexpected"):
        assert word not in said
    assert not found(said, PERSONS)


@pytest.mark.parametrize("kind", KINDS, ids=[each.name for each in KINDS])
async def test_a_dry_run_ends_with_the_right_code(kind: Kind, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    good: server.Database = request.getfixturevalue(kind.name)
    urls = {"SANDI_URL": wrong_password(good.url), "JAUH_URL": nowhere(good.url), "KOSONG_URL": no_database(good.url)}
    for name in BAD:
        folder = tmp_path / "dukcapil" / name
        folder.mkdir(parents=True)
        source = polled("log", f"env:{name.upper()}_URL", QUERY, DEATH, COLUMNS)
        (folder / "adapter.toml").write_text(head("dukcapil", name) + source)
    everything = await ask("run", tmp_path, "--dry-run", **urls)
    alone = await ask("run", tmp_path / "dukcapil" / "sandi", "--dry-run", **urls)
    expected = Expected(kind)
    away, unknown, refused = everything.lines
    assert everything.code == 3
    assert away.startswith("bus: dukcapil/jauh source.log: the database does not answer (")
    assert unknown == f"bus: {expected.unknown('dukcapil/kosong source.log')}"
    assert refused == f"bus: {expected.refused('dukcapil/sandi source.log')}"
    assert (alone.code, alone.lines) == (2, [refused])
