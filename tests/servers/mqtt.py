"""Private MQTT brokers: mosquitto, and nats-server with its own listener. Tests publish with mosquitto's clients."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import struct
import subprocess
import sysconfig
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from shutil import which
from typing import ClassVar

from tests.servers.server import HOST, PASSWORD, USER, Server, ServerError, free_port

READER = "pembaca"  #: a second user, who may read the topics below umum/ alone; same password
LINES = 50_000  #: that mosquitto_pub is given at once: of more than 65,535 it ends before all are sent


def installed() -> Path | None:
    """The folder of mosquitto's program; None where it or its clients are not installed."""
    found = which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    return Path(found).parent if found and which("mosquitto_pub") else None


class MqttServer(Server):
    """What both brokers share."""

    scheme: ClassVar[str] = "mqtt"
    gentle: ClassVar[signal.Signals] = signal.SIGTERM

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"mqtt://{HOST}:{self.port}"

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=5) as connection:
            connection.sendall(_connect(USER, PASSWORD))
            return connection.recv(4) == b"\x20\x02\x00\x00"
        return False

    async def publish(self, topic: str, payloads: Sequence[str | bytes], *, retain: bool = False, qos: int = 1) -> None:
        """Publishes with ``mosquitto_pub``, one line a message; a single one may have several. Raises ServerError."""
        await asyncio.to_thread(self.publish_now, topic, payloads, retain=retain, qos=qos)

    def publish_now(self, topic: str, payloads: Sequence[str | bytes], *, retain: bool = False, qos: int = 1) -> None:
        """The same, where nothing else must run meanwhile."""
        if len(payloads) > LINES:
            for start in range(0, len(payloads), LINES):
                self.publish_now(topic, payloads[start : start + LINES], retain=retain, qos=qos)
            return
        lines = [payload.encode() if isinstance(payload, str) else payload for payload in payloads]
        how = "-l" if len(lines) > 1 else "-s" if lines[0] else "-n"
        command = ["mosquitto_pub", "-h", HOST, "-p", str(self.port), "-u", USER, "-P", PASSWORD, "-t", topic]
        command += ["-q", str(qos), how, *(["-r"] if retain else [])]
        text = b"".join(line + b"\n" for line in lines) if how == "-l" else lines[0]
        done = subprocess.run(command, input=text, capture_output=True, check=False)
        if done.returncode or done.stderr:
            raise ServerError(f"mosquitto_pub failed: {done.stderr.decode()}")


class Mosquitto(MqttServer):
    """mosquitto with users, and sessions that survive its end (but not a kill).

    On ``tls_port`` it asks for a certificate; ``ca.pem``, ``client.pem`` and ``client.key`` lie in its folder.
    """

    account: ClassVar[str] = "mosquitto"
    tls_port = 0

    def initialise(self) -> None:
        self.run(["mkdir", "data"])
        self.run(["touch", "passwords"])
        for user in (USER, READER):
            self.run(["mosquitto_passwd", "-b", "passwords", user, PASSWORD])
        acl = self.folder / "acl"
        acl.write_text(f"user {USER}\ntopic readwrite #\nuser {READER}\ntopic read umum/#\n", encoding="ascii")
        acl.chmod(0o644)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        self.run(["openssl", "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca"])
        sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName=IP:{HOST}"]
        for name in ("server", "client"):
            made = ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"]
            self.run(["openssl", "req", "-x509", *key, *sign, *made])

    def command(self) -> list[str]:
        config = self.folder / "config"
        settings = {
            "listener": f"{self.port} {HOST}",
            "allow_anonymous": "false",
            "password_file": str(self.folder / "passwords"),
            "acl_file": str(self.folder / "acl"),
            "persistence": "true",
            "persistence_location": f"{self.folder / 'data'}/",
            "max_queued_messages": "0",
            "set_tcp_nodelay": "true",
        }
        self.tls_port = self.tls_port or free_port()
        tls = {
            "listener": f"{self.tls_port} {HOST}",
            "cafile": str(self.folder / "ca.pem"),
            "certfile": str(self.folder / "server.pem"),
            "keyfile": str(self.folder / "server.key"),
            "require_certificate": "true",
        }
        lines = [f"{name} {value}\n" for name, value in (*settings.items(), *tls.items())]
        config.write_text("".join(lines), encoding="ascii")
        config.chmod(0o644)
        return [str(self.programs / "mosquitto"), "-c", str(config)]


class NatsMqtt(MqttServer):
    """nats-server with JetStream and an MQTT listener."""

    account: ClassVar[str] = "root"  #: its program lies within the project, where another may not be let in

    def initialise(self) -> None:
        self.run(["mkdir", "data"])

    def command(self) -> list[str]:
        config = self.folder / "config"
        reader = {"user": READER, "password": PASSWORD, "permissions": {"subscribe": ["umum.>", "$MQTT.>"]}}
        settings = {
            "server_name": "mqtt-test",
            "max_payload": 4 * 1024 * 1024,
            "listen": f"{HOST}:-1",
            "jetstream": {"store_dir": str(self.folder / "data")},
            "mqtt": {"listen": f"{HOST}:{self.port}", "max_ack_pending": 500, "ack_wait": "1s"},
            "accounts": {"A": {"jetstream": "enabled", "users": [{"user": USER, "password": PASSWORD}, reader]}},
        }
        config.write_text(json.dumps(settings), encoding="ascii")
        config.chmod(0o644)
        return [str(self.programs / "nats-server"), "-c", str(config)]


def nats_programs() -> Path:
    """The folder of nats-server, which comes with the bus."""
    return Path(sysconfig.get_path("scripts"))


def _connect(user: str, password: str) -> bytes:
    """MQTT 3.1.1's CONNECT with a clean session."""
    texts = ["MQTT", "probe", user, password]
    name, client, *account = [struct.pack("!H", len(text)) + text.encode() for text in texts]
    body = name + b"\x04\xc2\x00\x0a" + client + b"".join(account)
    return b"\x10" + bytes([len(body)]) + body
