"""What a closed connection to SQLite leaves behind: nothing."""

from __future__ import annotations

from typing import Any

from bus.database import engine


async def test_a_query_of_sqlite_that_was_cut_short_leaves_no_lock(sqlite_url: str) -> None:
    one, two = (engine(sqlite_url, where="here") for _ in range(2))
    try:
        async with two.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE t (id integer PRIMARY KEY)")
            await connection.exec_driver_sql("INSERT INTO t VALUES (1), (2)")
        async with one.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            cursor = await driver.cursor()
            await cursor.execute("SELECT id FROM t")
            assert await cursor.fetchone() == (1,)
            await driver.close()  # as after a cancellation, whose traceback holds the cursor
            await connection.invalidate()
        async with two.begin() as connection:
            await connection.exec_driver_sql("PRAGMA busy_timeout = 0")
            await connection.exec_driver_sql("INSERT INTO t VALUES (3)")
        assert cursor.description
    finally:
        await one.dispose()
        await two.dispose()
