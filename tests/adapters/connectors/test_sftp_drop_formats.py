"""sftp_drop against a real SSH server, with files of every format, uploads on their way, and whole dumps."""

from __future__ import annotations

import io
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import asyncssh
import pytest
from openpyxl import Workbook

from adapters.connectors import drop_settling
from adapters.formats import FORMATS
from bus.ports import Record
from bus.testing.lines import Line, rounds, until
from tests.adapters.connectors.sftp_bank import Bank, spools
from tests.adapters.formats.files import FILES
from tests.servers.openssh import SftpFolder
from tests.servers.server import HOST

SHEETS = {"xlsx", "xlsm", "xlsb", "xls", "ods"}


@pytest.fixture
def bank(sftp: SftpFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bank:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Bank(sftp)


@asynccontextmanager
async def uploading(bank: Bank) -> AsyncIterator[asyncssh.SFTPClient]:
    """A client of the bank's own."""
    server = bank.folder.server
    options = {"username": server.user, "client_keys": [str(bank.folder.user_key)], "known_hosts": None}
    async with asyncssh.connect(HOST, server.port, **options) as connection, connection.start_sftp_client() as client:
        yield client


def no_nik(record: Record) -> str:
    return record.fault or ("" if len(str(record.data["nik"])) == 16 else "kolom nik: harus 16 angka")


def test_there_is_a_file_of_every_format() -> None:
    assert FILES.keys() == FORMATS.keys()


@pytest.mark.parametrize("ending", FILES)
async def test_a_file_is_read_and_its_rejected_row_comes_back_to_be_dropped_again(
    bank: Bank, tmp_path: Path, ending: str
) -> None:
    name = f"warga.{ending}"
    bank.drop(name, FILES[ending])
    options = {"pattern": f"*.{ending}", "key": ["nik"], "required": ["tanggal", "rt"]}
    await bank.run(bank.source(**options), judge=no_nik)

    good, bad = bank.stored
    assert {column: str(value) for column, value in good.data.items()} == {
        "nik": "3571010101800001",
        "tanggal": "2026-01-31",
        "rt": "7",
    }
    assert [each.record for each in bank.rejected] == [bad]
    assert "Ditolak       : 1" in bank.report(name)
    repaired = ending if ending in {"csv", "tsv", "txt"} else "xlsx" if ending in SHEETS else "csv"
    assert bank.names("done") == {name, f"{name}.laporan.txt", f"warga.ditolak.{repaired}"}
    assert (bank.folder.path / "done" / name).read_bytes() == FILES[ending]
    assert bank.names() | bank.names("reading") == set()
    assert spools(tmp_path) == []

    (bank.folder.path / f"done/warga.ditolak.{repaired}").rename(bank.folder.path / f"warga.ditolak.{repaired}")
    await bank.run(bank.source(**options), judge=no_nik)
    assert [str(each.record.data["nik"]) for each in bank.rejected] == [str(bad.data["nik"])] * 2
    assert "Ditolak       : 1" in bank.report(f"warga.ditolak.{repaired}")


async def test_an_upload_is_read_when_it_is_whole_and_a_half_one_is_told(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0  # the source's clock, which decides whether a file has settled
    monkeypatch.setattr(drop_settling, "time", SimpleNamespace(monotonic=lambda: now))
    source = bank.source(pattern="*.xlsx", key=["nik"], settle=0.01)
    await source.open(None)
    path, whole = str(bank.folder.path / "warga.xlsx"), FILES["xlsx"]
    async with uploading(bank) as client:
        async with client.open(path, "wb") as upload:
            for start in range(0, len(whole), 2000):
                await upload.write(whole[start : start + 2000])
                assert await source.read() is None, "it has grown since the last look"
                now += 1
        batch = await source.read()
        assert batch is not None
        assert len(batch.records) == 2
        await source.commit(batch, [])
        assert bank.names("done") == {"warga.xlsx", "warga.xlsx.laporan.txt"}

        async with client.open(path, "wb") as upload:
            await upload.write(whole[: len(whole) // 2])  # and there it stays: the line is gone
    assert await source.read() is None
    now += 1
    batch = await source.read()
    assert batch is not None
    assert [record.fault != "" for record in batch.records] == [True]
    await source.commit(batch, [])
    await source.close()
    assert "rusak" in bank.report("warga (2).xlsx", "failed")
    assert bank.names("reading") == set()


def dump(rows: Sequence[tuple[int, str]]) -> bytes:
    made, content = Workbook(), io.BytesIO()
    for row in (("kunci", "nilai"), *rows):
        made.active.append(row)
    made.save(content)
    return content.getvalue()


async def test_a_whole_dump_brings_what_is_new_in_it_however_it_is_saved(bank: Bank, tmp_path: Path) -> None:
    people = [(number, f"isi {number}") for number in range(300)]
    application = SimpleNamespace(source=lambda: bank.source(key=["kunci"], pattern="*", poll=0.005))
    line = Line(application, tmp_path / "line")
    text = "".join(f'"{value}",{key}\r\n' for key, value in reversed(people))
    async with line.running():
        bank.drop("warga.xlsx", dump(people))
        await until(lambda: "warga.xlsx" in bank.names("done"))
        assert line.streams.count == 300
        bank.drop("warga.csv", '\ufeff"nilai",kunci\r\n' + text)  # saved again by another program, sorted anew
        bank.drop("warga.xlsx", dump(people))
        await until(lambda: {"warga.csv", "warga (2).xlsx"} <= bank.names("done"))
        await rounds(line)
        assert line.streams.count == 300
        bank.drop("warga.xlsx", dump([*people[:7], (7, "pindah"), *people[8:], (300, "baru")]))
        await until(lambda: "warga (3).xlsx" in bank.names("done"))

    assert line.emitted()[300:] == [("7", "pindah"), ("300", "baru")]
    assert not line.streams.letters
