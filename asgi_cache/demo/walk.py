"""The walk: what a client sees of the cache, one step after the other, each of them verified."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from asgi_cache.demo.client import Answer, Client
from asgi_cache.demo.database import Database, User

AT_ONCE: Final = 50
"""Clients that ask for the same at the same moment."""

LAG: Final = 0.1
"""Seconds after which every process knows of a write in another one."""

SETTLED: Final = 0.05
"""Seconds after which a write is over: it purges once more when the app has returned."""

REFRESH_LIMIT: Final = 10.0
"""Seconds within which a stale response must have been replaced."""


class ExpectationFailed(Exception):
    """The cache did not do what this step is about; the message says what that is."""


@dataclass(frozen=True, slots=True)
class Tour:
    """Who walks, and what about."""

    client: Client
    database: Database
    """The same that the app has."""
    alice: User
    bob: User
    task: str
    """Path of a task of Alice's."""

    @classmethod
    def of(cls, client: Client, database: Database) -> Tour:
        """Choose two users and a task of the first one's."""
        alice, bob = database.user_number(1), database.user_number(2)
        return cls(client, database, alice, bob, database.first_task(alice))

    @contextmanager
    def runs(self, handler: str, times: int) -> Generator[None]:
        """Expect that what happens meanwhile makes *handler* run so many times."""
        before = self.client.handler_runs().get(handler, 0)
        yield
        risen = self.client.handler_runs().get(handler, 0) - before
        expect(risen == times, f"{times} runs of the handler of {handler}, there were {risen}")


Step: TypeAlias = Callable[[Tour], str]
"""Sends requests, verifies the answers and says what they showed."""


def walk(tour: Tour, steps: Sequence[tuple[str, Step]], first: int = 1) -> None:
    """Take all *steps*; the first one has the number *first*.

    Raises:
        ExpectationFailed: The cache is not as it should be.
    """
    for number, (title, step) in enumerate(steps, start=first):
        print(f"\n{number}  {title}")
        print(textwrap.indent(textwrap.fill(step(tour), width=94), "   "), flush=True)


def expect(claim: bool, what: str, answer: Answer | None = None) -> None:
    """Go on if *claim* is true.

    Raises:
        ExpectationFailed: It is not; *answer* is what should have been different.
    """
    if not claim:
        raise ExpectationFailed(f"expected {what}" + (f"; {answer}" if answer else ""))


def expect_hit(answer: Answer, status: int = 200) -> None:
    """Expect that the store answered, with an ``Age``."""
    expect(answer.is_hit and answer.status == status, f"a hit with status {status}", answer)
    expect("age" in answer.fields, "an Age field in a hit", answer)


def expect_miss(answer: Answer, reason: str = "uri-miss") -> None:
    """Expect that the app answered, for *reason*, and that this was stored."""
    status = answer.cache_status
    expect(status.get("fwd") == reason, f"a run of the app, fwd={reason}", answer)
    expect(answer.status == 200 and "stored" in status, "its answer to be stored", answer)


def expect_tasks_of(owner: User, answer: Answer) -> None:
    """Expect a list of tasks, all of them *owner*'s."""
    owners = {task["owner"] for task in answer.content}
    others = sorted(owners - {owner.name})
    expect(not others, f"{owner.name} to see no task of {', '.join(others)}", answer)
    expect(bool(owners), f"{owner.name} to see some tasks", answer)


def miss_then_hit(tour: Tour) -> str:
    """Ask twice; the app is asked once."""
    with tour.runs("GET /tasks", 1):
        miss = tour.client.get("/tasks", tour.alice)
        expect_miss(miss)
        hit = tour.client.get("/tasks", tour.alice)
        expect_hit(hit)
    expect(hit.body == miss.body, "a hit to have the same body as the miss before it", hit)
    return (
        f"The same {len(hit.body):,} bytes, {miss.ms / hit.ms:,.0f} times faster, with Age: "
        f"{hit.fields['age']}. The handler ran once for the two requests."
    )


def own_tasks(tour: Tour) -> str:
    """Let two users ask for the same URLs."""
    alice, bob, client = tour.alice, tour.bob, tour.client
    lists = [(user, client.get("/tasks", user)) for user in (bob, bob, alice)]
    for owner, answer in lists:
        expect_tasks_of(owner, answer)
    expect_miss(lists[0][1])
    for _, answer in lists[1:]:
        expect_hit(answer)
    expect_miss(client.get(tour.task, alice))
    expect_hit(client.get(tour.task, alice))
    refused = client.get(tour.task, bob)
    expect(refused.status == 404, "Bob to get 404 for a task of Alice's", refused)
    nobody = client.get("/tasks")
    expect(nobody.status == 401, "401 without a token", nobody)
    return (
        "Alice's list was stored when Bob asked for that URL, and he got his own. Every task in "
        "every list is its reader's. The key holds a keyed hash of the Authorization field; what "
        "the app refuses, it goes on refusing."
    )


def not_modified(tour: Tour) -> str:
    """Ask whether what one has is still good."""
    with tour.runs("GET /tasks", 0):
        whole = tour.client.get("/tasks", tour.alice)
        expect("etag" in whole.fields, "an ETag", whole)
        answer = tour.client.get("/tasks", tour.alice, if_none_match=whole.fields["etag"])
    expect_hit(answer, status=304)
    expect(answer.body == b"", "a 304 without a body", answer)
    return (
        f"Nothing but fields was sent, {len(whole.body):,} bytes were not. The app knows nothing "
        "of entity tags: the cache made this one from the body."
    )


def parts(tour: Tour) -> str:
    """Ask for less than everything."""
    with tour.runs("GET /tasks", 0):
        whole = tour.client.get("/tasks", tour.alice)
        head = tour.client.send("HEAD", "/tasks", tour.alice)
        part = tour.client.get("/tasks", tour.alice, range="bytes=0-99")
    expect_hit(head)
    length = str(len(whole.body))
    expect(head.fields["content-length"] == length, f"HEAD to say {length} bytes", head)
    expect_hit(part, status=206)
    expect(part.body == whole.body[:100], "the first 100 bytes", part)
    return "Both come from the stored GET, though the app has handlers for neither."


def many_at_once(tour: Tour) -> str:
    """Let many clients ask for what nobody has asked for before."""
    path = "/tasks?page=3"
    with tour.runs("GET /tasks", 1), ThreadPoolExecutor(AT_ONCE) as clients:
        asked = [clients.submit(tour.client.ask, "GET", path, tour.alice) for _ in range(AT_ONCE)]
        answers = [each.result() for each in asked]
    for answer in answers:
        expect(answer.body == answers[0].body, "the same answer for all", answer)
        expect("stored" in answer.cache_status or is_spared(answer), "one run for all", answer)
    miss, *_ = sorted(answers, key=is_spared)
    tour.client.show(miss, tour.alice)
    tour.client.show(next(filter(is_spared, answers)), tour.alice)
    return (
        f"{AT_ONCE} clients asked at once, the handler ran once, and all were answered within "
        f"{max(answer.ms for answer in answers):.0f} ms."
    )


def is_spared(answer: Answer) -> bool:
    """Whether the app did not have to run for it."""
    return answer.is_hit or "collapsed" in answer.cache_status


def client_insists(tour: Tour) -> str:
    """Change the database where the cache cannot know, and ask for the truth."""
    title = f"Edited past the app at {_now()}"
    tour.database.change(tour.alice, int(tour.task.rpartition("/")[2]), title=title)
    print(f"     (an UPDATE of another program's: title = '{title}')")
    with tour.runs("GET /tasks/{task_id}", 1):
        old = tour.client.get(tour.task, tour.alice)
        forced = tour.client.get(tour.task, tour.alice, cache_control="no-cache")
        expect_hit(old)
        expect(old.content["title"] != title, "the stored title, which is what a ttl means", old)
        expect(forced.content["title"] == title, "no-cache to bring the new title", forced)
        expect_miss(forced, reason="request")
        new = tour.client.get(tour.task, tour.alice)
        expect_hit(new)
    expect(new.body == forced.body, "no-cache to replace what was stored", new)
    return (
        "Within its ttl the stored response stands. no-cache reached the app, and what it "
        "answered is now stored for all who ask after it."
    )


def write_invalidates(tour: Tour) -> str:
    """Change a task, and read it at once."""
    title = f"Changed with PUT at {_now()}"
    refused = tour.client.send("PUT", tour.task, tour.bob, content={"title": "Mine now"})
    expect(refused.status == 404, "Bob not to change a task of Alice's", refused)
    expect_hit(tour.client.get(tour.task, tour.alice))
    put = tour.client.send("PUT", tour.task, tour.alice, content={"title": title})
    expect(put.status == 200, "Alice to change her task", put)
    time.sleep(SETTLED)
    read = tour.client.get(tour.task, tour.alice)
    expect(read.content["title"] == title, "the title that was just written", read)
    expect_miss(read)
    expect_hit(tour.client.get(tour.task, tour.alice))
    return (
        "Bob's PUT failed and voided nothing. Alice's succeeded, and her next read has what she "
        "wrote, without a line in the app (RFC 9111, section 4.4)."
    )


def addition_invalidates(tour: Tour) -> str:
    """Add a task to a list, and read all pages of the list at once."""
    expect_miss(tour.client.get("/tasks", tour.alice))  # since the PUT before this
    expect_miss(tour.client.get("/tasks?page=2", tour.alice))
    expect_hit(tour.client.get("/tasks?page=2", tour.alice))
    expect_miss(tour.client.get("/tasks?page=2", tour.bob))
    added = tour.client.send("POST", "/tasks", tour.alice, content=_new_task("Added"))
    expect(added.status == 201, "a new task", added)
    time.sleep(SETTLED)
    read = tour.client.get("/tasks", tour.alice)
    numbers = [task["id"] for task in read.content]
    expect(added.content["id"] in numbers, "the new task in the list", read)
    expect_miss(read)
    expect_miss(tour.client.get("/tasks?page=2", tour.alice))
    expect_hit(tour.client.get("/tasks?page=2", tour.bob))
    return (
        "POST /tasks voids /tasks for all. HTTP does not know that its other pages belong to it, "
        "but the rules do: a user's lists carry a tag, which that user's writes purge. Bob's stay."
    )


def stale_while_revalidating(tour: Tour) -> str:
    """Ask when the ttl is over: the old answer at once, the new one soon."""
    with tour.runs("GET /stats", 2):
        miss = tour.client.get("/stats")
        expect_miss(miss)
        lifetime = miss.ttl or 0
        tour.client.send("POST", "/tasks", tour.bob, content=_new_task("Counted"))
        print(f"     (waiting for the ttl of {lifetime} s to be over)", flush=True)
        time.sleep(1.2 * lifetime)
        stale = tour.client.get("/stats")
        expect_hit(stale)
        expect((stale.ttl or 0) < 0, "a stale answer, with a negative ttl", stale)
        expect(stale.body == miss.body, "the stale answer to be the stored one", stale)
        expect(stale.ms < miss.ms, "a stale answer not to wait for the app", stale)
        fresh = _fresh(tour.client)
    grown = fresh.content["tasks"] - stale.content["tasks"]
    expect(grown == 1, "the refreshed statistics to count the new task", fresh)
    return (
        f"{stale.content['tasks']:,} tasks, at once, while one refresh ran in the background; "
        f"{fresh.content['tasks']:,} a moment later. No user waited for the {miss.ms:.0f} ms that "
        "the app took before."
    )


def _fresh(client: Client) -> Answer:
    """Ask until the answer is not stale any more, and show that one."""
    give_up_at = time.monotonic() + REFRESH_LIMIT
    while time.monotonic() < give_up_at:
        answer = client.ask("GET", "/stats")
        if (answer.ttl or 0) >= 0:
            expect_hit(answer)
            client.show(answer)
            return answer
        time.sleep(0.02)
    raise ExpectationFailed(f"expected a refresh of /stats within {REFRESH_LIMIT:g} s")


def shared_by_processes(other: Client, tour: Tour) -> str:
    """Ask two processes that share a store."""
    before = other.handler_runs()
    tour.client.get("/tasks", tour.alice)
    shared = other.get("/tasks", tour.alice)
    expect_hit(shared)
    expect(other.handler_runs() == before, "the second process not to run its app", shared)
    expect_hit(tour.client.get(tour.task, tour.alice))
    title = f"Changed by the other process at {_now()}"
    put = other.send("PUT", tour.task, tour.alice, content={"title": title})
    expect(put.status == 200, "Alice to change her task", put)
    time.sleep(LAG)
    read = tour.client.get(tour.task, tour.alice)
    expect(read.content["title"] == title, "what was written at the other process", read)
    expect_miss(read)
    return (
        "Process 2, of the same host as behind a load balancer, had not been asked for /tasks: "
        "its first answer is what process 1 stored. A write at process 2 is seen at process 1 "
        "after 100 ms at the latest, though it answers from copies of its own."
    )


def _new_task(verb: str) -> dict[str, Any]:
    return {"title": f"{verb} at {_now()}", "due": datetime.now(UTC).date().isoformat()}


def _now() -> str:
    return datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3]


STEPS: Final[tuple[tuple[str, Step], ...]] = (
    ("A miss runs the app, a hit does not", miss_then_hit),
    ("No user sees another one's tasks", own_tasks),
    ("A client that has it already is told so", not_modified),
    ("HEAD and a range of bytes, from the stored response", parts),
    ("Many clients at once are one run of the app", many_at_once),
    ("A client that insists gets the app's answer", client_insists),
    ("A write voids what it makes untrue", write_invalidates),
    ("An addition voids the list", addition_invalidates),
    ("A stale answer is better than a slow one", stale_while_revalidating),
)
"""What one process can show."""

TWO_PROCESSES: Final = "Two processes share what is stored, and what is voided"
