"""Values of real databases: written through the cache, and behind it."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from asgi_cache import Cache, WriteBehind
from tests.postgresql_server import running_postgresql

pytestmark = pytest.mark.anyio

ROWS = range(4)
TASKS, STEPS = 8, 25


@pytest.fixture(scope="module")
def postgresql():
    with running_postgresql() as where:
        yield f"postgresql+psycopg://{where}"


@pytest.fixture(params=["sqlite", "postgresql"])
async def engine(request, tmp_path):
    """Connect to a table of versions, all of which are 0."""
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path}/rows.sqlite3?timeout=60"  # for the lock
    else:
        url = request.getfixturevalue("postgresql")
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE IF EXISTS rows"))
        await connection.execute(text("CREATE TABLE rows (id INTEGER PRIMARY KEY, version INT)"))
        for number in ROWS:
            await connection.execute(text(f"INSERT INTO rows VALUES ({number}, 0)"))
    yield engine
    await engine.dispose()


async def test_no_reader_goes_back_behind_a_write_that_has_returned(engine, cache):
    """However reads and writes of a few rows meet, in the database and here."""

    @cache.memoize("5m", key="row:{number}", tags=["rows"])
    async def load(number: int) -> int:
        async with engine.connect() as connection:
            row = text("SELECT version FROM rows WHERE id = :number")
            return await connection.scalar(row, {"number": number})

    @cache.writes("row:{number}", ttl="5m", tags=["row:{number}"])
    async def write(number: int) -> int:
        async with engine.begin() as connection:
            row = text("UPDATE rows SET version = version + 1 WHERE id = :number RETURNING version")
            version = await connection.scalar(row, {"number": number})
        for _ in range(delays.choice([0, 200])):  # those that commit first may return last
            await asyncio.sleep(0)
        return version

    written, delays = dict.fromkeys(ROWS, 0), Random(0)

    async def use(random: Random) -> None:
        for _ in range(STEPS):
            number = random.choice(ROWS)
            if random.random() < 0.3:
                version = await write(number)
                written[number] = max(written[number], version)
            else:
                before = written[number]
                assert await load(number) >= before

    await asyncio.gather(*(use(Random(seed)) for seed in range(TASKS)))
    assert [await load(number) for number in ROWS] == list(written.values())


async def test_what_is_written_behind_is_in_the_database_in_the_end(engine, redis_server):
    """The last value of each key, whatever else was written to it before."""
    redis_server.empty()
    cache = Cache(store=redis_server.url + "?timeout=5s")

    async def persist(batch):
        async with engine.begin() as connection:
            for each in batch:
                row = {"number": int(each.key.removeprefix("row:")), "version": each.value}
                await connection.execute(
                    text("UPDATE rows SET version = :version WHERE id = :number"), row
                )

    async with WriteBehind(cache, persist) as behind:
        for version in range(1, 26):
            for number in ROWS:
                await behind.write(f"row:{number}", version, ttl="5m")
    async with engine.connect() as connection:
        versions = await connection.scalars(text("SELECT version FROM rows ORDER BY id"))
        assert list(versions) == [25] * len(ROWS)
    await cache.close()
