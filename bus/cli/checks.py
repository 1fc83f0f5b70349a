"""What ``bus doctor`` looks at on this machine: Python, packages, the server's program, the home, disk, tracing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bus.errors import BusError

if TYPE_CHECKING:
    from bus.config import Settings

Level = Literal["ok", "warn", "fail"]

PYTHON = (3, 11)
LOW, EMPTY = 2 * 1024**3, 256 * 1024**2  #: bytes of free disk that warn, and that fail
LOW_SHARE = 0.1
PATIENCE = 2.0  #: seconds for an endpoint to answer


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    name: str
    level: Level
    detail: str
    hint: str = ""


def failed(name: str, error: BusError, level: Level = "fail") -> Check:
    """An error as a line of the report."""
    return Check(name, level, f"{error.where}: {error.what}" if error.where else error.what, error.hint)


def here(settings: Settings) -> Iterator[Check]:
    """Everything that needs no server."""
    yield _python()
    yield _connectors()
    yield _program(settings)
    yield from _home(settings)
    yield _disk(settings)


async def tracing(settings: Settings) -> Check:
    """Whether somebody listens where spans are sent."""
    from urllib.parse import urlsplit

    endpoint = settings.otlp_endpoint
    if endpoint is None:
        return Check("tracing", "ok", "no endpoint is set: spans go nowhere", "BUS_OTLP_ENDPOINT=http://host:4318")
    parts = urlsplit(endpoint)
    hint = "spans are dropped while it does not answer; nothing else suffers"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return Check("tracing", "fail", "BUS_OTLP_ENDPOINT is no http(s) address", "http://host:4318")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError):
        return Check("tracing", "fail", f"nobody answers at {parts.hostname}:{port}", hint)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Check("tracing", "ok", f"{parts.hostname}:{port} answers")


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON:
        return Check("python", "fail", version, "3.11 or newer is needed")
    return Check("python", "ok", version)


def _connectors() -> Check:
    """Which connectors can be used: each extra brings its own packages."""
    from bus.contracts import connectors

    usable, missing = [], []
    for name in connectors.names():
        try:
            connectors.load(name)
        except BusError as error:
            missing.append(f"{name}: {error.hint or error.what}")
        else:
            usable.append(name)
    detail = ", ".join(usable) or "none"
    if missing:
        return Check("connectors", "warn", f"usable: {detail}", f"not installed here: {'; '.join(missing)}")
    return Check("connectors", "ok", detail)


def _program(settings: Settings) -> Check:
    from bus import server

    if settings.nats_url:
        return Check("nats-server", "ok", "not needed: BUS_NATS_URL names an external one")
    try:
        return Check("nats-server", "ok", str(server.find_binary()))
    except BusError as error:
        return failed("nats-server", error)


def _home(settings: Settings) -> Iterator[Check]:
    """Whether the secrets are there, and nobody else's to read."""
    home = settings.home
    if not home.exists():
        yield Check("home", "warn", f"{home.absolute()} does not exist", "`bus up` makes it; or set BUS_HOME")
        return
    if not os.access(home, os.W_OK):
        yield Check("home", "fail", f"{home.absolute()} cannot be written", "run as its owner, or set BUS_HOME")
        return
    open_ = [path for path in _secrets(home) if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if open_:
        paths = " ".join(str(each) for each in open_[:5])
        yield Check("home", "fail", f"others may read {len(open_)} secrets", f"chmod go= {paths}")
    else:
        yield Check("home", "ok", str(home.absolute()))
    if not settings.entity_key_path.exists():
        yield Check("entity key", "warn", "no key of key tokens here", "adapters and `bus where --key` need it")


def _secrets(home: Path) -> Iterator[Path]:
    for folder in (home / "keys", home / "creds"):
        if folder.exists():
            yield folder
            yield from (path for path in folder.rglob("*") if path.name != ".lock")


def _disk(settings: Settings) -> Check:
    from bus.cli import output

    place = next(each for each in (settings.home.absolute(), *settings.home.absolute().parents) if each.exists())
    usage = shutil.disk_usage(place)
    detail = f"{output.size(usage.free)} free of {output.size(usage.total)} at {place}"
    if usage.free < EMPTY:
        return Check("disk", "fail", detail, "the server stops storing when it is full: make room")
    if usage.free < LOW and usage.free < usage.total * LOW_SHARE:
        return Check("disk", "warn", detail, "make room before the streams fill it")
    return Check("disk", "ok", detail)
