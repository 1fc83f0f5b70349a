"""sftp_drop against a real SSH server: what a clerk finds there, and who the server is."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from pydantic import ValidationError

from adapters.connectors.sftp import SftpServer
from adapters.connectors.sftp_drop import SftpDrop, SftpDropConfig
from bus.errors import AccessError, BusError, ConfigError, Unavailable
from bus.ports import Batch, Source
from tests.adapters.connectors.office import rows
from tests.adapters.connectors.sftp_bank import Bank, bad, spools
from tests.servers.openssh import SftpFolder
from tests.servers.server import HOST


@pytest.fixture
def bank(sftp: SftpFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bank:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Bank(sftp)


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


async def test_a_folder_lies_below_the_root_or_below_that_of_the_login(bank: Bank) -> None:
    config = SftpDropConfig(folder="env:X", host_key=bank.folder.host_key, user_key=f"file:{bank.folder.user_key}")
    server = SftpServer(config, "uji")
    address = f"sftp://{bank.folder.server.user}@{HOST}:{bank.folder.server.port}"
    for path, found in (("", "/"), ("/masuk/a%20b", "/masuk/a b"), ("/~/", "."), ("/~/masuk/pbb", "masuk/pbb")):
        assert str(await server.open(address + path)) == found
    assert server.name == f"{HOST}:{bank.folder.server.port}"
    await server.close()


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


class Passwords(asyncssh.SSHServer):
    """A server of another make, with passwords."""

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("bank", "sandi-uji")


@pytest.mark.parametrize("sftp_factory", [True, None])
async def test_a_server_of_another_make_with_passwords(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, sftp_factory: bool | None
) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen(
        HOST, 0, server_factory=Passwords, server_host_keys=[key], sftp_factory=sftp_factory
    ) as server:
        monkeypatch.setenv("BUS_TEST_PASSWORD", "sandi-uji")
        options = {
            "folder": f"sftp://bank@{HOST}:{server.get_port()}{bank.folder.path}",
            "host_key": key.get_fingerprint(),
            "user_key": None,
            "password": "env:BUS_TEST_PASSWORD",
        }
        bank.drop("a.csv", rows(3))
        if sftp_factory:
            await bank.run(bank.source(**options, key=["ref"]))
            assert bank.names("done") == {"a.csv", "a.csv.laporan.txt"}
        else:
            with pytest.raises(Unavailable, match="it opens no SFTP session"):
                await bank.run(bank.source(**options))


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


@pytest.mark.parametrize(
    ("option", "value"),
    [("password", "rahasia"), ("user_key", "id_ed25519"), ("timeout", 0), ("pattern", "../*.csv")],
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
