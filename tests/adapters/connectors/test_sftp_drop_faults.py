"""sftp_drop: killed at every step, cut off, refused and out of space; nothing is lost, and one report is there."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from adapters.connectors import sftp as sftp_module
from adapters.connectors.sftp import SftpServer
from adapters.connectors.sftp_folder import RemoteFolder
from adapters.connectors.sftp_reading import DRAFT
from adapters.connectors.sftp_spool import LOCK, Spool
from bus.errors import AccessError, ConfigError, Unavailable
from bus.testing import Crash
from tests.adapters.connectors.office import rows
from tests.adapters.connectors.sftp_bank import Bank, bad, spools
from tests.servers.openssh import SftpFolder
from tests.servers.proxy import Proxy
from tests.servers.server import HOST


@pytest.fixture
def bank(sftp: SftpFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bank:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Bank(sftp)


@pytest.mark.parametrize("when", ["copied", "claimed"])
async def test_a_file_that_changes_under_us_is_read_again_as_a_whole(bank: Bank, when: str) -> None:
    path = bank.drop("a.csv", rows(4))
    source = bank.source(key=["ref"], batch=2)
    await source.open(None)
    batch = await source.read()
    assert batch is not None
    if when == "claimed":
        await source.commit(batch, [])
        batch, path = await source.read(), bank.folder.path / "reading/a.csv"
        assert batch is not None
    path.write_text(rows(6))
    await source.commit(batch, [])
    seen: list[str] = []
    while again := await source.read():
        seen += [record.key for record in again.records]
        await source.commit(again, [])
    assert seen == [f'["R{n}"]' for n in range(1, 7)]
    assert "Baris dibaca  : 6" in bank.report("a.csv")
    await source.close()


@pytest.mark.parametrize("batches", [1, 2, 3, 4])
async def test_killed_before_a_commit_the_report_still_knows_every_row(bank: Bank, batches: int) -> None:
    bank.drop("a.csv", rows(10))
    await bank.run(bank.source(key=["ref"], batch=3), judge=bad("R2"), dies_before_commit=batches)
    await bank.run(bank.source(key=["ref"], batch=3), judge=bad("R2"))
    assert {record.key for record in bank.stored} == {f'["R{n}"]' for n in range(1, 11)}
    assert "Baris dibaca  : 10" in bank.report("a.csv")
    assert "Ditolak       : 1" in bank.report("a.csv")
    assert bank.names("done") == {"a.csv", "a.csv.laporan.txt", "a.ditolak.csv"}
    assert bank.names() | bank.names("reading") == set()


STEPS: list[tuple[type, str, str]] = [(RemoteFolder, name, "before") for name in ("next", "free", "fetch", "unchanged")]
STEPS += [(RemoteFolder, name, when) for name in ("claim", "put", "finish") for when in ("before", "after")]
STEPS += [(SftpServer, "rename", when) for when in ("before", "after")]


@pytest.mark.parametrize(("owner", "step", "when"), STEPS, ids=[f"{when}-{name}" for _, name, when in STEPS])
async def test_killed_around_each_of_its_steps_nothing_is_lost_and_one_report_is_there(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, owner: type, step: str, when: str
) -> None:
    bank.drop("a.csv", rows(5))
    proper = getattr(owner, step)
    for dies_at in range(1, 5):
        calls = 0

        async def dying(self: Any, *arguments: Any, dies_at: int = dies_at, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == dies_at and when == "before":
                raise Crash
            result = await proper(self, *arguments, **options)
            if calls == dies_at:
                raise Crash
            return result

        with monkeypatch.context() as patched:
            patched.setattr(owner, step, dying)
            try:
                await bank.run(bank.source(key=["ref"]), judge=bad("R3"))
            except Crash:
                continue
        break
    await bank.run(bank.source(key=["ref"]), judge=bad("R3"))
    assert {record.key for record in bank.stored} == {f'["R{n}"]' for n in range(1, 6)}
    assert bank.names("done") == {"a.csv", "a.csv.laporan.txt", "a.ditolak.csv"}
    assert bank.names() | bank.names("reading") == set()
    assert "Ditolak       : 1" in bank.report("a.csv")


async def until_copying(tmp_path: Path) -> None:
    """Waits until some, but not all, of a file is here."""
    async with asyncio.timeout(20):
        while not any(copy.stat().st_size for copy in tmp_path.glob(f"bus-sftp-*/*/{DRAFT}")):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("fault", ["cut", "frozen", "killed"])
async def test_a_connection_that_breaks_while_a_file_is_copied(
    bank: Bank,
    proxy: Callable[[int], Awaitable[Proxy]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    monkeypatch.setattr(sftp_module, "LARGEST", 1024)
    way = await proxy(bank.folder.server.port)
    bank.drop("a.csv", rows(20_000))
    source = bank.source(
        key=["ref"], folder=way.url(bank.folder.url), batch=900, timeout=1 if fault == "frozen" else 30
    )
    await source.open(None)
    reading = asyncio.create_task(source.read())
    await until_copying(tmp_path)
    if fault == "cut":
        await way.cut()
    elif fault == "frozen":
        way.freeze()
    else:
        bank.folder.server.kill()
    with pytest.raises(Unavailable, match=rf"{HOST}:{way.port} does not answer"):
        await reading
    assert bank.names() == {"a.csv"}, "nothing was moved"
    way.thaw()
    bank.folder.server.start()
    await source.close()
    assert spools(tmp_path) == []
    await bank.run(source)
    assert len(bank.stored) == 20_000
    assert "Baris dibaca  : 20000" in bank.report("a.csv")


async def test_a_connection_that_is_lost_between_batches_is_made_again(
    bank: Bank, proxy: Callable[[int], Awaitable[Proxy]]
) -> None:
    way = await proxy(bank.folder.server.port)
    bank.drop("a.csv", rows(6))
    source = bank.source(key=["ref"], folder=way.url(bank.folder.url), batch=2)
    await source.open(None)
    for _ in range(3):
        batch = await source.read()
        assert batch is not None
        await way.cut()
        await asyncio.sleep(0.05)  # the end of the connection is seen before it is used
        await source.commit(batch, [])
    assert "Baris dibaca  : 6" in bank.report("a.csv")
    await source.close()


@pytest.mark.parametrize("place", ["", "reading", "done"])
async def test_a_folder_where_nothing_may_be_moved_stops_it(bank: Bank, place: str) -> None:
    bank.drop("a.csv", rows(3))
    for kind in ("reading", "done"):
        (bank.folder.path / kind).mkdir()
        bank.folder.own(bank.folder.path / kind)
    (bank.folder.path / place).chmod(0o500)
    with pytest.raises(AccessError, match="the folder may not be used") as caught:
        await bank.run(bank.source(key=["ref"]))
    assert "a.csv" not in str(caught.value)
    (bank.folder.path / place).chmod(0o700)
    await bank.run(bank.source(key=["ref"]))
    assert {record.key for record in bank.stored} == {f'["R{n}"]' for n in range(1, 4)}
    assert bank.names("done") == {"a.csv", "a.csv.laporan.txt"}


async def test_a_server_that_cannot_write_is_tried_again(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    bank.drop("a.csv", rows(3))

    async def full(*_: object) -> None:
        raise asyncssh.SFTPFailure("no space on device 3571010101900001")

    with monkeypatch.context() as patched:
        patched.setattr(asyncssh.SFTPClientFile, "write", full)
        with pytest.raises(Unavailable, match="is its disk full") as caught:
            await bank.run(bank.source(key=["ref"]))
    assert "3571" not in str(caught.value)
    await bank.run(bank.source(key=["ref"]))
    assert bank.names("done") == {"a.csv", "a.csv.laporan.txt"}


async def test_a_server_without_the_extension_renames_in_its_own_way(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unsupported(*_: object) -> None:
        raise asyncssh.SFTPOpUnsupported("no")

    monkeypatch.setattr(asyncssh.SFTPClient, "posix_rename", unsupported)
    monkeypatch.setattr(asyncssh.SFTPClientFile, "fsync", unsupported)
    bank.drop("a.csv", rows(3))
    (bank.folder.path / "done").mkdir()
    bank.folder.own(bank.folder.path / "done")
    await bank.run(bank.source(key=["ref"]))
    assert bank.names("done") == {"a.csv", "a.csv.laporan.txt"}


async def test_a_folder_that_is_not_there_or_goes(bank: Bank) -> None:
    source = bank.source(folder=f"{bank.folder.url}/tidak-ada")
    with pytest.raises(ConfigError, match="no such folder"):
        await source.open(None)
    await source.close()
    source = bank.source()
    await source.open(None)
    bank.folder.path.rename(bank.folder.path.with_name("dilepas"))
    with pytest.raises(Unavailable, match="the folder is gone"):
        await source.read()
    await source.close()
    with pytest.raises(Unavailable, match="the folder is gone"):
        await source.open(None)
    bank.folder.path.with_name("dilepas").rename(bank.folder.path)
    await source.open(None)
    assert await source.read() is None
    await source.close()


def test_what_a_killed_process_left_is_removed_and_a_living_one_s_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = tmp_path / "bus-sftp-a.b-dead"
    (dead / "folder").mkdir(parents=True)
    (dead / "folder" / "a.csv").write_text("3571010101900001")
    (dead / LOCK).touch()
    living = Spool.make("a.b", "masuk")
    assert not dead.exists()
    assert living.folder.parent.stat().st_mode & 0o777 == 0o700
    other = Spool.make("a.b", "masuk")
    assert {spool.folder.parent for spool in (living, other)} == set(spools(tmp_path))
    with (living.folder.parent / LOCK).open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    living.remove()
    other.remove()
    assert spools(tmp_path) == []


async def test_no_room_for_copies_is_waited_for(bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank.drop("a.csv", rows(3))
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(tmp_path / "tidak-ada"))
        with pytest.raises(Unavailable, match=r"files cannot be copied here.*TMPDIR"):
            await bank.run(bank.source(key=["ref"]))
    source = bank.source(key=["ref"])
    await source.open(None)
    (spool,) = spools(tmp_path)
    shutil.rmtree(spool)  # by a program that cleans up temporary files
    with pytest.raises(Unavailable, match=r"a file cannot be copied.*TMPDIR"):
        await source.read()
    await source.close()
    await bank.run(source)
    assert bank.names("done") == {"a.csv", "a.csv.laporan.txt"}
