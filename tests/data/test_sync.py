"""The cache for threads and scripts."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.fastapi import cached, get_cache
from asgi_cache.selecting import Named
from tests.bare import ask


def test_a_purge_takes_the_same_names_either_way():
    """What `sync.purge` knows is what `purge` has as parameters."""
    parameters = inspect.signature(Cache.purge).parameters
    assert set(Named.__annotations__) == set(parameters) - {"self"}


def test_a_script_reads_writes_and_purges():
    """Without an event loop of its own."""
    cache = Cache()
    assert cache.sync.get_or_set("a", lambda: 1, ttl=60, tags=["t"]) == 1
    assert cache.sync.get("a") == 1
    cache.sync.purge(tags="t")
    assert cache.sync.get("a", "none") == "none"
    cache.sync.put("a", 2, ttl=60)
    assert cache.sync.get("a") == 2
    cache.sync.close()


def test_one_thread_is_begun_however_many_event_loops_there_are():
    """A script may use the cache in loops of its own, which end, and without one in turn."""
    cache = Cache()

    async def put():
        await cache.put("a", 1, ttl=60)

    before = own_threads()
    for _ in range(3):
        asyncio.run(put())
        assert cache.sync.get("a") == 1
    cache.sync.close()
    assert own_threads() == before + 1


def own_threads():
    return [thread.name for thread in threading.enumerate()].count("asgi-cache")


FORKING = """
import asyncio, os, signal
from asgi_cache import Cache

cache = Cache()

def fork():
    child = os.fork()
    if not child:
        signal.alarm(30)  # ends it if it hangs
        os._exit(cache.sync.get("a"))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

async def main():
    await cache.put("a", 1, ttl=60)
    return await asyncio.to_thread(fork), await anyio.to_thread.run_sync(fork)
"""


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("cache.sync.put('a', 1, ttl=60); print(fork())", id="script"),
        pytest.param("import anyio; print(*asyncio.run(main()))", id="worker"),
    ],
)
def test_a_forked_process_has_an_event_loop_of_its_own(how):
    """As in a worker of a task queue; the thread with the parent's is not there."""
    script = [sys.executable, "-W", "ignore", "-c", FORKING + how]
    done = subprocess.run(script, capture_output=True, text=True, check=True, timeout=90)
    assert set(done.stdout.split()) == {"1"}


ENDING = """
import asyncio, threading
from asgi_cache import Cache

cache = Cache()

async def put():
    await cache.put("a", 1, ttl=60)

def read():
    for _ in range(200):
        try:
            cache.sync.get("a")
        except RuntimeError as error:
            print(error)

reading = threading.Thread(target=read)
reading.start()
while reading.is_alive():
    asyncio.run(put())
"""


def test_an_event_loop_may_end_while_a_thread_waits_for_it():
    """What had begun is told so; what had not is done where the loop does not end."""
    begin = "import asgi_cache.threads; asgi_cache.threads.STANDSTILL = 0.01\n"
    script = [sys.executable, "-W", "error", "-c", begin + ENDING]
    done = subprocess.run(script, capture_output=True, text=True, check=True, timeout=60)
    assert set(done.stdout.splitlines()) <= {
        "the event loop has ended in which this was to be done"
    }
    assert "Traceback" not in done.stderr
    assert "never awaited" not in done.stderr


def test_a_memoized_function_stays_a_plain_one():
    """It runs once, in a thread, for all threads that wait for it."""
    cache, ran = Cache(), []

    @cache.memoize(60)
    def load(number):
        ran.append(threading.current_thread())
        return number

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(load, [7] * 50)) == [7] * 50
    assert len(ran) == 1
    cache.sync.close()


def test_memoized_functions_may_call_one_another():
    """Each has a thread of its own, so that none waits for another's."""
    cache = Cache()

    @cache.memoize(60)
    def factorial(n):
        return n * factorial(n - 1) if n else 1

    assert factorial(60) == 60 * factorial(59)
    cache.sync.close()


def test_a_plain_function_that_asks_for_itself_does_not_wait_for_itself():
    """Though each step is in a thread of its own."""
    cache = Cache()

    @cache.memoize(60, key="same")
    def count(n):
        return 1 + count(n - 1) if n else 0

    assert count(3) == 3
    cache.sync.close()


def test_what_fails_in_a_thread_is_raised_in_it():
    """With the error's own type."""
    cache = Cache()

    def fail():
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        cache.sync.get_or_set("a", fail, ttl=60)
    cache.sync.close()


def test_context_variables_are_seen_where_values_are_made():
    """As if the function had been called right here."""
    cache, tenant = Cache(), ContextVar("tenant")
    tenant.set("a")
    assert cache.sync.get_or_set("a", tenant.get, ttl=60) == "a"
    cache.sync.close()


@pytest.mark.anyio
async def test_a_thread_with_an_event_loop_is_told_to_await():
    """It would stand still for all."""
    cache = Cache()
    with pytest.raises(RuntimeError, match="write await"):
        cache.sync.purge(tags="a")


@pytest.mark.anyio
async def test_plain_endpoints_use_the_cache_of_the_app():
    """Many at once, of which each waits in a thread for what is made in others."""
    cache = Cache()
    app = FastAPI()
    app.add_middleware(CacheMiddleware, cache=cache)
    loops = set()

    @cache.memoize(60)
    def load(number: int) -> int:
        return number

    @app.get("/rows/{number}")
    @cached(60, tags=["row:{number}"])
    def read(number: int):
        return load(number)

    @app.post("/rows/{number}")
    def write(number: int, cache: Annotated[Cache, Depends(get_cache)]):
        cache.sync.purge(tags=f"row:{number}")
        loops.add(cache._threads._loop)

    targets = [f"/rows/{number}" for number in range(100)]
    answers = await asyncio.gather(*(ask(app, target) for target in targets))
    assert [answer.body for answer in answers] == [b"%d" % n for n in range(100)]
    assert (await ask(app, "/rows/7")).cache_status == "asgi-cache; hit"
    assert (await ask(app, "/rows/7", method="POST")).status == 200
    assert (await ask(app, "/rows/7")).cache_status == "asgi-cache; fwd=uri-miss; stored"
    assert loops == {asyncio.get_running_loop()}


def test_a_script_ends_though_it_closed_nothing(tmp_path):
    """The loop in the background does not keep it."""
    script = tmp_path / "script.py"
    script.write_text(
        "from asgi_cache import Cache\ncache = Cache()\n"
        "print(cache.sync.get_or_set('a', lambda: 7, ttl=60))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, timeout=30, check=True)
    assert (done.stdout, done.stderr) == (b"7\n", b"")
