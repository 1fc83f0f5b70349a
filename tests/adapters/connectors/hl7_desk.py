"""An hl7_mllp source, and a bus that stores what it reads."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapters.connectors.hl7_mllp import Hl7Mllp
from adapters.connectors.hl7_options import Hl7MllpConfig
from bus.ports import Batch, Context, Rejection
from bus.subjects import AppName
from tests.adapters.connectors.hl7_device import Client

WIB = ZoneInfo("Asia/Jakarta")


def source(folder: Path = Path(), **options: Any) -> Hl7Mllp:
    given = {"listen": "127.0.0.1:0", "fields": {"kunci": "PID-3(MR)", "nilai": "PID-5"}, "key": ["kunci"]}
    context = Context(AppName("rsud", "alat"), "adt", folder, WIB)
    return Hl7Mllp(Hl7MllpConfig.model_validate(given | options), context)


class Desk:
    """An open source, and a bus that stores what it reads."""

    def __init__(self, at: Hl7Mllp) -> None:
        self.source = at
        self.batches: list[Batch] = []

    async def read(self) -> Batch:
        """The next batch, not yet stored."""
        async with asyncio.timeout(10):
            while (batch := await self.source.read()) is None:
                pass
        return batch

    async def store(self, *reasons: str) -> Batch:
        """Stores the next batch; its first records are rejected for these reasons."""
        batch = await self.read()
        rejections = [Rejection(record, reason) for record, reason in zip(batch.records, reasons, strict=False)]
        rejections += [Rejection(record, record.fault) for record in batch.records[len(reasons) :] if record.fault]
        await self.source.commit(batch, rejections)
        return batch

    async def client(self, **options: Any) -> Client:
        return await Client.connect(self.source.port, **options)


@asynccontextmanager
async def desk(folder: Path = Path(), **options: Any) -> AsyncIterator[Desk]:
    opened = source(folder, **options)
    await opened.open(None)
    try:
        yield Desk(opened)
    finally:
        await opened.close()


async def drip(client: Client) -> None:
    """Sends a byte now and then."""
    while True:
        await asyncio.sleep(0.02)
        client.writer.write(b"x")


async def ended(client: Client) -> bool:
    """Whether the other side ends a connection."""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            await client.answer()
        return False
    return True


def certify(folder: Path) -> Path:
    """Makes an authority (``ca``) and what it certifies: a server (``bus``), a device (``alat``); and a stranger's own
    (``asing``). Returns the folder.
    """
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    for name in ("asing", "ca"):
        openssl("req", "-x509", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", *key)
    for name in ("bus", "alat"):
        openssl("req", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", *key)
        sign = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san", "-days", "2")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *sign)
    return folder
