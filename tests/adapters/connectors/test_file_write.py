"""file_write: the suite of sinks, killed at each of its own steps, and people who move, edit and close files."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from openpyxl import load_workbook
from pydantic import BaseModel, ValidationError

from adapters.connectors.file_write import FileWrite, FileWriteConfig, LocalPlace
from bus.envelope import Event
from bus.errors import AccessError, ConfigError, Rejected, Unavailable
from bus.ports import Context, Delivery, Sink
from bus.subjects import AppName
from bus.testing import SinkApplication
from tests.adapters.connectors.daily_application import COLUMNS, DailyContract, Readers, dying

STEPS = ("read", "write", "append", "replace", "remove", "names")


def sink(folder: Path, **options: Any) -> FileWrite:
    given = {"folder": str(folder), "pattern": "izin-{tanggal}.csv", "columns": COLUMNS, **options}
    context = Context(AppName("satpolpp", "penertiban"), "izin", folder, ZoneInfo("Asia/Jakarta"))
    return FileWrite(FileWriteConfig.model_validate(given), context)


class LocalReaders(Readers):
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
        super().__init__(folder, monkeypatch)
        self._pattern = pattern

    def sink(self) -> Sink:
        return sink(self.folder, pattern=self._pattern)


class TestFileWrite(DailyContract):
    @pytest.fixture(params=["izin-{tanggal}.csv", "izin-{tanggal}.xlsx"])
    def application(
        self, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> SinkApplication:
        return LocalReaders(tmp_path / "hasil", monkeypatch, request.param)

    @pytest.fixture
    def large(self, request: pytest.FixtureRequest) -> int:
        return 20_000 if "csv" in request.node.name else 2_000


class Izin(BaseModel):
    kunci: str
    nilai: Any = "isi"


def delivery(number: int, key: str = "k", value: Any = "isi", *, time: str = "2026-01-31T08:00:00+07:00") -> Delivery:
    event = Event(id=f"{number:032x}", source="/x", type="x", subject="s", time=time, data=b"")
    return Delivery(event, Izin(kunci=key, nilai=value), frozenset({"kunci", "nilai"}), "OPD_X", number)


async def apply(opened: FileWrite, *deliveries: Delivery) -> None:
    await opened.open()
    await opened.apply(deliveries, None)
    await opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize("pattern", ["izin-{tanggal}.csv", "izin-{tanggal}.xlsx"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_each_step_no_row_is_there_twice_and_none_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, when: str, pattern: str
) -> None:
    readers = LocalReaders(tmp_path / "hasil", monkeypatch, pattern)
    await apply(sink(readers.folder, pattern=pattern), delivery(1), delivery(2))
    for dies_at in range(1, 8):
        batch = [delivery(2), delivery(10 * dies_at), delivery(10 * dies_at + 1)]
        with dying(monkeypatch, LocalPlace, step, when, dies_at):
            await apply(sink(readers.folder, pattern=pattern), *batch)
        assert len(readers.lines()) in {2 * dies_at, 2 * dies_at + 2}
        await apply(sink(readers.folder, pattern=pattern), *batch)

    ids = [1, 2, *(10 * n + m for n in range(1, 8) for m in (0, 1))]
    assert await readers.writes() == [f"{number:032x}" for number in ids]
    assert [name for name in os.listdir(readers.folder) if name.endswith(".tmp")] == []


async def test_a_line_of_the_journal_that_a_crash_cut_is_void(folder: Path) -> None:
    await apply(sink(folder), delivery(1))
    journal = folder / ".izin-2026-01-31.csv.jurnal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole.replace(b"0001", b"0002")[:-5])
    await apply(sink(folder), delivery(1), delivery(2))
    assert journal.read_bytes().count(b"\n") == 2
    assert len((folder / "izin-2026-01-31.csv").read_text().splitlines()) == 3


async def test_each_event_goes_into_the_file_of_its_day_in_the_contract_s_zone(folder: Path) -> None:
    late = delivery(2, time="2026-01-31T23:30:00+00:00")
    await apply(sink(folder), delivery(1), late)
    await apply(sink(folder), late)
    assert {path.name for path in folder.glob("*.csv")} == {"izin-2026-01-31.csv", "izin-2026-02-01.csv"}
    assert len((folder / "izin-2026-02-01.csv").read_text().splitlines()) == 2


async def test_texts_are_no_formulas(folder: Path) -> None:
    for pattern in ("a-{tanggal}.csv", "a-{tanggal}.xlsx"):
        await apply(sink(folder, pattern=pattern, columns={"nilai": "nilai"}), delivery(1, value="=1+1"))
    assert (folder / "a-2026-01-31.csv").read_bytes() == b"\xef\xbb\xbfnilai\r\n'=1+1\r\n"
    cell = load_workbook(folder / "a-2026-01-31.xlsx").active["A2"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")


async def test_values_of_a_workbook_keep_their_types(folder: Path) -> None:
    values = ["3571010101800001", 12, date(2026, 1, 31), None, True, ["a"]]
    deliveries = [delivery(number, value=value) for number, value in enumerate(values)]
    await apply(sink(folder, pattern="a-{tanggal}.xlsx", columns=None), *deliveries)
    sheet = load_workbook(folder / "a-2026-01-31.xlsx").active
    assert [cell.value for cell in sheet[1]] == ["kunci", "nilai"]
    assert [sheet.cell(row, 2).value for row in (2, 3, 5, 6, 7)] == ["3571010101800001", 12, None, True, '["a"]']
    assert sheet["B4"].value.date() == date(2026, 1, 31)
    assert sheet["B2"].number_format == "@"


async def test_what_people_change_stays_and_what_they_take_does_not_come_again(folder: Path) -> None:
    for pattern in ("a-{tanggal}.csv", "a-{tanggal}.xlsx"):
        await apply(sink(folder, pattern=pattern), delivery(1, "asli"))
    plain, book = folder / "a-2026-01-31.csv", folder / "a-2026-01-31.xlsx"
    plain.write_bytes(plain.read_bytes().replace(b"asli", b"ubah").rstrip())  # an editor that ends no last line
    edited = load_workbook(book)
    edited.active["A2"], edited.active["E2"] = "ubah", "catatan"
    edited.save(book)
    for pattern in ("a-{tanggal}.csv", "a-{tanggal}.xlsx"):
        await apply(sink(folder, pattern=pattern), delivery(1, "asli"), delivery(2, "lagi"))
    assert [line.split(";")[0] for line in plain.read_text("utf-8-sig").splitlines()] == ["kunci", "ubah", "lagi"]
    sheet = load_workbook(book).active
    assert [sheet.cell(row, 1).value for row in (1, 2, 3)] == ["kunci", "ubah", "lagi"]
    assert sheet["E2"].value == "catatan"

    plain.unlink()
    await apply(sink(folder, pattern="a-{tanggal}.csv"), delivery(1, "asli"), delivery(3, "baru"))
    assert [line.split(";")[0] for line in plain.read_text("utf-8-sig").splitlines()] == ["kunci", "baru"]


async def test_a_row_has_a_place_in_the_columns_that_people_add(folder: Path) -> None:
    await apply(sink(folder), delivery(1))
    (file,) = folder.glob("*.csv")
    header, row, _ = file.read_bytes().split(b"\r\n")
    file.write_bytes(b"\r\n".join([header + b";catatan", row + b";sudah", b""]))
    await apply(sink(folder), delivery(2))
    assert [line.count(";") for line in file.read_text("utf-8-sig").splitlines()] == [3, 3, 3]

    file.write_bytes(file.read_bytes().replace(b"peristiwa;", b"peristiwa lama;"))
    await apply(sink(folder), delivery(3))
    assert len(list(folder.glob("*.csv"))) == 2, "a column with another name is not ours"


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
async def test_a_file_with_another_header_is_put_aside(folder: Path, ending: str) -> None:
    path = folder / f"a-2026-01-31.{ending}"
    path.write_bytes(b"milik orang lain")
    (folder / f"a-2026-01-31 (2).{ending}").touch()
    await apply(sink(folder, pattern=f"a-{{tanggal}}.{ending}"), delivery(1))
    assert (folder / f"a-2026-01-31 (3).{ending}").read_bytes() == b"milik orang lain"
    assert path.read_bytes() != b"milik orang lain"


async def test_a_text_too_long_for_a_cell_is_refused_without_its_text(folder: Path) -> None:
    with pytest.raises(Rejected, match="kolom nilai: lebih dari 32767 huruf") as caught:
        await apply(sink(folder), delivery(1, value="rahasia" * 5000))
    assert "rahasia" not in str(caught.value)
    assert list(folder.glob("*.csv")) == []


async def test_a_field_that_may_not_be_seen_is_told(folder: Path) -> None:
    with pytest.raises(ConfigError, match="names alamat, which is not in `fields`"):
        await apply(sink(folder, columns={"a": "alamat"}), delivery(1))
    assert FileWrite.needs(FileWriteConfig(folder="x", pattern="{tanggal}.csv", columns=COLUMNS)) == {"kunci", "nilai"}


async def test_a_folder_that_is_not_there_or_not_ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        await sink(folder / "tidak-ada").open()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(AccessError, match="let this user read and write"):
        await sink(folder).open()


async def test_a_file_that_somebody_has_open_on_a_share_is_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(path: Path, target: Path) -> Path:
        raise PermissionError(13, "sharing violation")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuses)
        with pytest.raises(Unavailable, match="may be open in another program"):
            await apply(sink(folder), delivery(1))
    await apply(sink(folder), delivery(1))
    assert len((folder / "izin-2026-01-31.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "pattern", ["izin.csv", "{tanggal}{bulan}.csv", "a/{tanggal}.csv", "{tanggal}.pdf", ".{tanggal}.csv"]
)
def test_a_pattern_names_files_of_a_day(pattern: str) -> None:
    with pytest.raises(ValidationError):
        FileWriteConfig(folder="x", pattern=pattern)
