"""Runs one adapter until SIGTERM, as `bus run` does."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import uvloop

from bus import config
from bus.app import Adapter
from bus.contracts import load_all
from bus.events import Catalogue
from bus.observability import logging


async def run(folder: Path) -> None:
    """Runs the adapter of this folder."""
    settings = config.load()
    logging.setup(settings)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    (contract,) = load_all([folder])
    await Adapter(contract, settings, Catalogue.load()).run(stopping)


if __name__ == "__main__":
    uvloop.run(run(Path(sys.argv[2])))
