"""The posts on the rivers: their broker, a nats-server of the demo's own that speaks MQTT, and what they measure."""

from __future__ import annotations

import asyncio
import json
import sysconfig
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from adapters.demo.applications import outside
from adapters.demo.databases import WIB, connect, noted, transaction
from adapters.demo.processes import die_with_parent
from bus.errors import Unavailable

START = 20.0  #: seconds that the broker gets to start
PATIENCE = 10.0  #: seconds that a post waits for the broker's acknowledgement
POLL = 0.05


class Post(NamedTuple):
    """A post, with the levels in cm from which on it is WASPADA, SIAGA and AWAS: as BPBD's own list has them."""

    name: str
    waspada: int
    siaga: int
    awas: int


BRANTAS, KRESEK = POSTS = Post("tma-brantas-01", 150, 200, 250), Post("tma-kresek-01", 80, 120, 160)


class Broker:
    """The nats-server, on loopback and without accounts. ``address`` is host:port of its MQTT listener."""

    def __init__(self, home: Path, address: str) -> None:
        self._folder, self._address = home / "broker", address
        self._log = self._folder / "nats.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Starts it and waits until it listens. Raises Unavailable."""
        self._folder.mkdir(parents=True, exist_ok=True)
        config = {
            "server_name": "river-posts",
            "listen": "127.0.0.1:-1",
            "jetstream": {"store_dir": str(self._folder), "max_file_store": 64 * 1024**2},
            "mqtt": {"listen": self._address, "max_ack_pending": 500},
            "log_file": str(self._log),
        }
        path = self._folder / "server.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        program = Path(sysconfig.get_path("scripts")) / "nats-server"
        try:
            self._process = await asyncio.create_subprocess_exec(
                str(program), "-c", str(path), start_new_session=True, preexec_fn=die_with_parent()
            )
            async with asyncio.timeout(START):
                await self._listening()
        except (OSError, TimeoutError):
            raise Unavailable("the river posts' broker does not start", where=str(self._log)) from None

    async def _listening(self) -> None:
        while self._process is not None and self._process.returncode is None:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(*self._address.split(":"))
                writer.close()
                return
            await asyncio.sleep(POLL)
        raise Unavailable("the river posts' broker has ended", where=str(self._log), hint="read its log")

    async def stop(self) -> None:
        """Ends it."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()


Send = Callable[[str, str, bool], None]  #: topic, payload, whether the broker keeps it for who comes later


@dataclass(frozen=True)
class River:
    """What the posts measure: they write it into books of their own and send it."""

    home: Path
    send: Send

    def open(self) -> None:
        """Makes the posts' books."""
        with connect(outside(self.home)) as books:
            books.execute("CREATE TABLE pos (sensor TEXT PRIMARY KEY, waspada, siaga, awas)")
            books.execute("CREATE TABLE ukuran (nomor INTEGER PRIMARY KEY, sensor TEXT, nilai, waktu TEXT)")
            books.executemany("INSERT INTO pos VALUES (?, ?, ?, ?)", POSTS)

    def measure(self, post: Post, value: float | str, *, retain: bool = False) -> None:
        """A reading in cm, or what a broken sensor sends. Nothing stands in the books that was not sent."""
        moment = datetime.now(WIB).isoformat(timespec="milliseconds")
        with transaction(outside(self.home)) as books:
            books.execute("INSERT INTO ukuran (sensor, nilai, waktu) VALUES (?, ?, ?)", (post.name, value, noted()))
            self.send(f"sensor/sungai/{post.name}", json.dumps({"nilai": value, "waktu": moment}), retain)


def publish(address: str, topic: str, payload: str, retain: bool) -> None:
    """Publishes at QoS 1, to the broker at host:port, and waits until it has it. Raises Unavailable."""
    host, port = address.split(":")
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)
    try:
        client.connect(host, int(port))
        client.loop_start()
        sent = client.publish(topic, payload, qos=1, retain=retain)
        sent.wait_for_publish(PATIENCE)
        if not sent.is_published():
            raise TimeoutError
        client.disconnect()
    except (OSError, RuntimeError):
        raise Unavailable("the river posts' broker does not answer", where=address) from None
    finally:
        client.loop_stop()
