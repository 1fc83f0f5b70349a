"""A server with the streams of two offices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from bus import config, subjects
from bus.broker.connection import Connection
from bus.contracts import Contract
from bus.platform import Platform, connect
from bus.security.credentials import Role
from bus.subjects import AppName, EventName

SIAK, BANSOS = AppName("dukcapil", "siak"), AppName("dinsos", "bansos")
DIED = EventName.parse("kependudukan.penduduk.meninggal.v1")
PLACE = subjects.subscription(DIED)
STREAMS = ["OPD_DINSOS", "OPD_DUKCAPIL"]


def contract(app: AppName, *, publishes: bool) -> Contract:
    basis = "UU 24/2013 pasal 44"
    grant = {"event": str(DIED), "basis": basis}
    subscribe = {**grant, "purpose": "Pemutakhiran", "fields": ["nik"], "handler": "mapping:terima", "start": "new"}
    return Contract.model_validate(
        {"app": app.app, "opd": app.opd, "title": "x", "owner": "x", "contact": "x", "stage": "pilot"}
        | ({"publish": [grant]} if publishes else {"subscribe": [subscribe]})
    )


@pytest_asyncio.fixture
async def admin(tmp_path: Path) -> AsyncIterator[Connection]:
    """An administrator's connection to a server with the streams of two offices."""
    settings = config.load(home=tmp_path / "home")
    platform = Platform(settings, [contract(SIAK, publishes=True), contract(BANSOS, publishes=False)])
    try:
        await platform.start()
        connection = await connect(settings, platform.url, Role.ADMIN)
        yield connection
        await connection.close()
    finally:
        await platform.stop()
