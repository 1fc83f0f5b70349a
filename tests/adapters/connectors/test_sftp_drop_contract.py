"""sftp_drop in the conformance suite of sources, against a real SSH server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from zoneinfo import ZoneInfo

import pytest

from adapters.connectors.sftp_drop import SftpDrop, SftpDropConfig
from bus.ports import Context, Source
from bus.subjects import AppName
from bus.testing import SourceApplication, SourceContract
from tests.adapters.connectors.at_once import AtOnce
from tests.adapters.connectors.columns import Columns
from tests.servers.openssh import SftpFolder
from tests.servers.proxy import Proxy


class Bank(AtOnce, Columns):
    """A bank that drops a new file with whatever it has to say."""

    def __init__(self, folder: SftpFolder, way: Proxy) -> None:
        super().__init__()
        self._folder, self._way, self._files = folder, way, 0

    def source(self, user_key: str = "") -> Source:
        config = SftpDropConfig(
            folder=self._way.url(self._folder.url),
            host_key=self._folder.host_key,
            user_key=user_key or f"file:{self._folder.user_key}",
            key=("kunci",),
            settle=0,
            poll=0.005,
        )
        return SftpDrop(config, Context(AppName("uji", "kantor"), "baris", self._folder.path, ZoneInfo("Asia/Jakarta")))

    def stranger(self) -> Source:
        self._folder.server.make_key("stranger")
        return self.source(f"file:{self._folder.server.folder / 'stranger'}")

    async def write(self, rows: Iterable[tuple[int, str]]) -> None:
        self._files += 1
        draft = self._folder.path / ".draft"
        with draft.open("w", encoding="utf-8") as file:
            file.write(";".join(self.row(0, "")) + "\n")
            file.writelines(";".join(map(str, self.row(*row).values())) + "\n" for row in rows)
        self._folder.own(draft).rename(self._folder.path / f"berkas-{self._files:04}.csv")

    async def write_oversized(self, key: int) -> bool | None:
        await self.write([(key, "x" * 1_500_000)])
        return None

    async def delete(self, key: int) -> None:
        await self.write([(key + 1000, "lain")])  # a file without the row: it says nothing of it

    async def away(self) -> None:
        await self._way.refuse()

    async def back(self) -> None:
        await self._way.accept()

    async def kill(self) -> bool:
        await asyncio.to_thread(self._folder.server.kill)
        return True

    async def start(self) -> None:
        await asyncio.to_thread(self._folder.server.start)

    async def disturb(self) -> bool:
        await self._way.disturb()
        return True

    def suffered(self) -> int:
        return self._way.suffered()

    async def calm(self) -> None:
        await self._way.calm()


class TestSftpDrop(SourceContract):
    @pytest.fixture
    async def application(self, sftp: SftpFolder, proxy: Callable[[int], Awaitable[Proxy]]) -> SourceApplication:
        return Bank(sftp, await proxy(sftp.server.port))

    @pytest.fixture
    def large(self) -> int:
        return 20_000
