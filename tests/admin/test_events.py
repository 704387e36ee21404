"""The stream of events: what is on it, and how it ends."""

from __future__ import annotations

import json

import anyio
import pytest

from asgi_cache.admin import events
from asgi_cache.admin.events import LISTENERS, QUEUE, Streams
from asgi_cache.observe.observer import Observer

AUTH = {"authorization": "Bearer a-token-for-tests"}

pytestmark = pytest.mark.anyio


@pytest.fixture
def observer():
    return Observer()


@pytest.fixture
def streams(observer):
    return Streams(lambda: {"uptime": float("inf")}, lambda: observer)


def read(data):
    """Return the name of an event and what it says."""
    name, said = data.decode().strip().split("\n")
    return name.removeprefix("event: "), json.loads(said.removeprefix("data: "))


async def opened(streams):
    """Return a stream whose first statistics were read."""
    stream = streams.stream()
    assert await anext(stream) == b"retry: 1000\n\n"
    assert read(await anext(stream)) == ("stats", {"uptime": None})
    return stream


async def test_what_happens_is_told_at_once(streams, observer):
    """An event has its fields and its time; statistics follow by themselves."""
    stream = await opened(streams)
    observer.tell("warmed", stored=1, urls=2)
    name, said = read(await anext(stream))
    assert (name, said["stored"], said["urls"]) == ("warmed", 1, 2)
    assert said["at"] > 0
    assert read(await anext(stream))[0] == "stats"
    await stream.aclose()


async def test_slow_listener_loses_events_and_is_told(streams, observer):
    """No listener takes more memory than its queue, or holds up what happens."""
    stream = await opened(streams)
    for _ in range(QUEUE + 7):
        observer.tell("warmed", stored=1, urls=2)
    told = [read(await anext(stream)) for _ in range(QUEUE + 1)]
    assert told[-1] == ("lost", {"events": 7})
    await stream.aclose()


async def test_listeners_are_limited_and_forgotten(streams, observer):
    """A stream that has ended makes room, and is told nothing any more."""
    many = [await opened(streams) for _ in range(LISTENERS)]
    assert streams.is_full
    await many.pop().aclose()
    assert not streams.is_full
    for each in many:
        await each.aclose()
    assert not observer._listeners


async def test_too_many_listeners_are_sent_away(here, monkeypatch):
    """They may come again later."""
    monkeypatch.setattr(Streams, "is_full", property(lambda _: True))
    answer = await here.admin("/events")
    assert (answer.status, answer["retry-after"]) == (503, "10")


async def test_those_who_come_at_once_are_limited_too(streams):
    """Whoever was let in before the others had begun finds a stream that has ended."""
    many = [streams.stream() for _ in range(LISTENERS + 3)]
    begun = [await anext(stream, None) for stream in many]
    assert begun.count(None) == 3
    for each in many:
        await each.aclose()
    assert not streams.is_full


async def test_head_of_the_stream_ends_at_once(here):
    """Its client is sent no event, and has the connection for the next request."""
    with anyio.fail_after(5):
        answer = await here.admin("/events", "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer["content-type"].startswith("text/event-stream")


async def test_stream_ends_when_the_server_is_told_to_stop(streams, monkeypatch):
    """The server waits for it, and would wait for ever."""

    class Server:
        should_exit = False

        def handle_exit(self, *_):
            raise AssertionError

    server = Server()
    monkeypatch.setattr(events.signal, "getsignal", lambda _: server.handle_exit)
    stream = await opened(streams)
    server.should_exit = True
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_stream_ends_after_some_minutes(streams, monkeypatch):
    """Then it is asked again who may listen."""
    monkeypatch.setattr(events, "LONGEST", 0.0)
    stream = streams.stream()
    assert await anext(stream) == b"retry: 1000\n\n"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_stream_is_served_through_the_cache(here):
    """Its first events arrive although it does not end, and no cache waits for its end."""
    arrived = []
    with anyio.move_on_after(20):
        async with anyio.create_task_group() as group:

            async def note(message):
                arrived.append(message.get("body", b""))
                if b"event: purged" in message.get("body", b""):
                    group.cancel_scope.cancel()
                if b"event: stats" in message.get("body", b""):
                    await here.cache.purge(tags="a")

            await here.get("/ops/cache/events", AUTH, on_message=note)
    assert any(b"event: purged" in each for each in arrived)
