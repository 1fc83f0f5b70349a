"""The fixtures that give tests their databases and disturb their connections; see the package's docstring."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.servers import mariadb as mariadb_kind
from tests.servers import mqtt as mqtt_kind
from tests.servers import openssh as openssh_kind
from tests.servers import php as php_kind
from tests.servers import postgresql as postgresql_kind
from tests.servers.mariadb import MariaDB
from tests.servers.mqtt import Mosquitto, NatsMqtt
from tests.servers.openssh import OpenSSH, SftpFolder
from tests.servers.php import Php
from tests.servers.postgresql import PostgreSQL
from tests.servers.proxy import Proxy
from tests.servers.server import Database, Server

S = TypeVar("S", bound=Server)
REQUIRED = os.environ.get("BUS_TEST_SERVERS") == "required"


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    """This process's PostgreSQL; tests take ``postgresql``."""
    yield from serving(
        PostgreSQL, postgresql_kind.installed(), "PostgreSQL is not installed (apt-get install postgresql)"
    )


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariaDB]:
    """This process's MariaDB; tests take ``mariadb``."""
    yield from serving(MariaDB, mariadb_kind.installed(), "MariaDB is not installed (apt-get install mariadb-server)")


@pytest.fixture
def postgresql(postgresql_server: PostgreSQL) -> Iterator[Database]:
    """A fresh PostgreSQL database; ``.server.create()`` makes more. All go when the test ends."""
    postgresql_server.start()
    yield postgresql_server.create()
    postgresql_server.clear()


@pytest.fixture
def mariadb(mariadb_server: MariaDB) -> Iterator[Database]:
    """A fresh MariaDB database; ``.server.create()`` makes more. All go when the test ends."""
    mariadb_server.start()
    yield mariadb_server.create()
    mariadb_server.clear()


@pytest.fixture(scope="session")
def sftp_server() -> Iterator[OpenSSH]:
    """This process's OpenSSH server; tests take ``sftp``."""
    yield from serving(OpenSSH, openssh_kind.installed(), "OpenSSH is not installed (apt-get install openssh-server)")


@pytest.fixture
def sftp(sftp_server: OpenSSH) -> Iterator[SftpFolder]:
    """A fresh, empty folder on the SFTP server; ``.server.create()`` makes more. All go when the test ends."""
    sftp_server.start()
    yield sftp_server.create()
    sftp_server.clear()


@pytest.fixture(scope="session")
def mosquitto_server() -> Iterator[Mosquitto]:
    """This process's MQTT broker; tests take ``mosquitto``."""
    yield from serving(
        Mosquitto, mqtt_kind.installed(), "mosquitto is not installed (apt-get install mosquitto mosquitto-clients)"
    )


@pytest.fixture
def mosquitto(mosquitto_server: Mosquitto) -> Mosquitto:
    """The MQTT broker, running. Sessions and retained messages stay: each test takes topics of its own."""
    mosquitto_server.start()
    return mosquitto_server


@pytest.fixture(scope="session")
def nats_mqtt_server(mosquitto_server: Mosquitto) -> Iterator[NatsMqtt]:
    """This process's nats-server that listens for MQTT; its tests publish with mosquitto's clients."""
    yield from serving(NatsMqtt, mqtt_kind.nats_programs(), "")


@pytest.fixture
def nats_mqtt(nats_mqtt_server: NatsMqtt) -> NatsMqtt:
    """The same, running."""
    nats_mqtt_server.start()
    return nats_mqtt_server


@pytest.fixture(scope="session")
def php_server() -> Iterator[Php]:
    """This process's PHP with its SOAP services; tests take ``php``."""
    yield from serving(Php, php_kind.installed(), "PHP is not installed (apt-get install php-cli php-soap)")


@pytest.fixture
def php(php_server: Php) -> Iterator[Php]:
    """PHP with its SOAP services, which have no data yet; what they have goes when the test ends."""
    php_server.start()
    yield php_server
    php_server.clear()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite database in the test's folder; the file is made by whoever opens it first."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[Callable[[str | int], Awaitable[Proxy]]]:
    """Opens TCP proxies to a port, or to the server of a URL, on loopback; they close when the test ends."""
    async with AsyncExitStack() as stack:

        async def open_proxy(target: str | int) -> Proxy:
            port = target if isinstance(target, int) else urlsplit(target).port
            if port is None:
                raise ValueError("the URL names no port")
            return await stack.enter_async_context(Proxy(port))

        yield open_proxy


def serving(kind: Callable[[Path], S], programs: Path | None, missing: str) -> Iterator[S]:
    """One server for the session; skips, or fails, with the reason where it is not installed."""
    if programs is None:
        if REQUIRED:
            pytest.fail(missing)
        pytest.skip(missing)
    server = kind(programs)
    try:
        server.start()
        yield server
    finally:
        server.close()
