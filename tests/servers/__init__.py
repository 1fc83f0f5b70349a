"""Private servers for tests: real PostgreSQL, MariaDB and OpenSSH, and a TCP proxy that disturbs connections.

Fixtures (``tests/servers/fixtures.py``, known to every test):

    postgresql, mariadb   a fresh, empty database: ``.url`` (names no driver), ``.sql(text)``, ``.load(path)``,
                          ``.server``
    sftp                  a fresh, empty folder on an SFTP server: ``.url``, ``.path`` (the same on this machine),
                          ``.host_key``, ``.user_key``, ``.server`` (also ``.cut()``: its sessions die)
    mosquitto, nats_mqtt  an MQTT broker: ``.url``, ``await .publish(topic, payloads)``
    php                   SOAP services of PHP: ``.url``, ``.put(file, document)`` and ``.put_rows`` give them data
    sqlite_url            the URL of a SQLite file that does not exist yet
    proxy                 ``way = await proxy(url_or_port)``; then ``way.url(url)``, ``way.delay``, ``await way.cut()``,
                          ``await way.refuse()``, ``await way.accept()``, ``way.freeze()``, ``way.thaw()``

An application that a test has written itself is a ``Program``: what it must not forget it has ``Kept``.

Each pytest process has its own servers, started at their first use, so that a test may stop, kill and start them
(``.server.stop()``, ``.kill()``, ``.start()``) without disturbing a parallel one. They listen on loopback only, as an
unprivileged user, in a folder that goes away with them: also when the tests are killed, by the guard. Commits survive
a kill of the server; nothing is synced to disk. PostgreSQL has ``wal_level=logical``, MariaDB a row binlog with full
metadata.

Where a server is not installed its tests are skipped with the reason; with ``BUS_TEST_SERVERS=required``, as in
``tests/run``, they fail.
"""
