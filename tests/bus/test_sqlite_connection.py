"""What a closed connection to SQLite leaves behind: nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from bus.database import engine

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT begin_slowly() UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n"


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


@pytest.mark.parametrize("times", [1, 2])
async def test_a_query_of_sqlite_that_is_cancelled_leaves_no_thread_and_nobody_waiting(
    sqlite_url: str, times: int
) -> None:
    before = set(threading.enumerate())
    made = engine(sqlite_url, where="here")
    begun, loop = asyncio.Event(), asyncio.get_running_loop()

    def begin_slowly() -> int:
        loop.call_soon_threadsafe(begun.set)
        time.sleep(0.3)  # nothing interrupts this: its thread is still at it when all else is over
        return 0

    async def query() -> None:
        async with made.begin() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.create_function("begin_slowly", 0, begin_slowly)
            await connection.exec_driver_sql(ENDLESS)

    querying = asyncio.create_task(query())
    await begun.wait()
    for _ in range(times):
        querying.cancel()
        await asyncio.sleep(0)  # the second one meets the closing that the first one has begun
    assert isinstance((await asyncio.gather(querying, return_exceptions=True))[0], asyncio.CancelledError)
    await made.dispose()
    assert not [each for each in threading.enumerate() if each not in before and "worker" in each.name]
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left or not (await asyncio.wait(left, timeout=5))[1]
