"""file_drop in the conformance suite of sources."""

from collections.abc import Iterable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapters.connectors.file_drop import FileDrop, FileDropConfig
from adapters.formats.repairs import as_workbook, packed
from bus.ports import Context, Source
from bus.subjects import AppName
from bus.testing import SourceApplication, SourceContract
from tests.adapters.connectors.at_once import AtOnce
from tests.adapters.connectors.columns import Columns


class Office(AtOnce, Columns):
    """An office that drops a new file with whatever it has to say."""

    def __init__(self, folder: Path, ending: str = "csv") -> None:
        super().__init__()
        self._folder, self._files, self._ending = folder, 0, ending
        folder.mkdir()

    def source(self) -> Source:
        config = FileDropConfig(
            folder=str(self._folder), pattern=f"*.{self._ending}", key=("kunci",), settle=0, poll=0.005
        )
        return FileDrop(config, Context(AppName("uji", "kantor"), "baris", self._folder, ZoneInfo("Asia/Jakarta")))

    async def write(self, rows: Iterable[tuple[int, str]]) -> None:
        self._files += 1
        draft = self._folder / ".draft"
        if self._ending == "xlsx":
            originals = (packed([str(cell) for cell in self.row(*row).values()]) for row in rows)
            draft.write_bytes(b"".join(as_workbook([*self.row(0, "")], originals)))
        else:
            with draft.open("w", encoding="utf-8") as file:
                file.write(";".join(self.row(0, "")) + "\n")
                file.writelines(";".join(map(str, self.row(*row).values())) + "\n" for row in rows)
        draft.rename(self._folder / f"berkas-{self._files:04}.{self._ending}")

    def stranger(self) -> Source | None:
        return None

    async def kill(self) -> bool:
        return False

    async def start(self) -> None:
        """It is always there."""

    async def disturb(self) -> bool:
        return False

    def suffered(self) -> int:
        return 0

    async def calm(self) -> None:
        """There was nothing."""

    async def write_oversized(self, key: int) -> bool | None:
        if self._ending == "xlsx":
            return False  # a cell takes 32,767 characters
        await self.write([(key, "x" * 1_500_000)])
        return None

    async def delete(self, key: int) -> None:
        await self.write([(key + 1000, "lain")])  # a file without the row: it says nothing of it

    async def away(self) -> None:
        self._folder.rename(self._folder.with_name("dilepas"))

    async def back(self) -> None:
        self._folder.with_name("dilepas").rename(self._folder)


class TestFileDrop(SourceContract):
    @pytest.fixture
    def large(self) -> int:
        return 20_000

    @pytest.fixture
    def application(self, tmp_path: Path) -> SourceApplication:
        return Office(tmp_path / "titip")


class TestFileDropOfWorkbooks(SourceContract):
    @pytest.fixture
    def application(self, tmp_path: Path) -> SourceApplication:
        return Office(tmp_path / "titip", "xlsx")

    @pytest.fixture
    def large(self) -> int:
        return 20_000
