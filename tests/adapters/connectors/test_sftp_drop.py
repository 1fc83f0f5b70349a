"""sftp_drop against a real SSH server: what a clerk finds there, who the server is, and what a crash leaves."""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncssh
import pytest
from pydantic import ValidationError

from adapters.connectors import sftp_folder
from adapters.connectors.sftp import SftpServer
from adapters.connectors.sftp_drop import SftpDrop, SftpDropConfig
from adapters.connectors.sftp_folder import RemoteFolder
from adapters.connectors.sftp_spool import LOCK, Spool
from bus.errors import AccessError, BusError, ConfigError, Unavailable
from bus.ports import Batch, Context, Position, Record, Rejection, Source
from bus.subjects import AppName
from bus.testing import Crash
from tests.adapters.connectors.office import Judge, accept, rows
from tests.servers.openssh import SftpFolder
from tests.servers.proxy import Proxy
from tests.servers.server import HOST

CONTEXT = Context(AppName("bppkad", "pajak"), "bank", Path(), ZoneInfo("Asia/Jakarta"))


class Bank:
    """A folder on a server, and an engine that stores positions as the bus does."""

    def __init__(self, folder: SftpFolder) -> None:
        self.folder = folder
        self.position: Position | None = None
        self.stored: list[Record] = []  # every record of every stored batch, repeats after a crash included
        self.rejected: list[Rejection] = []

    def drop(self, name: str, text: str | bytes, *, age: int = 0) -> Path:
        path = self.folder.path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
        return self.folder.own(path)

    def source(self, **options: Any) -> SftpDrop:
        given = {
            "folder": self.folder.url,
            "host_key": self.folder.host_key,
            "user_key": f"file:{self.folder.user_key}",
            "settle": 0,
            **options,
        }
        return SftpDrop(SftpDropConfig.model_validate(given), CONTEXT)

    async def run(self, source: SftpDrop, *, judge: Judge = accept, dies_before_commit: int = 0) -> None:
        """Reads until there is nothing new, or dies once the batch of that number is stored."""
        try:
            await source.open(self.position)
            for number in range(1, 10**6):
                batch = await source.read()
                if batch is None:
                    return
                rejections = [Rejection(record, reason) for record in batch.records if (reason := judge(record))]
                self.position = dict(batch.position)
                self.stored += batch.records
                self.rejected += rejections
                if number == dies_before_commit:
                    return
                await source.commit(batch, rejections)
        finally:
            await source.close()

    def report(self, name: str, kind: str = "done") -> str:
        return (self.folder.path / kind / f"{name}.laporan.txt").read_text(encoding="utf-8")

    def names(self, kind: str = "") -> set[str]:
        folder = self.folder.path / kind
        return {path.name for path in folder.iterdir() if path.is_file()} if folder.is_dir() else set()


@pytest.fixture
def bank(sftp: SftpFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bank:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Bank(sftp)


def spools(folder: Path) -> list[Path]:
    return sorted(folder.glob("bus-sftp-*"))


def bad(reference: str) -> Judge:
    return lambda record: record.fault or ("tidak boleh" if record.data["ref"] == reference else "")


def test_it_is_a_source(bank: Bank) -> None:
    assert isinstance(bank.source(), Source)


async def test_a_file_is_read_and_comes_back_with_report_and_rejected_rows(bank: Bank, tmp_path: Path) -> None:
    bank.drop("bayar.csv", "ref;jumlah\nR1;100\nR2;x\n")
    bank.drop("rusak.csv", "bukan tabel\n", age=-1)
    bank.drop("lain.dat", "x")
    source = bank.source(key=["ref"])
    await source.open(None)
    state = await source.state()
    assert (state.waiting, state.oldest and state.oldest.timestamp()) == (2, 1_700_000_000)
    await source.close()
    await bank.run(source, judge=bad("R2"))

    assert [(record.key, record.place) for record in bank.stored] == [
        ('["R1"]', "bayar.csv baris 2"),
        ('["R2"]', "bayar.csv baris 3"),
        (bank.stored[2].key, "rusak.csv"),
    ]
    assert bank.stored[0].at is not None
    assert bank.stored[0].at.timestamp() == 1_700_000_000
    assert bank.names("done") == {"bayar.csv", "bayar.csv.laporan.txt", "bayar.ditolak.csv"}
    assert bank.names("failed") == {"rusak.csv", "rusak.csv.laporan.txt"}
    assert (bank.names(), bank.names("reading")) == ({"lain.dat"}, set())
    assert "Baris 3: tidak boleh" in bank.report("bayar.csv")
    assert f"taruh di folder {bank.folder.path.name}" in bank.report("bayar.csv")
    assert (bank.folder.path / "done/bayar.ditolak.csv").read_text("utf-8-sig") == "ref;jumlah\nR2;x\n"
    assert "GAGAL" in bank.report("rusak.csv", "failed")
    assert spools(tmp_path) == [], "no copy stays behind"

    await source.open(bank.position)
    assert (await source.state()).position == "rusak.csv baris 0"
    found = await source.reread('["R2"]')
    assert found is not None
    assert found.data["jumlah"] == "x"
    assert await source.reread('["R9"]') is None
    await source.close()


async def test_a_taken_name_is_numbered_and_repaired_rows_come_again(bank: Bank) -> None:
    for day in range(3):
        bank.drop("a.csv", f"ref;jumlah\nR{day};1\nRx;2\n")
        await bank.run(bank.source(key=["ref"], pattern="a.csv"), judge=bad("Rx"))
    names = {"a.csv", "a (2).csv", "a (3).csv"}
    assert names < bank.names("done")
    assert {f"{name}.laporan.txt" for name in names} < bank.names("done")
    bank.drop("a.ditolak.csv", "ref;jumlah\nR9;2\n")
    await bank.run(bank.source(key=["ref"], pattern="a.csv"))
    assert bank.stored[-1].key == '["R9"]'


async def test_who_only_looks_leaves_the_folder_as_it_was(bank: Bank) -> None:
    bank.drop("a.csv", rows(3))
    source = bank.source()
    await source.open(None)
    batch = await source.read()
    assert batch is not None
    assert len(batch.records) == 3
    assert await source.read() is None
    await source.close()
    assert {path.name for path in bank.folder.path.iterdir()} == {"a.csv"}


async def test_a_file_that_still_grows_is_left_alone(bank: Bank) -> None:
    path = bank.drop("a.csv", "ref\n1\n")
    source = bank.source(settle=0.3)
    await source.open(None)
    reading = asyncio.create_task(source.read())
    await asyncio.sleep(0.1)
    with path.open("a") as file:
        file.write("2\n")
    assert await reading is None  # it has changed since: the time starts anew
    batch = await source.read()
    assert batch is not None
    assert len(batch.records) == 2
    await source.close()


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


STEPS = [(RemoteFolder, name) for name in ("next", "free", "fetch", "claim", "unchanged", "put", "finish")]
STEPS += [(SftpServer, "rename")]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("owner", "step"), STEPS, ids=[name for _, name in STEPS])
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
        while not any(copy.stat().st_size for copy in tmp_path.glob("bus-sftp-*/*/.*.salinan")):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("fault", ["cut", "frozen", "killed"])
async def test_a_connection_that_breaks_while_a_file_is_copied(
    bank: Bank,
    proxy: Callable[[int], Awaitable[Proxy]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    monkeypatch.setattr(sftp_folder, "CHUNK", 4096)
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


async def test_names_that_lead_out_of_the_folder_are_no_files(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    bank.drop("a.csv", rows(1))
    (bank.folder.path / "tautan.csv").symlink_to("/etc/hostname")
    bank.drop("~$a.csv", "kunci")
    (bank.folder.path / os.fsdecode(b"\xff.csv")).write_bytes(b"ref\n1\n")
    proper = asyncssh.SFTPClient.readdir

    async def listing(self: Any, path: Any) -> Sequence[Any]:
        found = list(await proper(self, path))
        evil = asyncssh.SFTPName("../../evil.csv", attrs=asyncssh.SFTPAttrs(size=1, permissions=0o100644, mtime=1))
        return [*found, evil]

    monkeypatch.setattr(asyncssh.SFTPClient, "readdir", listing)
    await bank.run(bank.source())
    assert {record.place for record in bank.stored} == {"a.csv baris 2", "\ufffd.csv baris 2"}


async def test_a_host_key_is_known_in_each_of_its_forms(bank: Bank, tmp_path: Path) -> None:
    key = asyncssh.import_public_key(bank.folder.host_key)
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    known = tmp_path / "known_hosts"
    known.write_text(f"# bank\n[{HOST}]:{bank.folder.server.port} {bank.folder.host_key}\n")
    forms = [bank.folder.host_key, f"{other}\n{bank.folder.host_key}\n", f"file:{known}"]
    for form in (*forms, key.get_fingerprint(), f"SHA256:{'x' * 43} {key.get_fingerprint()}"):
        source = bank.source(host_key=form)
        await source.open(None)
        await source.close()


async def test_another_host_key_stops_it_before_the_user_is_told(bank: Bank) -> None:
    told = bank.source(host_key=bank.folder.host_key)
    bank.folder.server.stop()
    bank.folder.server.make_key("host")
    bank.folder.server.start()
    fingerprint = asyncssh.import_public_key(bank.folder.host_key).get_fingerprint()
    with pytest.raises(AccessError, match=r"not with `host_key`.*ask its owner, then correct host_key") as caught:
        await told.open(None)
    assert fingerprint in str(caught.value)
    with pytest.raises(AccessError, match="not with `host_key`"):
        await bank.source(host_key=f"other.example {bank.folder.host_key}").open(None)
    log = (bank.folder.server.folder / "log").read_text()
    assert "Accepted" not in log.rpartition("Server listening")[2]


async def test_who_may_not_log_in_is_told_so(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    bank.folder.server.make_key("stranger")
    stranger = f"file:{bank.folder.server.folder / 'stranger'}"
    for options in ({"user_key": stranger}, {"user_key": None, "password": "env:BUS_TEST_PASSWORD"}):
        monkeypatch.setenv("BUS_TEST_PASSWORD", "rahasia")
        source = bank.source(**options)
        with pytest.raises(AccessError, match=f"{HOST}:{bank.folder.server.port} refuses the user"):
            await source.open(None)
        await source.close()


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"host_key": None}, ConfigError, "`host_key` is missing: the server must prove itself"),
        ({"user_key": None}, ConfigError, "neither user_key nor password"),
        ({"host_key": "ssh-ed25519 rusak"}, ConfigError, "no host key"),
        ({"host_key": "env:BUS_TEST_NOTHING"}, ConfigError, "BUS_TEST_NOTHING is not set"),
        ({"user_key": "file:/dev/null"}, ConfigError, "no private key that can be used"),
        ({"folder": "sftp://127.0.0.1/x"}, ConfigError, "write sftp://user@host:22/folder"),
        ({"folder": "sftp://u:rahasia@127.0.0.1/x"}, ConfigError, "a password in the address"),
        ({"folder": "sftp://u@127.0.0.1:99999/x"}, ConfigError, "write sftp://user@host:22/folder"),
        ({"folder": "sftp://u@127.0.0.1:1/x"}, Unavailable, "127.0.0.1:1 does not answer: "),
    ],
)
async def test_what_is_wrong_is_said_in_one_line(
    bank: Bank, options: dict[str, Any], error: type[BusError], told: str
) -> None:
    source = bank.source(**options)
    with pytest.raises(error, match=told) as caught:
        await source.open(None)
    assert "\n" not in str(caught.value)
    assert "rahasia" not in str(caught.value)
    await source.close()


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


@pytest.mark.parametrize(
    ("option", "value"),
    [("password", "rahasia"), ("user_key", "/root/.ssh/id"), ("timeout", 0), ("pattern", "../*.csv")],
)
def test_bad_options_are_refused(bank: Bank, option: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        bank.source(**{option: value})
    assert option in str(caught.value)
    assert "rahasia" not in str(caught.value)


async def test_a_folder_of_this_machine_needs_no_key(bank: Bank, tmp_path: Path) -> None:
    folder = tmp_path / "coba"
    folder.mkdir()
    (folder / "a.csv").write_text(rows(2))
    source = bank.source(folder=str(folder), host_key=None, user_key=None)
    await bank.run(source)
    assert len(bank.stored) == 2
    assert (folder / "done/a.csv.laporan.txt").is_file()
    assert isinstance(await bank_batch(source, folder), Batch)


async def bank_batch(source: SftpDrop, folder: Path) -> Batch | None:
    """A further file, read by the same source after its close."""
    (folder / "b.csv").write_text(rows(1))
    await source.open(None)
    batch = await source.read()
    await source.close()
    return batch


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
