"""Time that passes at once, and runs that repeat."""

from __future__ import annotations

import asyncio
import gc
import random
import time

import pytest

from tests.simulation.virtual_time import EPOCH, Deadlock, run, wall_clock

HOUR = 3600.0


def _now():
    return asyncio.get_running_loop().time()


async def _forever():
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(0.0001, id="a-moment"),
        pytest.param(HOUR, id="an-hour"),
        pytest.param(100 * 365 * 24 * HOUR, id="a-century"),
    ],
)
def test_waiting_takes_no_time(seconds):
    """A sleep ends at the instant it should, and nobody has waited."""

    async def sleep():
        await asyncio.sleep(seconds)
        return _now()

    began = time.monotonic()
    assert run(sleep(), seed=0) == seconds
    assert time.monotonic() - began < 5


def test_timers_run_in_their_order():
    """What is due earlier runs earlier, however close the instants are; else who asked first."""

    async def main():
        order = []

        async def note(name, seconds):
            await asyncio.sleep(seconds)
            assert _now() == seconds
            order.append(name)

        delays = (HOUR, 1e-9, 2e-9, *[0.5] * 10)
        await asyncio.gather(*(note(*numbered) for numbered in enumerate(delays)))
        return order

    assert run(main(), seed=0) == [1, 2, *range(3, 13), 0]


def test_the_wall_clock_keeps_pace():
    """The wall clock begins at a date of its own and moves with the loop."""

    async def main():
        await asyncio.sleep(HOUR)
        return wall_clock()

    assert run(main(), seed=0) == EPOCH + HOUR


@pytest.mark.parametrize("leftover", [False, True])
def test_a_hang_is_an_error(leftover):
    """Where nothing can ever happen again the run ends, and names what waits."""

    async def main():
        if leftover:
            asyncio.get_running_loop().create_task(_forever())
        await _forever()

    with pytest.raises(Deadlock, match="main") as caught:
        run(main(), seed=0)
    assert ("_forever" in str(caught.value)) == leftover


def test_a_task_that_nobody_holds_stays():
    """Garbage collection, which comes at any time, takes no task away."""

    async def main():
        asyncio.get_running_loop().create_task(_forever())
        await asyncio.sleep(1)
        gc.collect()
        return len(asyncio.all_tasks())

    assert run(main(), seed=0) == 2


def test_a_hang_in_what_is_left_is_an_error():
    """A task that will not be cancelled does not end the run quietly."""

    async def stubborn():
        try:
            await _forever()
        finally:
            await _forever()

    async def main():
        task = asyncio.get_running_loop().create_task(stubborn())
        await asyncio.sleep(1)
        tasks.append(task)

    tasks = []
    with pytest.raises(Deadlock, match="stubborn"):
        run(main(), seed=0)
    tasks[0]._log_destroy_pending = False


def test_a_timeout_cuts_a_wait_short():
    """`asyncio.timeout` counts virtual seconds, and cancels what it is around."""

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(HOUR):
                await _forever()
        return _now()

    assert run(main(), seed=0) == HOUR


def test_waiting_for_the_first_of_several():
    """`asyncio.wait` returns with the first that is done, and with none at its timeout."""

    async def main():
        tasks = [asyncio.create_task(asyncio.sleep(delay, delay)) for delay in (3, 1, 2)]
        none, _ = await asyncio.wait(tasks, timeout=0.5)
        first, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return len(none), [task.result() for task in first], len(rest), _now()

    assert run(main(), seed=0) == (0, [1], 2, 1)


def test_futures_and_events_wake_who_waits():
    """A result that is set later, from a timer or from another thread's call, is received."""

    async def main():
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        future = loop.create_future()
        loop.call_later(1, future.set_result, "done")
        loop.call_soon_threadsafe(event.set)
        await event.wait()
        return await future, _now()

    assert run(main(), seed=0) == ("done", 1)


def test_a_cancelled_task_is_told():
    """Cancelling reaches a task where it waits, and who awaits it learns of it."""

    async def main():
        task = asyncio.create_task(_forever())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main(), seed=0)


def test_what_is_left_is_cancelled_in_order():
    """Tasks that outlive the run are ended, the oldest first, and so are those they make."""
    tasks, ended = set(), []

    async def leave(name):
        try:
            await _forever()
        finally:
            await asyncio.sleep(1)
            ended.append((name, _now()))
            if name != "heir":
                await start("heir")

    async def start(name):
        tasks.add(asyncio.create_task(leave(name)))
        await asyncio.sleep(0)

    async def main():
        for name in range(20):
            await start(name)

    run(main(), seed=0)
    assert ended == [(name, 1) for name in range(20)] + [("heir", 2)] * 20


def test_what_fails_while_it_is_cancelled_does_not_keep_the_others():
    """A task that fails at the end does not hinder the result."""

    async def fail():
        try:
            await _forever()
        finally:
            raise LookupError

    async def main():
        task = asyncio.get_running_loop().create_task(fail())
        await asyncio.sleep(0)
        return task

    assert isinstance(run(main(), seed=0).exception(), LookupError)


def test_an_abort_ends_the_run():
    """An error that no task could report ends the run where it happened."""

    async def main():
        asyncio.get_running_loop().call_later(1, asyncio.get_running_loop().abort, LookupError("x"))
        await asyncio.sleep(HOUR)

    with pytest.raises(LookupError, match="x"):
        run(main(), seed=0)


def test_failures_are_passed_on():
    """What the coroutine raises is what the run raises."""

    async def main():
        await asyncio.sleep(1)
        raise LookupError("x")

    with pytest.raises(LookupError, match="x"):
        run(main(), seed=0)


def test_chance_is_the_seeds():
    """`random` gives the same for the same seed, and is left as it was found."""

    async def main():
        return random.random()

    before = random.getstate()
    first, again, other = (run(main(), seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert random.getstate() == before


def test_sets_of_tasks_and_futures_have_an_order():
    """Iterating over a set of tasks gives the same order in every run."""

    async def main():
        loop = asyncio.get_running_loop()
        made = [loop.create_task(asyncio.sleep(0), name=str(n)) for n in range(50)]
        futures = [loop.create_future() for _ in range(50)]
        order = [made.index(task) for task in set(made)]
        return order, [futures.index(future) for future in set(futures)]

    order = run(main(), seed=0)
    keep = [object() for _ in range(1000)]
    assert run(main(), seed=0) == order
    assert keep
