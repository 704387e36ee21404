"""Functions whose results are stored, and those that write."""

from __future__ import annotations

import asyncio
import inspect
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI

from asgi_cache import Cache, CacheMiddleware, ConfigurationError, UnsupportedValue
from tests.bare import ask

pytestmark = pytest.mark.anyio


async def test_a_result_is_stored_by_its_arguments(cache):
    """However they are passed, with defaults and without."""
    ran = []

    @cache.memoize("5m")
    async def add(left: int, right: int = 1, **more: int) -> int:
        ran.append((left, right))
        return left + right + sum(more.values())

    assert [await add(1), await add(1, 1), await add(right=1, left=1)] == [2, 2, 2]
    assert await add(1, a=1, b=2) == await add(1, b=2, a=1) == 5
    assert await add(2) == 3
    assert ran == [(1, 1), (1, 1), (2, 1)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param((1,), ("1",), id="types"),
        pytest.param((1,), (True,), id="bool"),
        pytest.param(("a", "b"), ("ab",), id="lengths"),
        pytest.param(([1], 2), ([1, 2],), id="structure"),
        pytest.param((None,), (), id="none"),
    ],
)
async def test_arguments_that_differ_have_results_of_their_own(memory, one, other):
    """Nothing is told apart by how it looks as text."""

    @memory.memoize("5m")
    async def echo(*args):
        return list(args)

    assert (await echo(*one), await echo(*other)) == (list(one), list(other))
    assert echo.key(*one) != echo.key(*other)


async def test_functions_of_the_same_arguments_are_apart(memory):
    """The name of the function is part of the key."""

    @memory.memoize(60)
    async def one(x):
        return 1

    @memory.memoize(60)
    async def other(x):
        return 2

    assert (await one(0), await other(0)) == (1, 2)


async def test_some_arguments_can_be_ignored(memory):
    """Such as a session, which is no part of what is asked."""

    @memory.memoize(60, ignore=["session"])
    async def load(session, number):
        return number

    assert await load(object(), 1) == await load(session=object(), number=1) == 1


async def test_a_key_of_ones_own_is_one_for_values_too(cache):
    """What one function stores, others find and purge by that key."""

    @cache.memoize("5m", key="task:{task_id}")
    async def load(task_id, verbose=False):
        return {"id": task_id}

    assert load.key(7) == load.key(7, verbose=True) == "task:7"
    await load(7)
    assert await cache.get("task:7") == {"id": 7}
    await cache.purge(key=load.key(7))
    assert await cache.get("task:7") is None


async def test_no_argument_reads_like_two_in_a_key(memory):
    """Whoever chooses an argument cannot reach what others have stored."""

    @memory.memoize("5m", key="{user}:{name}")
    async def load(user, name):
        return user

    assert await load("a", "b:c") == "a"
    assert await load("a:b", "c") == "a:b"


async def test_results_are_purged_by_tags_of_their_arguments(memory):
    """And all of a function's by its name."""

    @memory.memoize("5m", tags=["user:{user_id}"])
    async def load(user_id):
        ran.append(user_id)

    ran = []
    for named, again in (({"tags": "user:1"}, [1]), ({"tags": load.name}, [1, 2])):
        await load(1), await load(2)
        ran.clear()
        await memory.purge(**named)
        await load(1), await load(2)
        assert ran == again


async def test_a_method_is_memoized_without_its_instance(memory):
    """Where the instance is ignored."""

    class Repository:
        @memory.memoize("5m", ignore=["self"])
        async def load(self, number):
            return number

    assert [await Repository().load(1), await Repository().load(1)] == [1, 1]


async def test_parameters_may_be_called_anything(memory):
    """Also what the decorator calls its own."""

    @memory.memoize("5m")
    async def echo(self, function, arguments):
        return [self, function, arguments]

    assert await echo(self=1, function=2, arguments=3) == [1, 2, 3]
    assert echo.key(self=1, function=2, arguments=3) == echo.key(1, 2, 3)


async def test_a_result_that_asks_for_itself_does_not_wait_for_itself(cache):
    """It is made where it is asked for, whatever stands between."""

    @cache.memoize(60, key="same")
    async def count(n):
        return n if n == 0 else await between(n - 1)

    @cache.memoize(60, key="between")
    async def between(n):
        return 1 + await count(n)

    assert await count(3) == 3
    assert await cache.get("same") == 3


async def test_a_memoized_function_looks_like_the_function(memory):
    """Frameworks that ask for its signature see it."""

    async def load(task_id: int) -> str:
        """Load a task."""
        return "a"

    memoized = memory.memoize("5m")(load)
    assert inspect.signature(memoized) == inspect.signature(load)
    assert (memoized.__doc__, memoized.__name__) == (load.__doc__, load.__name__)
    assert memoized.__wrapped__ is load


CACHE = Cache()
RAN = []


@CACHE.memoize("5m")
async def settings(tenant: str) -> str:
    """Return what depends on a parameter of the request."""
    RAN.append(tenant)
    return tenant.upper()


async def test_a_memoized_function_is_a_dependency():
    """Its parameters are the request's, as without it."""
    app = FastAPI()
    app.add_middleware(CacheMiddleware, cache=CACHE)

    @app.get("/")
    async def read(value: Annotated[str, Depends(settings)]):
        return value

    assert [(await ask(app, "/?tenant=a")).body for _ in range(2)] == [b'"A"'] * 2
    assert RAN == ["a"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"key": "a:{task}"}, "key='a:{task}' has 'task', no parameter", id="key"),
        pytest.param({"tags": ["{x}"]}, "tags='{x}' has 'x', no parameter", id="tags"),
        pytest.param({"ignore": ["x"]}, "ignore=['x'] has 'x', no parameter", id="ignore"),
        pytest.param(
            {"ignore": ["task_id"], "tags": ["{task_id}"]},
            "tags='{task_id}' has {task_id}, which is ignored",
            id="ignored",
        ),
        pytest.param({"ttl": "x"}, "a value: ttl='x'", id="ttl"),
    ],
)
async def test_templates_have_to_fit_the_function(memory, options, message):
    """A mistake is found where the function is decorated."""

    async def load(task_id): ...

    with pytest.raises(ConfigurationError) as caught:
        memory.memoize(**{"ttl": 60, **options})(load)
    assert message in str(caught.value)


async def test_a_generator_is_refused(memory):
    """What it yields could be read once."""

    async def stream():
        yield 1

    with pytest.raises(ConfigurationError, match="is a generator"):
        memory.memoize(60)(stream)


async def test_an_argument_that_cannot_be_part_of_a_key_is_named(memory):
    """With what can be done about it."""

    @memory.memoize(60)
    async def load(session): ...

    with pytest.raises(UnsupportedValue, match=r"argument 'session' .* ignore=\['session'\]"):
        await load(object())


async def test_what_a_write_returns_is_the_value_from_now_on(cache):
    """The reader does not run again; what the write made untrue is void."""
    rows = {7: "old"}

    @cache.memoize("5m", key="task:{task_id}", tags=["task:{task_id}"])
    async def load(task_id):
        return rows[task_id]

    @cache.memoize("5m", tags=["tasks"])
    async def count():
        return len(rows)

    @cache.writes("task:{task_id}", ttl="5m", tags=["task:{task_id}"], purge=["tasks"])
    async def rename(task_id, name):
        rows[task_id] = name
        return name

    assert (await load(7), await count()) == ("old", 1)
    assert await rename(7, "new") == "new"
    rows[7] = "read again"
    assert await load(7) == "new"
    assert await cache.get(count.key()) is None
    await cache.purge(tags="task:7")
    assert await load(7) == "read again"


async def test_nothing_old_is_read_once_a_write_has_returned(memory):
    """A read that began before it, and saw what was there, is not used after it."""
    row, begun, go = ["old"], asyncio.Event(), asyncio.Event()

    @memory.memoize("5m", key="row")
    async def load():
        seen = row[0]
        begun.set()
        await go.wait()
        return seen

    @memory.writes("row", ttl="5m")
    async def write(value):
        row[0] = value
        return value

    reading = asyncio.create_task(load())
    await begun.wait()
    await write("new")
    go.set()
    assert await reading == "old"
    assert await load() == "new"


@pytest.mark.parametrize("last", [0, 1], ids=["in-order", "crossed"])
async def test_of_two_writes_at_once_neither_is_stored(memory, last):
    """They may end here in another order than in the database."""
    begun, gates = ([asyncio.Event(), asyncio.Event()] for _ in range(2))

    @memory.memoize("5m", key="row")
    async def load():
        return "database"

    @memory.writes("row", ttl="5m")
    async def write(number):
        begun[number].set()
        await gates[number].wait()
        return number

    writing = [asyncio.create_task(write(number)) for number in (0, 1)]
    for each in begun:
        await each.wait()
    for number in (1 - last, last):
        gates[number].set()
        await writing[number]
    assert await load() == "database"


async def test_a_write_that_fails_purges_what_it_may_have_written(memory):
    """An error after the commit leaves nobody with what was there before it."""

    @memory.writes("row", ttl="5m", purge=["list"])
    async def write():
        raise OSError("the connection broke off")

    await memory.put("row", "old", ttl=60)
    await memory.put("all", "old", ttl=60, tags=["list"])
    with pytest.raises(OSError, match="broke off"):
        await write()
    assert (await memory.get("row"), await memory.get("all")) == (None, None)
