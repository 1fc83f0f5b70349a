"""hl7_mllp by the conformance suite, over plain TCP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest_asyncio

from adapters.connectors.hl7_mllp import Hl7Mllp
from adapters.connectors.hl7_options import Hl7MllpConfig
from bus.ports import Context
from bus.subjects import AppName
from bus.testing import SourceApplication
from tests.adapters.connectors.called_application import CalledContract
from tests.adapters.connectors.hl7_device import Device

CONTEXT = Context(AppName("rsud", "alat"), "baris", Path(), ZoneInfo("Asia/Jakarta"))


def source() -> Hl7Mllp:
    options = {
        "listen": "127.0.0.1:0",
        "fields": {"kunci": "PID-3(MR).1", "nilai": "PID-5"},
        "key": ["kunci"],
        "messages": ["ADT^A08", "ADT^A29"],
        "largest": 4_000_000,
    }
    return Hl7Mllp(Hl7MllpConfig.model_validate(options), CONTEXT)


class TestHl7Mllp(CalledContract):
    @pytest_asyncio.fixture
    async def application(self) -> AsyncIterator[SourceApplication]:
        device = Device(source)
        yield device
        await device.close()
