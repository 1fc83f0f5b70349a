"""sftp_put against a real SSH server: the suite of sinks, and killed at each of its own steps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncssh
import pytest

from adapters.connectors.sftp_put import SftpPlace, SftpPut, SftpPutConfig
from bus.envelope import Event
from bus.errors import AccessError, ConfigError, Unavailable
from bus.ports import Context, Delivery, Sink
from bus.subjects import AppName
from bus.testing import SinkApplication
from bus.testing.events import BarisBerubah
from tests.adapters.connectors.daily_application import COLUMNS, DailyContract, Readers, dying
from tests.servers.openssh import SftpFolder
from tests.servers.proxy import Proxy

STEPS = [("read", "before"), ("remove", "before"), ("names", "before")]
STEPS += [(step, when) for step in ("write", "append", "replace") for when in ("before", "after")]
CONTEXT = Context(AppName("satpolpp", "penertiban"), "izin", Path(), ZoneInfo("Asia/Jakarta"))


class Fetchers(Readers):
    """Readers who fetch their lists from a server."""

    def __init__(self, sftp: SftpFolder, way: Proxy, monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
        super().__init__(sftp.path / "hasil", monkeypatch)
        sftp.own(self.folder)
        self._sftp, self._way, self._pattern = sftp, way, pattern

    def sink(self, **options: Any) -> SftpPut:
        given = {
            "folder": f"{self._way.url(self._sftp.url)}/hasil",
            "host_key": self._sftp.host_key,
            "user_key": f"file:{self._sftp.user_key}",
            "pattern": self._pattern,
            "columns": COLUMNS,
            **options,
        }
        return SftpPut(SftpPutConfig.model_validate(given), CONTEXT)

    def stranger(self) -> Sink:
        self._sftp.server.make_key("stranger")
        return self.sink(user_key=f"file:{self._sftp.server.folder / 'stranger'}")

    async def away(self) -> None:
        await self._way.refuse()

    async def back(self) -> None:
        await self._way.accept()

    async def kill(self) -> bool:
        await asyncio.to_thread(self._sftp.server.kill)
        return True

    async def start(self) -> None:
        await asyncio.to_thread(self._sftp.server.start)

    async def disturb(self) -> bool:
        await self._way.disturb()
        return True

    async def calm(self) -> None:
        await self._way.calm()

    def suffered(self) -> int:
        return self._way.suffered()


@pytest.fixture
async def readers(
    sftp: SftpFolder, proxy: Callable[[int], Awaitable[Proxy]], monkeypatch: pytest.MonkeyPatch
) -> Fetchers:
    return Fetchers(sftp, await proxy(sftp.server.port), monkeypatch, "izin-{tanggal}.csv")


class TestSftpPut(DailyContract):
    @pytest.fixture
    async def application(self, readers: Fetchers) -> SinkApplication:
        return readers


def delivery(number: int, nilai: str = "isi") -> Delivery:
    event = Event(id=f"{number:032x}", source="/x", type="x", subject="s", time="2026-01-31T08:00:00+07:00", data=b"")
    data = BarisBerubah(kunci="k", nilai=nilai)
    return Delivery(event, data, frozenset({"kunci", "nilai"}), "OPD_X", number)


async def apply(sink: SftpPut, *deliveries: Delivery) -> None:
    try:
        await sink.open()
        await sink.apply(deliveries, None)
    finally:
        await sink.close()


@pytest.mark.parametrize(("step", "when"), STEPS)
async def test_killed_at_each_step_no_row_is_there_twice_and_none_is_missing(
    readers: Fetchers, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    await apply(readers.sink(), delivery(1), delivery(2))
    for dies_at in range(1, 5):
        batch = [delivery(2), delivery(10 * dies_at), delivery(10 * dies_at + 1)]
        with dying(monkeypatch, SftpPlace, step, when, dies_at):
            await apply(readers.sink(), *batch)
        assert len(readers.lines()) in {2 * dies_at, 2 * dies_at + 2}
        await apply(readers.sink(), *batch)

    ids = [1, 2, *(10 * n + m for n in range(1, 5) for m in (0, 1))]
    assert await readers.writes() == [f"{number:032x}" for number in ids]
    assert [path.name for path in readers.folder.iterdir() if path.name.endswith(".tmp")] == []


async def test_a_workbook_grows_and_what_people_added_stays(readers: Fetchers) -> None:
    for number in (1, 2):
        await apply(readers.sink(pattern="izin-{tanggal}.xlsx"), delivery(1), delivery(number))
    assert await readers.writes() == [f"{number:032x}" for number in (1, 2)]
    assert {path.name for path in readers.folder.glob("*.xlsx")} == {"izin-2026-01-31.xlsx"}


async def test_a_server_that_cannot_replace_at_once_is_told(readers: Fetchers, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unsupported(*_: object) -> None:
        raise asyncssh.SFTPOpUnsupported("no")

    with monkeypatch.context() as patched:
        patched.setattr(asyncssh.SFTPClient, "posix_rename", unsupported)
        with pytest.raises(ConfigError, match="cannot replace a file at once"):
            await apply(readers.sink(), delivery(1))
    assert readers.lines() == []
    await apply(readers.sink(), delivery(1))
    assert len(readers.lines()) == 1


async def test_a_folder_that_is_not_there_not_ours_or_goes(readers: Fetchers, sftp: SftpFolder) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        await apply(readers.sink(folder=f"{sftp.url}/tidak-ada"))
    with pytest.raises(ConfigError, match="for a folder of this machine there is file_write"):
        await apply(readers.sink(folder=str(readers.folder)))
    readers.folder.chmod(0o500)
    with pytest.raises(AccessError, match="the folder may not be used"):
        await apply(readers.sink(), delivery(1))
    readers.folder.chmod(0o700)
    sink = readers.sink()
    await sink.open()
    readers.folder.rename(sftp.path / "dilepas")
    with pytest.raises(Unavailable, match="the folder is gone"):
        await sink.apply([delivery(1)], None)
    (sftp.path / "dilepas").rename(readers.folder)
    await sink.apply([delivery(1)], None)
    await sink.close()
    assert len(readers.lines()) == 1


async def test_another_host_key_stops_it(readers: Fetchers) -> None:
    with pytest.raises(AccessError, match="not with `host_key`"):
        await apply(readers.sink(host_key=f"SHA256:{'x' * 43}"), delivery(1))


def test_the_fields_that_it_needs_are_those_of_its_columns() -> None:
    config = SftpPutConfig(folder="env:X", pattern="{tanggal}.csv", columns=COLUMNS)
    assert SftpPut.needs(config) == {"kunci", "nilai"}
