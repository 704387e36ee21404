"""A deadline for what others have to do."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

from asgi_cache.deadline import Deadline

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_what_takes_too_long_is_cancelled():
    """It is told so, and whoever waits gets a TimeoutError in time."""
    began_at, work = time.monotonic(), asyncio.ensure_future(asyncio.Event().wait())
    with pytest.raises(TimeoutError):
        async with Deadline(0.02):
            await work
    assert work.cancelled()
    assert 0.015 < time.monotonic() - began_at < 0.5


async def test_what_is_in_time_is_left_alone():
    """No timer is left behind either."""
    async with Deadline(0.02):
        await asyncio.sleep(0)
    await asyncio.sleep(0.03)


async def test_a_reply_that_has_arrived_is_taken_though_the_loop_was_busy():
    """Who has kept it busy is to blame, and not who was asked."""
    reading, writing = await asyncio.open_connection(*await echoing())
    for _ in range(3):
        async with Deadline(0.02):
            writing.write(b"question")
            asyncio.get_running_loop().call_soon(time.sleep, 0.06)
            answer = asyncio.create_task(reading.readexactly(8))  # which takes some turns more
            assert await asyncio.shield(answer) == b"question"
    writing.close()


async def echoing():
    """Run a server in a thread of its own, which is not kept from its work; its address."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listening, listening.accept()[0] as connection:
            while data := connection.recv(100):
                connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    return listening.getsockname()


async def test_a_loop_that_is_always_busy_gives_up_in_the_end():
    """Time is given back once, and not for ever."""
    loop, began_at = asyncio.get_running_loop(), time.monotonic()

    def be_busy():
        time.sleep(0.01)
        if time.monotonic() < began_at + 2:
            loop.call_soon(be_busy)

    be_busy()
    with pytest.raises(TimeoutError):
        async with Deadline(0.05):
            await asyncio.Event().wait()
    assert 0.04 < time.monotonic() - began_at < 0.4
    began_at -= 2


async def test_cancellation_by_others_is_passed_on():
    """Whoever cancels the task has cancelled it, and no time has run out."""

    async def work():
        async with Deadline(5):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
