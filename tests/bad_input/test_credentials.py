"""Credentials that are none, or another one's: one line, exit code 2, at once, and whoever has a right one goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from bus.contracts import load_all
from bus.security import credentials, trust
from bus.security.credentials import Role
from bus.subjects import AppName
from tests.bad_input import offices
from tests.bad_input.persons import PERSONS
from tests.bad_input.town import Command, Outcome, Town
from tests.bad_input.wrong import deaths

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("credentials"),
    pytest.mark.asyncio(loop_scope="module"),
]

SIAK, BANSOS = AppName("dukcapil", "siak"), AppName("dinsos", "bansos")
NONE = "not a NATS credential"
MAKE = "(`bus app credentials OPD/APP` makes it)"
BEGIN = "(start `bus up` again; where none runs: `bus streams apply`, then `bus app credentials OPD/APP`)"
REFUSED = "the server refuses the credential (is it this server's, and not revoked?)"


@dataclass
class Office:
    """A running city, and files that are credentials or not."""

    town: Town
    folder: Path
    good: Command  #: an adapter with the right one

    async def run(self, name: str, credential: Path) -> Outcome:
        """`bus run` with a credential."""
        return await self.town.ask("run", self.town.departments / name, BUS_CREDENTIAL=str(credential))

    @property
    def right(self) -> str:
        """The text of siak's credential."""
        return credentials.path(self.town.home, SIAK).read_text()

    def file(self, text: str) -> Path:
        """A file that is meant as a credential."""
        path = self.folder / f"{len(list(self.folder.iterdir()))}.creds"
        path.write_text(text)
        path.chmod(0o600)
        return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """A city in which one adapter works all the time."""
    folder = tmp_path_factory.mktemp("credentials")
    siak, bansos = offices.siak(folder), offices.bansos(folder)
    async with Town(folder, SIAK_URL=siak.url, BANSOS_URL=bansos.url) as town:
        town.office(offices.head("dukcapil", "siak") + deaths())
        town.office(offices.BANSOS, offices.STOP_AID)
        await town.start()
        good = town.run("dukcapil/siak")
        await good.start()
        files = folder / "files"
        files.mkdir()
        office = Office(town, files, good)
        yield office
        before = await town.stored("OPD_DUKCAPIL")
        siak.add("log", offices.death(1, PERSONS[0]))

        async def published() -> bool:
            return await town.stored("OPD_DUKCAPIL") > before + 1

        await town.until(published, "the adapter with the right credential still publishes")
        assert await good.stop() == 0


async def test_another_citys_credential(office: Office) -> None:
    other = office.folder / "other"
    trust.establish(other)
    credentials.issue(other, load_all([office.town.departments]))
    outcome = await office.run("dukcapil/siak", credentials.path(other, SIAK))
    assert outcome.code == 2
    assert outcome.lines[-1] == f"bus: {office.town.url}: {REFUSED}"
    asked = await office.town.ask(
        "status", BUS_NATS_URL=office.town.url, BUS_CREDENTIAL=str(credentials.path(other, Role.OPS))
    )
    assert (asked.code, asked.lines[-1]) == (2, f"bus: {office.town.url}: {REFUSED}")


@pytest.mark.parametrize(("name", "owner"), [("dukcapil/siak", BANSOS), ("dinsos/bansos", SIAK)])
async def test_another_applications_credential(office: Office, name: str, owner: AppName) -> None:
    outcome = await office.run(name, credentials.path(office.town.home, owner))
    assert outcome.lines == [f"bus: {name}: this credential is another one's (see BUS_CREDENTIAL)"]
    assert outcome.code == 2


async def test_an_applications_credential_is_not_operations(office: Office) -> None:
    credential = str(credentials.path(office.town.home, BANSOS))
    outcome = await office.town.ask("status", BUS_NATS_URL=office.town.url, BUS_CREDENTIAL=credential)
    assert (outcome.code, outcome.lines) == (2, ["bus: bus ops: this credential is another one's (see BUS_CREDENTIAL)"])


async def test_a_credential_that_is_not_there(office: Office) -> None:
    path = office.folder / "tidak-ada.creds"
    outcome = await office.run("dukcapil/siak", path)
    assert (outcome.code, outcome.lines) == (2, [f"bus: {path}: no such credential {BEGIN}"])


async def test_a_file_that_is_no_credential(office: Office) -> None:
    path = office.file("kata sandi: rahasia")
    outcome = await office.run("dukcapil/siak", path)
    assert (outcome.code, outcome.lines) == (2, [f"bus: {path}: {NONE} {MAKE}"])


async def test_a_credential_whose_seed_is_damaged(office: Office) -> None:
    before, mark, after = office.right.partition("-----BEGIN USER NKEY SEED-----\n")
    path = office.file(before + mark + "SUAAAA" + after[6:20] + "\n" + "\n".join(after.splitlines()[1:]))
    outcome = await office.run("dukcapil/siak", path)
    assert outcome.code == 2
    assert outcome.lines[-1] == f"bus: {path}: {NONE}: its seed is damaged {MAKE}"


async def test_a_credential_whose_permissions_were_edited(office: Office) -> None:
    lines = office.right.splitlines()
    lines[1] = lines[1][:-4] + ("AAAA" if lines[1][-4:] != "AAAA" else "BBBB")  # the signature's end
    outcome = await office.run("dukcapil/siak", office.file("\n".join(lines)))
    assert (outcome.code, outcome.lines[-1]) == (2, f"bus: {office.town.url}: {REFUSED}")


async def test_a_server_that_does_not_answer(office: Office) -> None:
    outcome = await office.town.ask("status", BUS_NATS_URL="nats://127.0.0.1:1")
    assert outcome.code == 3
    assert outcome.lines == ["bus: nats://127.0.0.1:1: no NATS server answers (start `bus up`, or set BUS_NATS_URL)"]
