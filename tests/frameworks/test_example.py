"""The example for FastAPI, as it is served by uvicorn to two users."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import jwt
import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SECRET = "a secret that is long enough for what it is used for"
ADA, BEN = 1, 2

HIT, MISS = "asgi-cache; hit", "asgi-cache; fwd=uri-miss; stored"


def token(user: int, *, lasts: float = 600, secret: str = SECRET) -> str:
    """Return what *user* shows who has signed in."""
    return jwt.encode({"sub": str(user), "exp": time.time() + lasts}, secret, "HS256")


class Client:
    """A user who asks."""

    def __init__(self, url: str, shown: str) -> None:
        fields = {"Authorization": f"Bearer {shown}"}
        self.http = httpx.Client(base_url=url, headers=fields, timeout=30)  # it starts meanwhile

    def get(self, path: str):
        """Return what came back, and what the cache says of it but for the lifetime."""
        answer = self.http.get(path)
        status = answer.headers["cache-status"].split("; ")
        return answer.json(), "; ".join(s for s in status if not s.startswith("ttl="))


@contextmanager
def serving(directory: Path):
    """Serve the example; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor, port = listening.fileno(), listening.getsockname()[1]
        command = [sys.executable, "-m", "uvicorn", "fastapi_app:app", "--fd", str(descriptor)]
        database = f"sqlite+aiosqlite:///{directory}/tasks.sqlite3"
        process = subprocess.Popen(
            [*command, "--app-dir", str(EXAMPLES), "--log-level", "error"],
            env=os.environ | {"SECRET": SECRET, "DATABASE": database},
            pass_fds=[descriptor],
            cwd=directory,
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("example")) as url:
        yield url


@pytest.fixture
def client(url):
    """Begin with a task of each user's, of which nothing is stored."""
    clients = []

    def client(shown: str) -> Client:
        clients.append(Client(url, shown))
        return clients[-1]

    yield client
    for each in clients:
        each.http.close()


@pytest.fixture
def users(client):
    """Ada and Ben, who have one task each besides those of other tests, and have seen them."""
    users = [client(token(user)) for user in (ADA, BEN)]
    for user in users:
        user.task = user.http.post("/tasks", json={"title": "a"}).raise_for_status().json()
    for user in users:
        user.path = f"/tasks/{user.task['id']}"
        assert [user.get(path)[1] for path in ("/tasks", user.path)] == [MISS, MISS]
        # A write purges once more when the app has returned, which its client does not wait for.
        for path in ("/tasks", user.path):
            while user.get(path)[1] != HIT:
                pass
    return users


def test_neither_user_sees_the_others_responses(users):
    """The same URL is another response for each; what the other has is not found."""
    for user, other in (users, users[::-1]):
        tasks, status = user.get("/tasks")
        assert (user.task in tasks, status) == (True, HIT)
        assert {task["owner"] for task in tasks} == {user.task["owner"]}
        for _ in range(2):
            assert user.get(other.path)[0] == {"detail": "Not Found"}
        assert other.get(other.path) == (other.task, HIT)


def test_a_write_purges_what_it_makes_untrue_and_nothing_else(users):
    """The task and its owner's list are read anew; the other user's are hits."""
    ada, ben = users
    written = {**ada.task, "title": "new"}
    assert ada.http.put(ada.path, json=written).json() == written
    assert ada.get(ada.path) == (written, MISS)
    tasks, status = ada.get("/tasks")
    assert (written in tasks, status) == (True, MISS)
    assert [ben.get(path)[1] for path in ("/tasks", ben.path)] == [HIT, HIT]


def test_a_task_that_is_given_away_is_in_the_other_list(users):
    """The lists of its former owner and of the new one are purged, and what was not found."""
    ada, ben = users
    given = {**ada.task, "owner": BEN}
    assert ben.get(ada.path)[0] == {"detail": "Not Found"}
    assert ada.http.put(ada.path, json=given).json() == given
    for user, has_it in ((ada, False), (ben, True)):
        tasks, status = user.get("/tasks")
        assert (given in tasks, status) == (has_it, MISS)
    assert ada.get(ada.path)[0] == {"detail": "Not Found"}
    assert ben.get(ada.path)[0] == given


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(lambda: token(ADA, lasts=-1), id="expired"),
        pytest.param(lambda: token(ADA, secret=SECRET[::-1]), id="signed-by-another"),
        pytest.param(lambda: token(ADA)[:-1], id="cut-off"),
        pytest.param(lambda: jwt.encode({"sub": "1"}, SECRET, "HS256"), id="without-an-end"),
        pytest.param(lambda: jwt.encode({"sub": "1", "exp": 2**33}, None, "none"), id="unsigned"),
        pytest.param(lambda: "-", id="no-token"),
    ],
)
def test_a_token_that_is_not_good_is_refused_though_a_response_is_stored(users, client, shown):
    """The cache asks whose request it is each time, and believes no token that is not verified."""
    stranger = client(shown())
    for path in ("/tasks", users[0].path):
        assert users[0].get(path)[1] == HIT
        for _ in range(2):
            answer = stranger.http.get(path)
            assert answer.status_code == 401
            assert "hit" not in answer.headers["cache-status"]
