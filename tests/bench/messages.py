"""HL7 messages over four connections into an adapter that is a process of its own, each acknowledged when it is stored.

a device's connections --MLLP--> hl7_mllp --> bus, whose server syncs every commit to disk
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import Any

from bus import config
from bus.contracts import load_all
from bus.observability import logging
from bus.platform import Platform
from tests.bench import profiles, system
from tests.bench.contest import tell
from tests.bench.figures import Figure, Target
from tests.bench.offices import HEAD, LOOK, PATIENCE, PROFILED, STOP_TIMEOUT, environment
from tests.bench.rows import nik

CONNECTIONS = 4
AHEAD = 50  #: messages that a sender has on their way which does not wait for each answer
ALAT = "rsud/alat"

THROUGHPUT = Target(
    "hl7", f"HL7 messages over {CONNECTIONS} connections, one at a time, acknowledged after PubAck", "messages/s", 1_500
)

CONTRACT = """
[source.adt]
connector = "hl7_mllp"
listen = "env:ALAT_LISTEN"
key = ["no_kunjungan"]

[source.adt.fields]
no_kunjungan = "PV1-19"
no_pasien = "PID-3(MR).1"
nik = "PID-3(NNIDN).1"
jenis_kelamin = "PID-8"
tanggal_lahir = "PID-7:date"
tanggal = "PV1-44:date"
layanan = "PV1-3.1"

[[publish]]
event = "kesehatan.kunjungan.tercatat.v1"
from = "adt"
basis = "pengukuran"

[publish.map]
no_kunjungan = "no_kunjungan"
no_pasien = "no_pasien"
nik = "nik"
tanggal = "tanggal"
layanan = "layanan"
"""
_MESSAGE = (
    "\x0bMSH|^~\\&|BEDSIDE|RSUD|BUS|KEDIRI|20260315081500+0700||ADT^A01^ADT_A01|{number:010}|P|2.5\r"
    "EVN|A01|20260315081500\r"
    "PID|1||3571015/{number:06}^^^RSUD^MR~{nik}^^^NIK^NNIDN||SANTOSO^BUDI||19800805|M|||JL. MAWAR 1^^KEDIRI\r"
    "PV1|1|I|ICU^01^02|E|||1234^DOKTER^SATU|||MED||||1|||1234^DOKTER^SATU|INP|3571015/{number:010}"
    "|||||||||||||||||||||||||20260315080000\r\x1c\r"
)


@dataclass(slots=True)
class Bedside:
    """The bus, and the adapter that listens for devices."""

    home: Path
    platform: Platform
    address: str
    process: asyncio.subprocess.Process | None = None

    async def start(self, *, profiled: bool = False) -> None:
        """Starts the adapter, and waits until it listens."""
        program = [str(PROFILED), str(self.profile)] if profiled else ["-m", "bus"]
        with self.log.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, *program, "run", str(self.home / "contracts")),
                cwd=self.home,
                env=environment(BUS_HOME=str(self.home / "bus"), ALAT_LISTEN=self.address),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        host, port = self.address.split(":")
        ends = time.monotonic() + PATIENCE
        while True:
            if self.process.returncode is not None or time.monotonic() > ends:
                raise RuntimeError(f"the adapter does not listen:\n{self.log.read_text()[-1500:]}")
            with suppress(OSError):
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
                return
            await asyncio.sleep(LOOK)

    async def stop(self) -> None:
        """Stops the adapter, so that its profile is written."""
        process, self.process = self.process, None
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
            except TimeoutError:
                process.kill()
                await process.wait()

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU that each part has used."""
        pids = {"adapter": self.process.pid if self.process else None}
        pids["nats-server"] = self.platform.server.pid if self.platform.server else None
        used = {name: system.cpu(pid) for name, pid in pids.items() if pid}
        return {**used, "bus up and the senders": time.process_time()}

    @property
    def log(self) -> Path:
        """What the adapter says."""
        return self.home / "alat.log"

    @property
    def profile(self) -> Path:
        """Where its profile is written."""
        return self.home / "alat.prof"


class Sender(asyncio.Protocol):
    """One connection of a device: sends its messages, ``ahead`` at a time, and counts what is answered with AA."""

    def __init__(self, messages: Iterator[bytes], ahead: int) -> None:
        self._messages, self._ahead, self._come = messages, ahead, b""
        self._transport: Any = None
        self._sent = self.answered = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sends the first ones."""
        self._transport = transport
        self._send(self._ahead)

    def data_received(self, data: bytes) -> None:
        """For each answer one more is sent."""
        self._come += data
        *answers, self._come = self._come.split(b"\x1c\r")
        if any(b"MSA|AA|" not in answer for answer in answers):
            self.done.set_exception(RuntimeError(f"refused: {answers!r}"))
            return
        self.answered += len(answers)
        self._send(len(answers))

    def connection_lost(self, exc: Exception | None) -> None:
        """Before the last answer that is an error."""
        if not self.done.done():
            self.done.set_exception(exc or RuntimeError("the adapter has closed a connection"))

    def close(self) -> None:
        """Ends it."""
        self._transport.close()

    def _send(self, number: int) -> None:
        some = list(islice(self._messages, number))
        self._sent += len(some)
        if some:
            self._transport.write(b"".join(some))
        elif self.answered == self._sent and not self.done.done():
            self.done.set_result(None)


_numbers = count(1)


async def send(bedside: Bedside, size: int, ahead: int) -> float:
    """Sends messages over all connections; returns how many were acknowledged per second."""
    loop = asyncio.get_running_loop()
    host, port = bedside.address.split(":")
    messages = [_MESSAGE.format(number=number, nik=nik(number)).encode() for number in islice(_numbers, size)]
    begun = time.perf_counter()
    senders = []
    for first in range(CONNECTIONS):
        some = iter(messages[first::CONNECTIONS])
        _, sender = await loop.create_connection(lambda some=some: Sender(some, ahead), host, int(port))
        senders.append(sender)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(sender.done for sender in senders))
    seconds = time.perf_counter() - begun
    for sender in senders:
        sender.close()
    return sum(sender.answered for sender in senders) / seconds


async def measure(wanted: set[str], repeat: int, *, quick: bool) -> list[Figure]:
    """Measures the figure, where it is wanted."""
    if THROUGHPUT.name not in wanted:
        return []
    size = 800 if quick else 8_000
    async with open_bedside() as bedside:
        await bedside.start()
        await send(bedside, size // 4, 1)
        runs, ahead, cpu = [], [], {}
        for number in range(1, repeat + 1):
            before = bedside.cpu()
            runs.append(round(await send(bedside, size, 1)))
            cpu = {name: round((used - before[name]) / size * 1e6) for name, used in bedside.cpu().items()}
            ahead.append(round(await send(bedside, 2 * size, AHEAD)))
            parts = ", ".join(f"{name} {used}" for name, used in cpu.items())
            told = f"{runs[-1]:,}/s one at a time, {ahead[-1]:,}/s sent {AHEAD} ahead"
            tell(f"{number}/{repeat} {THROUGHPUT.name}: {told}; us of CPU a message: {parts}")
        details = {"messages": size, "connections": CONNECTIONS, "sent_ahead": median(ahead), "cpu_us": cpu}
        figure = Figure(THROUGHPUT, median(runs), runs, details=details)
        if figure.short:
            await bedside.stop()
            await bedside.start(profiled=True)
            await send(bedside, size, 1)
            await bedside.stop()
            figure.profile = profiles.of(bedside.profile)
    return [figure]


@asynccontextmanager
async def open_bedside() -> AsyncIterator[Bedside]:
    """Starts the bus, without the adapter, and without its index: the two cores are the server's and the adapter's."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="bus-bench-") as folder:
        home = Path(folder)
        opd, app = ALAT.split("/")
        path = home / "contracts" / ALAT / "adapter.toml"
        path.parent.mkdir(parents=True)
        path.write_text(HEAD.format(opd=opd, app=app) + CONTRACT, encoding="utf-8")
        settings = config.load(home=home / "bus", log_level="WARNING")
        logging.setup(settings)
        bedside = Bedside(home, Platform(settings, load_all([home / "contracts"]), indexed=False), address)
        try:
            await bedside.platform.start()
            yield bedside
        finally:
            await bedside.stop()
            await bedside.platform.stop()
